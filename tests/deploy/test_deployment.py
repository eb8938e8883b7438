"""The template, deployed to the local stand-in by the SAM CLI as an owner would."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile
from selenium import webdriver
from selenium.webdriver.common.by import By

import dashboard
from cloud import Cloud
from conftest import STACK, program

ALARMS = {"ErrorsAlarm", "ThrottlesAlarm", "ServerErrorRateAlarm", "SlowAlarm"}
ELF_MACHINES = {"x64": "x86_64", "AArch64": "arm64"}
AMAZON_LINUX_2023_GLIBC = (2, 34)

# Each parameter's lowest and highest, or first and last, good value. Architecture has a test of its own.
LOWEST = {
    "CookieMaxAgeDays": 0,
    "MaxConcurrency": -1,
    "LogRetentionDays": 1,
    "AlarmEmail": '""',
    "HttpApi": "off",
    "EmbedOrigins": '""',
}
HIGHEST = {
    "CookieMaxAgeDays": 400,
    "MaxConcurrency": 1000,
    "LogRetentionDays": 90,
    "AlarmEmail": "owner@example.com",
    "HttpApi": "on",
    "EmbedOrigins": '"https://example.com, https://example.org:8443"',
}


@pytest.fixture(scope="module")
def highest(cloud: Cloud, native_architecture: str) -> str:
    """A second stack, with every parameter at its highest value."""
    name = f"{STACK}-highest"
    deployed = cloud.deploy(name, Architecture=native_architecture, **HIGHEST)
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    return name


@pytest.fixture(scope="module")
def lowest(cloud: Cloud, native_architecture: str) -> str:
    """A third stack, with every parameter at its lowest value."""
    name = f"{STACK}-lowest"
    deployed = cloud.deploy(name, Architecture=native_architecture, **LOWEST)
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    return name


@pytest.fixture
def project(root: Path, tmp_path: Path) -> Path:
    """An owner's folder, as far as `sam deploy` reads it; nothing is built in it."""
    for name in ("samconfig.toml", "template.yaml"):
        shutil.copy(root / name, tmp_path)
    return tmp_path


@pytest.fixture
def browser(cloud: Cloud, tmp_path: Path) -> Iterator[webdriver.Chrome]:
    """Headless Chromium that finds AWS's host names at the stand-in."""
    options = webdriver.ChromeOptions()
    options.binary_location = program("chromium", "google-chrome")
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={tmp_path / 'profile'}",
        f"--host-resolver-rules=MAP * 127.0.0.1:{cloud.port}",
        "--ignore-certificate-errors",
    ):
        options.add_argument(argument)
    driver = webdriver.Chrome(options, webdriver.ChromeService(program("chromedriver")))
    yield driver
    driver.quit()


def test_artifact_is_built_for_the_architecture_that_is_deployed(
    cloud: Cloud, stack: str, artifact: Path, native_architecture: str
) -> None:
    with artifact.open("rb") as file:
        assert ELF_MACHINES[ELFFile(file).get_machine_arch()] == native_architecture
    assert configuration(cloud, stack)["Architectures"] == [native_architecture]


def test_artifact_needs_no_newer_glibc_than_its_runtime_has(artifact: Path) -> None:
    """provided.al2023 could not even start it, which would be a 502 for every visitor."""
    with artifact.open("rb") as file:
        needed = ELFFile(file).get_section_by_name(".gnu.version_r").iter_versions()
        names = [version.name for _, versions in needed for version in versions]
    glibc = [tuple(map(int, name[6:].split("."))) for name in names if name.startswith("GLIBC_")]
    assert max(glibc) <= AMAZON_LINUX_2023_GLIBC


def test_page_counts_1_2_3_in_a_browser_at_its_deployed_url(
    cloud: Cloud, stack: str, browser: webdriver.Chrome
) -> None:
    url = cloud.outputs(stack)["PageUrl"]
    for count in (1, 2, 3):
        browser.get(url)
        heading = browser.find_element(By.TAG_NAME, "h1").get_property("textContent")
        assert heading == f"Page Count: {count}"
    assert browser.current_url == url


def test_compressed_page_is_the_page(cloud: Cloud, stack: str) -> None:
    url = cloud.outputs(stack)["PageUrl"]
    plain, compressed = (cloud.visit(url, "7", {"Accept-Encoding": coding}) for coding in ("identity", "gzip"))
    assert (plain.headers.get("content-encoding"), compressed.headers["content-encoding"]) == (None, "gzip")
    assert compressed.body == plain.body
    assert "<title>Page Visit Counter</title>" in plain.body


def test_strangers_may_invoke_the_function_through_its_url_and_in_no_other_way(cloud: Cloud, stack: str) -> None:
    function = cloud.outputs(stack)["FunctionName"]
    url = cloud.client("lambda").get_function_url_config(FunctionName=function)
    assert url["AuthType"] == "NONE"
    assert sorted(cloud.policy(function), key=lambda statement: statement["Action"]) == url_statements(cloud, function)


def test_role_may_write_to_the_functions_own_logs_and_nothing_else(cloud: Cloud, stack: str) -> None:
    iam, role = cloud.client("iam"), cloud.resources(stack)["VisitCounterRole"]
    assert configuration(cloud, stack)["Role"].endswith(f"/{role}")
    assert iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]["Statement"] == [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ]
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
    (policy,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    assert iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]["Statement"] == [
        {
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": log_group(cloud, stack)["arn"],
        }
    ]


def test_logs_are_kept_for_14_days(cloud: Cloud, stack: str) -> None:
    assert log_group(cloud, stack)["retentionInDays"] == 14


def test_function_logs_visits_but_not_the_platforms_lines_to_its_own_group(cloud: Cloud, stack: str) -> None:
    assert configuration(cloud, stack)["LoggingConfig"] == {
        "LogFormat": "JSON",
        "ApplicationLogLevel": "INFO",
        "SystemLogLevel": "WARN",
        "LogGroup": cloud.outputs(stack)["LogGroupName"],
    }


def test_function_is_the_smallest_and_gives_up_after_3_seconds(cloud: Cloud, stack: str) -> None:
    found = configuration(cloud, stack)
    expected = {"MemorySize": 128, "Timeout": 3, "Runtime": "provided.al2023", "Handler": "bootstrap"}
    assert {key: found[key] for key in expected} == expected
    assert found["Environment"]["Variables"] == {"COUNT_COOKIE_MAX_AGE_DAYS": "400", "COUNT_EMBED_ORIGINS": ""}
    assert reserved_concurrency(cloud, stack) is None


def test_alarms_watch_this_function(cloud: Cloud, stack: str) -> None:
    alarms = alarms_of(cloud, stack)
    function = cloud.outputs(stack)["FunctionName"]
    watched = {
        name: (alarm.get("MetricName"), alarm["Threshold"], alarm["ComparisonOperator"])
        for name, alarm in alarms.items()
    }
    assert watched == {
        "ErrorsAlarm": ("Errors", 1, "GreaterThanOrEqualToThreshold"),
        "ThrottlesAlarm": ("Throttles", 1, "GreaterThanOrEqualToThreshold"),
        "ServerErrorRateAlarm": (None, 1, "GreaterThanThreshold"),
        "SlowAlarm": ("Duration", 2400, "GreaterThanOrEqualToThreshold"),
    }
    assert {alarm["TreatMissingData"] for alarm in alarms.values()} == {"notBreaching"}
    for name in ALARMS - {"ServerErrorRateAlarm"}:
        assert alarms[name]["Namespace"] == "AWS/Lambda"
        assert alarms[name]["Dimensions"] == [{"Name": "FunctionName", "Value": function}]


def test_slow_alarm_goes_off_before_the_timeout_on_1_visit_in_100(cloud: Cloud, stack: str) -> None:
    alarm = alarms_of(cloud, stack)["SlowAlarm"]
    assert alarm["ExtendedStatistic"] == "p99"
    timeout = configuration(cloud, stack)["Timeout"] * 1000
    assert 0.5 * timeout < alarm["Threshold"] < timeout


def test_server_error_rate_leaves_out_prefetches_and_quiet_times(cloud: Cloud, stack: str) -> None:
    metrics = {metric["Id"]: metric for metric in alarms_of(cloud, stack)["ServerErrorRateAlarm"]["Metrics"]}
    assert [name for name, metric in metrics.items() if metric["ReturnData"]] == ["rate"]
    expression = metrics.pop("rate")["Expression"]
    assert dashboard.identifiers(expression) == set(metrics)
    sources = {name: metric["MetricStat"]["Metric"] for name, metric in metrics.items()}
    ours = [{"Name": "FunctionName", "Value": cloud.outputs(stack)["FunctionName"]}]
    assert sources == {
        "requests": {"Namespace": "AWS/Lambda", "MetricName": "UrlRequestCount", "Dimensions": ours},
        "failures": {"Namespace": "AWS/Lambda", "MetricName": "Url5xxCount", "Dimensions": ours},
        "prefetches": {"Namespace": stack, "MetricName": "Prefetches"},
    }
    assert {metric["MetricStat"]["Stat"] for metric in metrics.values()} == {"Sum"}
    assert rate(expression, requests=1000, failures=50, prefetches=40) == pytest.approx(1)
    assert rate(expression, requests=1000, failures=40, prefetches=40) == 0
    assert rate(expression, requests=19, failures=19, prefetches=0) == 0


def test_metric_filters_read_this_functions_log_group(cloud: Cloud, stack: str) -> None:
    filters = cloud.client("logs").describe_metric_filters(logGroupName=cloud.outputs(stack)["LogGroupName"])
    found = {
        transformation["metricName"]: (transformation["metricNamespace"], transformation["metricValue"])
        for metric_filter in filters["metricFilters"]
        for transformation in metric_filter["metricTransformations"]
    }
    assert found == {
        "Visits": (stack, "1"),
        "FirstVisits": (stack, "1"),
        "EmbeddedVisits": (stack, "1"),
        "VisitCount": (stack, "$.count"),
        "Resets": (stack, "1"),
        "Prefetches": (stack, "1"),
        "ColdStarts": (stack, "1"),
    }


def test_deployed_dashboard_is_one_that_cloudwatch_accepts(cloud: Cloud, stack: str) -> None:
    assert dashboard.faults(dashboard_of(cloud, stack)) == []


def test_dashboard_shows_only_metrics_that_this_stack_has(cloud: Cloud, stack: str) -> None:
    filters = cloud.client("logs").describe_metric_filters(logGroupName=cloud.outputs(stack)["LogGroupName"])
    own = {t["metricName"] for found in filters["metricFilters"] for t in found["metricTransformations"]}
    function = cloud.outputs(stack)["FunctionName"]
    shown = set()
    for widget in dashboard_of(cloud, stack)["widgets"]:
        previous: list[str] = []
        for entry in widget["properties"].get("metrics", []):
            previous = source(entry, previous) or previous
            shown.add(tuple(previous))
    published = {"Invocations", "Duration", "Errors", "Throttles", "UrlRequestCount", "Url4xxCount", "Url5xxCount"}
    assert shown - {()} == {(stack, name) for name in own} | {
        ("AWS/Lambda", name, "FunctionName", function) for name in published
    }


def test_dashboard_shows_the_state_of_every_alarm(cloud: Cloud, stack: str) -> None:
    shown = [w["properties"]["alarms"] for w in dashboard_of(cloud, stack)["widgets"] if w["type"] == "alarm"]
    alarms = alarms_of(cloud, stack)
    order = ("ErrorsAlarm", "ThrottlesAlarm", "ServerErrorRateAlarm", "SlowAlarm")
    assert shown == [[alarms[name]["AlarmArn"] for name in order]]


def test_outputs_name_what_was_deployed(cloud: Cloud, stack: str) -> None:
    outputs = cloud.outputs(stack)
    assert set(outputs) == {"PageUrl", "FunctionName", "LogGroupName", "DashboardUrl"}
    url = cloud.client("lambda").get_function_url_config(FunctionName=outputs["FunctionName"])
    assert outputs["PageUrl"] == url["FunctionUrl"]
    page = cloud.visit(outputs["PageUrl"])
    assert (page.status, page.count) == (200, "1")
    assert "<title>Page Visit Counter</title>" in page.body
    assert configuration(cloud, stack)["FunctionName"] == outputs["FunctionName"]
    assert log_group(cloud, stack)["logGroupName"] == outputs["LogGroupName"]
    (dashboard,) = cloud.client("cloudwatch").list_dashboards(DashboardNamePrefix=f"{stack}-us")["DashboardEntries"]
    console = "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1"
    assert outputs["DashboardUrl"] == f"{console}#dashboards:name={dashboard['DashboardName']}"


def test_second_deployment_changes_nothing(cloud: Cloud, stack: str, native_architecture: str) -> None:
    before = (cloud.resources(stack), configuration(cloud, stack)["RevisionId"])
    again = cloud.deploy(stack, Architecture=native_architecture)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "No changes to deploy" in again.stdout + again.stderr
    assert (cloud.resources(stack), configuration(cloud, stack)["RevisionId"]) == before


def test_highest_parameters_reach_what_they_set(cloud: Cloud, highest: str) -> None:
    assert reserved_concurrency(cloud, highest) == 1000
    assert log_group(cloud, highest)["retentionInDays"] == 90
    assert "Max-Age=34560000" in set_cookie(cloud, highest)
    topic = cloud.resources(highest)["AlarmTopic"]
    (subscription,) = cloud.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "owner@example.com")
    actions = {name: alarm["AlarmActions"] for name, alarm in alarms_of(cloud, highest).items()}
    assert actions == {name: [topic] for name in ALARMS}


def test_lowest_parameters_reach_what_they_set(cloud: Cloud, lowest: str) -> None:
    assert reserved_concurrency(cloud, lowest) is None
    assert log_group(cloud, lowest)["retentionInDays"] == 1
    variables = configuration(cloud, lowest)["Environment"]["Variables"]
    assert variables == {"COUNT_COOKIE_MAX_AGE_DAYS": "0", "COUNT_EMBED_ORIGINS": ""}
    actions = {name: alarm["AlarmActions"] for name, alarm in alarms_of(cloud, lowest).items()}
    assert actions == {name: [] for name in ALARMS}
    assert not {"AlarmTopic", "VisitCounterHttpApi"} & set(cloud.resources(lowest))


def test_cookie_without_days_lasts_for_the_session(cloud: Cloud, lowest: str) -> None:
    cookie = set_cookie(cloud, lowest)
    assert cookie.startswith("count=1;")
    assert "Max-Age" not in cookie


def test_no_concurrency_turns_the_page_off_and_any_architecture_reaches_the_function(
    cloud: Cloud, lowest: str, native_architecture: str
) -> None:
    other = {"x86_64": "arm64", "arm64": "x86_64"}[native_architecture]
    deployed = cloud.deploy(lowest, **LOWEST | {"MaxConcurrency": 0, "Architecture": other})
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    assert configuration(cloud, lowest)["Architectures"] == [other]
    assert reserved_concurrency(cloud, lowest) == 0
    assert cloud.visit(cloud.outputs(lowest)["PageUrl"]).status == 429


def test_function_url_and_http_api_share_the_count(cloud: Cloud, highest: str) -> None:
    outputs, api = cloud.outputs(highest), cloud.resources(highest)["VisitCounterHttpApi"]
    assert outputs["HttpApiUrl"] == f"https://{api}.execute-api.us-east-1.amazonaws.com/"
    answers, count = [], None
    for name in ("PageUrl", "HttpApiUrl", "PageUrl", "HttpApiUrl"):
        answer = cloud.visit(outputs[name], count)
        count = answer.count
        answers.append((answer.status, count))
    assert answers == [(200, "1"), (200, "2"), (200, "3"), (200, "4")]


def test_only_this_http_api_may_invoke_the_function_beside_its_url(cloud: Cloud, highest: str) -> None:
    function = cloud.outputs(highest)["FunctionName"]
    statements = cloud.policy(function)
    api = cloud.resources(highest)["VisitCounterHttpApi"]
    through_the_api = {
        "Effect": "Allow",
        "Principal": {"Service": "apigateway.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": function_arn(cloud, function),
        "Condition": {"ArnLike": {"AWS:SourceArn": f"arn:aws:execute-api:us-east-1:000000000000:{api}/*"}},
    }
    assert through_the_api in statements
    statements.remove(through_the_api)
    assert sorted(statements, key=lambda statement: statement["Action"]) == url_statements(cloud, function)


def test_http_api_is_throttled_and_at_the_root(cloud: Cloud, highest: str) -> None:
    gateway, api = cloud.client("apigatewayv2"), cloud.resources(highest)["VisitCounterHttpApi"]
    (stage,) = gateway.get_stages(ApiId=api)["Items"]
    assert (stage["StageName"], stage["AutoDeploy"]) == ("$default", True)
    # The stand-in does not describe a stage's limits; they are read from the template that it ran.
    limits = cloud.template(highest)["Resources"]["VisitCounterHttpApiStage"]["Properties"]["DefaultRouteSettings"]
    assert limits == {"ThrottlingRateLimit": 100, "ThrottlingBurstLimit": 200}
    (integration,) = gateway.get_integrations(ApiId=api)["Items"]
    assert (integration["IntegrationType"], integration["PayloadFormatVersion"]) == ("AWS_PROXY", "2.0")
    assert [route["RouteKey"] for route in gateway.get_routes(ApiId=api)["Items"]] == ["$default"]


def test_switching_the_http_api_off_removes_it_and_keeps_the_page(
    cloud: Cloud, highest: str, native_architecture: str
) -> None:
    url = cloud.outputs(highest)["PageUrl"]
    # The retention changes too, because the stand-in sees no change where only conditions change.
    deployed = cloud.deploy(
        highest, Architecture=native_architecture, **HIGHEST | {"HttpApi": "off", "LogRetentionDays": 60}
    )
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    assert "HttpApiUrl" not in cloud.outputs(highest)
    assert cloud.client("apigatewayv2").get_apis()["Items"] == []
    assert len(cloud.policy(cloud.outputs(highest)["FunctionName"])) == 2
    assert (cloud.outputs(highest)["PageUrl"], cloud.visit(url, "7").count) == (url, "8")


def test_listed_site_is_shown_the_count_and_another_is_not(cloud: Cloud, highest: str) -> None:
    url = cloud.outputs(highest)["PageUrl"]
    for origin in ("https://example.com", "https://example.org:8443"):
        answer = cloud.visit(url, "7", cross_site_fetch(origin))
        assert (answer.status, answer.body, answer.count) == (200, "8\n", "8")
        assert answer.headers["access-control-allow-origin"] == origin
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert "SameSite=None; Partitioned; Secure" in answer.headers["set-cookie"]
    refused = cloud.visit(url, "7", cross_site_fetch("https://example.net"))
    assert (refused.status, refused.count) == (403, None)
    assert "access-control-allow-origin" not in refused.headers


def test_deployment_without_a_build_is_refused_and_the_page_counts_on(cloud: Cloud, stack: str, project: Path) -> None:
    refused = cloud.sam("deploy", cwd=project)
    assert refused.returncode != 0
    assert "Template file not found at" in refused.stdout + refused.stderr
    assert cloud.visit(cloud.outputs(stack)["PageUrl"], "7").count == "8"


def test_deployment_after_a_failed_build_is_refused_and_the_page_counts_on(
    cloud: Cloud, stack: str, project: Path, build_directory: Path, native_architecture: str
) -> None:
    shutil.copytree(build_directory, project / ".aws-sam" / "build")
    (project / "Cargo.toml").write_text('[package]\nname = "broken"\nedition = "2024"\n')
    (project / "src").mkdir()
    (project / "src" / "main.rs").write_text("fn main() { does not compile }\n")
    built = cloud.sam("build", "--parameter-overrides", f"Architecture={native_architecture}", cwd=project)
    assert built.returncode != 0
    refused = cloud.sam("deploy", cwd=project)
    assert refused.returncode != 0
    assert "Template file not found at" in refused.stdout + refused.stderr
    assert cloud.visit(cloud.outputs(stack)["PageUrl"], "7").count == "8"


def test_parameters_of_samconfig_arrive_as_they_are_written(
    cloud: Cloud, project: Path, build_directory: Path, native_architecture: str
) -> None:
    """Empty texts, spaces and commas too: SAM's other ways to write parameters lose some of them."""
    shutil.copytree(build_directory, project / ".aws-sam" / "build")
    settings = (project / "samconfig.toml").read_text()
    origins = "https://example.com https://example.org, http://localhost:9000"
    for before, after in {
        f'stack_name = "{STACK}"': f'stack_name = "{STACK}-written"',
        'Architecture = "arm64"': f'Architecture = "{native_architecture}"',
        '\nEmbedOrigins = ""': f'\nEmbedOrigins = "{origins}"',
    }.items():
        assert settings.count(before) == 1
        settings = settings.replace(before, after)
    (project / "samconfig.toml").write_text(settings)
    deployed = cloud.sam("deploy", cwd=project)
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    described = cloud.client("cloudformation").describe_stacks(StackName=f"{STACK}-written")["Stacks"][0]
    found = {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in described["Parameters"]}
    assert (found["AlarmEmail"], found["EmbedOrigins"]) == ("", origins)
    # The owner's other commands know the stack from samconfig.toml.
    listed = cloud.sam("list", "stack-outputs", "--output", "json", cwd=project)
    assert {output["OutputKey"]: output["OutputValue"] for output in json.loads(listed.stdout)} == cloud.outputs(
        f"{STACK}-written"
    )
    deleted = cloud.sam("delete", "--no-prompts", cwd=project)
    assert deleted.returncode == 0, deleted.stdout + deleted.stderr
    left = cloud.inventory()
    assert f"{STACK}-written" not in left["stacks"]
    assert "bucket objects" not in left  # nor what was uploaded before the last time


def test_first_deployment_that_fails_leaves_nothing_in_the_way_of_the_next(
    cloud: Cloud, highest: str, native_architecture: str
) -> None:
    """CloudFormation would keep a stack that can only be deleted, and refuse the next deployment for it."""
    assert reserved_concurrency(cloud, highest) == 1000  # all that the account has
    name = f"{STACK}-failing"
    failed = cloud.deploy(name, Architecture=native_architecture, MaxConcurrency=1000)
    assert failed.returncode != 0
    assert "value of [100]." in failed.stdout  # the end of the reason, which a table breaks over lines
    assert name not in cloud.inventory()["stacks"]


def test_sam_delete_leaves_nothing(cloud: Cloud, stack: str, highest: str, lowest: str) -> None:
    kinds = {"stacks", "functions", "log groups", "metric filters", "roles", "alarms", "dashboards", "bucket objects"}
    assert kinds <= set(cloud.inventory())
    for name in (stack, highest, lowest):
        deleted = cloud.delete(name)
        assert deleted.returncode == 0, deleted.stdout + deleted.stderr
    assert cloud.inventory() == {}


def configuration(cloud: Cloud, stack: str) -> dict[str, Any]:
    return cloud.client("lambda").get_function_configuration(FunctionName=cloud.outputs(stack)["FunctionName"])


def reserved_concurrency(cloud: Cloud, stack: str) -> int | None:
    found = cloud.client("lambda").get_function_concurrency(FunctionName=cloud.outputs(stack)["FunctionName"])
    return found.get("ReservedConcurrentExecutions")


def log_group(cloud: Cloud, stack: str) -> dict[str, Any]:
    name = cloud.resources(stack)["VisitCounterLogs"]
    (found,) = cloud.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return found


def set_cookie(cloud: Cloud, stack: str) -> str:
    return cloud.visit(cloud.outputs(stack)["PageUrl"]).headers["set-cookie"]


def alarms_of(cloud: Cloud, stack: str) -> dict[str, dict[str, Any]]:
    """The stack's alarms by logical id."""
    alarms = {alarm["AlarmName"]: alarm for alarm in cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]}
    return {name: alarms[physical] for name, physical in cloud.resources(stack).items() if physical in alarms}


def dashboard_of(cloud: Cloud, stack: str) -> dict[str, Any]:
    name = cloud.resources(stack)["Dashboard"]
    return json.loads(cloud.client("cloudwatch").get_dashboard(DashboardName=name)["DashboardBody"])


def function_arn(cloud: Cloud, function: str) -> str:
    return cloud.client("lambda").get_function(FunctionName=function)["Configuration"]["FunctionArn"]


def url_statements(cloud: Cloud, function: str) -> list[dict[str, Any]]:
    """The two statements that a public Function URL needs, and without either of which it answers 403."""
    anyone = {"Effect": "Allow", "Principal": "*", "Resource": function_arn(cloud, function)}
    return [
        anyone | {"Action": "lambda:InvokeFunction", "Condition": {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}},
        anyone
        | {
            "Action": "lambda:InvokeFunctionUrl",
            "Condition": {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}},
        },
    ]


def cross_site_fetch(origin: str) -> dict[str, str]:
    """The headers of docs/embed.md's script on a page of another site."""
    return {
        "Accept": "text/plain",
        "Origin": origin,
        "Sec-Fetch-Dest": "empty",
        "Sec-Fetch-Mode": "cors",
        "Sec-Fetch-Site": "cross-site",
    }


def source(entry: list[Any], previous: list[str]) -> list[str]:
    """A metric's namespace, name and dimensions; `...` repeats the one above it, `.` a part of it."""
    parts = [part for part in entry if isinstance(part, str)]
    if parts == ["..."]:
        return previous
    return [previous[index] if part == "." else part for index, part in enumerate(parts)]


def rate(expression: str, **values: int) -> float:
    """CloudWatch's metric math is Python's arithmetic, with functions in capitals."""
    functions = {"IF": lambda condition, yes, no: yes if condition else no, "FILL": lambda value, _: value}
    return eval(expression, {"__builtins__": {}}, functions | values)
