"""Break the template in one way after the other, and see the deployment tests fail for the right reason.

Lint passes most of these. Run as `python tests/deploy/mutations.py [NAME...]`, with the
interpreter that has the tools; ends with status 1 if a mutation survives or is caught by
something else than the test that should.
"""

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TESTS = ("test_deployment.py", "test_metric_filters.py")


@dataclass(frozen=True)
class Mutation:
    name: str
    before: str
    after: str
    caught_by: str
    reason: str
    """What the failing assertion must say."""
    stack: str = "stack"


MUTATIONS = (
    Mutation(
        "the Function URL asks for IAM",
        "AuthType: NONE\n\n",
        "AuthType: AWS_IAM\n\n",
        "test_strangers_may_invoke_the_function_through_its_url_and_in_no_other_way",
        "assert 'AWS_IAM' == 'NONE'",
    ),
    Mutation(
        "AuthType is an intrinsic function",
        "AuthType: NONE\n\n",
        "AuthType: !Sub NONE\n\n",
        "test_strangers_may_invoke_the_function_through_its_url_and_in_no_other_way",
        "assert [] == [",
    ),
    Mutation(
        "the dashboard's JSON is broken",
        '"start": "-P14D",',
        '"start": "-P14D"',
        "test_deployed_dashboard_is_one_that_cloudwatch_accepts",
        "JSONDecodeError",
    ),
    Mutation(
        "the dashboard's math names a metric that is not there",
        '"id": "firstvisits", "visible": false',
        '"id": "newvisits", "visible": false',
        "test_deployed_dashboard_is_one_that_cloudwatch_accepts",
        "uses firstvisits, which is no id",
    ),
    Mutation(
        "an output names a wrong attribute",
        "VisitCounterUrl.FunctionUrl",
        "VisitCounterUrl.FunctionArn",
        "test_outputs_name_what_was_deployed",
        "arn:aws:lambda",
    ),
    Mutation(
        "logs are kept for 15 days",
        "RetentionInDays: !Ref LogRetentionDays",
        "RetentionInDays: 15",
        "test_logs_are_kept_for_14_days",
        "assert 15 == 14",
    ),
    Mutation(
        "the role may not write its logs",
        "                  - logs:PutLogEvents\n",
        "",
        "test_role_may_write_to_the_functions_own_logs_and_nothing_else",
        "logs:PutLogEvents",
    ),
    Mutation(
        "the role may write every log group",
        "Resource: !GetAtt VisitCounterLogs.Arn",
        'Resource: "*"',
        "test_role_may_write_to_the_functions_own_logs_and_nothing_else",
        "'Resource': '*'",
    ),
    Mutation(
        "the HTTP API may not invoke the function",
        "Principal: apigateway.amazonaws.com",
        "Principal: events.amazonaws.com",
        "test_only_this_http_api_may_invoke_the_function_beside_its_url",
        "events.amazonaws.com",
        stack="highest",
    ),
    Mutation(
        "a metric filter's field is renamed",
        """FilterPattern: '{ $.message = "visit" }'""",
        """FilterPattern: '{ $.fields.message = "visit" }'""",
        "test_each_filter_matches_what_it_should_and_nothing_else",
        "'Visits': set()",
    ),
    Mutation(
        "the count is read from a field that is not there",
        "MetricValue: $.count",
        "MetricValue: $.visits",
        "test_visit_count_takes_its_value_from_the_line",
        "KeyError: 'visits'",
    ),
    Mutation(
        "the platform's lines are logged too",
        "SystemLogLevel: WARN",
        "SystemLogLevel: INFO",
        "test_function_logs_visits_but_not_the_platforms_lines_to_its_own_group",
        "'SystemLogLevel': 'INFO'",
    ),
    Mutation(
        "server errors are compared with nothing",
        "MetricName: UrlRequestCount",
        "MetricName: Invocations",
        "test_server_error_rate_leaves_out_prefetches_and_quiet_times",
        "'MetricName': 'Invocations'",
    ),
    Mutation(
        "the cookie's age is not passed on",
        "COUNT_COOKIE_MAX_AGE_DAYS: !Ref CookieMaxAgeDays",
        'COUNT_COOKIE_MAX_AGE_DAYS: "400"',
        "test_cookie_without_days_lasts_for_the_session",
        "Max-Age",
        stack="lowest",
    ),
)


def failures(mutation: Mutation, template: str) -> dict[str, str]:
    """The tests that fail on the mutated template, with what each said."""
    with tempfile.TemporaryDirectory() as directory:
        path, report = Path(directory) / "template.yaml", Path(directory) / "report.xml"
        path.write_text(template.replace(mutation.before, mutation.after))
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}",
             f"--template={path}", f"--only-stack={mutation.stack}", *(HERE / name for name in TESTS)],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            check=False,
        )  # fmt: skip
        found = {}
        for case in ElementTree.parse(report).iter("testcase"):
            for kind in ("failure", "error"):
                if (failed := case.find(kind)) is not None:
                    found[case.get("name")] = f"{failed.get('message')}\n{failed.text}"
        return found


def verdict(mutation: Mutation, template: str) -> str | None:
    """What is wrong, or None if the mutation was caught as it should be."""
    if template.count(mutation.before) != 1:
        return "the template has no such text, or several"
    found = failures(mutation, template)
    if mutation.caught_by not in found:
        return f"survived; failed instead: {sorted(found) or 'nothing'}"
    if mutation.reason not in found[mutation.caught_by]:
        return f"caught for another reason:\n{found[mutation.caught_by]}"
    print(f"      and {', '.join(sorted(set(found) - {mutation.caught_by})) or 'nothing else'}")
    return None


def main() -> int:
    template = (ROOT / "template.yaml").read_text()
    chosen = [m for m in MUTATIONS if len(sys.argv) == 1 or m.name in sys.argv[1:]]
    survivors = 0
    for mutation in chosen:
        started = time.monotonic()
        print(f"{mutation.name}: {mutation.caught_by}", flush=True)
        fault = verdict(mutation, template)
        survivors += fault is not None
        print(f"      {fault or 'caught'} ({time.monotonic() - started:.0f} s)", flush=True)
    print(f"{len(chosen) - survivors} of {len(chosen)} mutations caught")
    return survivors > 0 or not chosen


if __name__ == "__main__":
    sys.exit(main())
