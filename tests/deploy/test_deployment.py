"""Deploys the template to the stand-in with the SAM CLI, as an owner would."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile
from samcli.yamlhelper import yaml_parse

from conftest import ARCHITECTURE, DOMAINS, EMBEDDED, PROGRAM, REGION, ROOT, STACK, TEMPLATE, Cloud, resources_of

AMAZON_LINUX_2023_GLIBC = (2, 34)
OTHER_ARCHITECTURE = {"x86_64": "arm64", "arm64": "x86_64"}[ARCHITECTURE]
LOWEST = {"CookieMaxAgeDays": 0, "LogRetentionDays": 1, "HttpApi": "on"}
HIGHEST = {
    "CookieMaxAgeDays": 400,
    "MaxConcurrency": 1000,
    "LogRetentionDays": 90,
    "AlarmEmail": "owner@example.com",
    "EmbedOrigins": "https://example.com, https://example.org:8443",
}
# When each alarm goes off: the statistics, the threshold, and in how many periods of how many minutes.
ALARMS = {
    "ErrorsAlarm": "Sum(Errors) ≥ 1 in 1 x 5",
    "ThrottlesAlarm": "Sum(Throttles) ≥ 1 in 1 x 5",
    "ServerErrorRateAlarm": "IF(Sum(UrlRequestCount) >= 20, 100 * FILL(Sum(Url5xxCount), 0) / Sum(UrlRequestCount), 0)"
    " > 1 in 2 x 5",
    "HttpApiErrorRateAlarm": "IF(Sum(Count) >= 20, 100 * FILL(Sum(5xx), 0) / Sum(Count), 0) > 1 in 2 x 5",
    "FloodAlarm": "Sum(Invocations) > 1000000 in 1 x 1440",
}


@pytest.fixture(scope="module")
def stack(cloud: Cloud) -> str:
    """The project's stack with the default of every parameter."""
    cloud.sam(*cloud.deployment(STACK))
    return STACK


@pytest.fixture(scope="module")
def lowest(cloud: Cloud) -> str:
    cloud.sam(*cloud.deployment(f"{STACK}-lowest", **LOWEST))
    return f"{STACK}-lowest"


@pytest.fixture(scope="module")
def zone(cloud: Cloud) -> str:
    """The owner's hosted zone."""
    zone = cloud.client("route53").create_hosted_zone(Name="example.com", CallerReference="tests")
    return zone["HostedZone"]["Id"].removeprefix("/hostedzone/")


@pytest.fixture(scope="module")
def highest(cloud: Cloud, zone: str) -> str:
    """A stack with a domain, and the other parameters at their highest values."""
    cloud.sam(*cloud.deployment(f"{STACK}-highest", DomainName=DOMAINS[0], HostedZoneId=zone, **HIGHEST))
    return f"{STACK}-highest"


def test_artifact_runs_on_the_runtime_that_it_is_deployed_to(build: Path) -> None:
    """If provided.al2023 could not start it, every visitor would get a 502."""
    with (build / PROGRAM).open("rb") as file:
        needed = ELFFile(file).get_section_by_name(".gnu.version_r").iter_versions()
        names = [version.name for _, versions in needed for version in versions]
    glibc = [tuple(map(int, name[6:].split("."))) for name in names if name.startswith("GLIBC_")]
    assert max(glibc) <= AMAZON_LINUX_2023_GLIBC


def test_outputs_lead_to_what_was_deployed(cloud: Cloud, stack: str) -> None:
    outputs = cloud.outputs(stack)
    assert set(outputs) == {"PageUrl", "FunctionName", "LogGroupName", "DashboardUrl"}
    assert cloud.counts(*[outputs["PageUrl"]] * 3) == ["1", "2", "3"]
    levels = {"LogFormat": "JSON", "ApplicationLogLevel": "INFO", "SystemLogLevel": "WARN"}
    assert configuration(cloud, stack)["LoggingConfig"] == levels | {"LogGroup": outputs["LogGroupName"]}
    assert log_group(cloud, stack)["retentionInDays"] == 14
    (dashboard,) = cloud.client("cloudwatch").list_dashboards(DashboardNamePrefix=f"{stack}-us")["DashboardEntries"]
    # Cost Explorer and the deployer's policy look for this tag.
    function = configuration(cloud, stack)["FunctionArn"]
    assert cloud.client("lambda").list_tags(Resource=function)["Tags"]["project"] == STACK
    console = f"https://{REGION}.console.aws.amazon.com/cloudwatch/home?region={REGION}"
    assert outputs["DashboardUrl"] == f"{console}#dashboards:name={dashboard['DashboardName']}"


def test_strangers_may_invoke_the_function_only_through_its_addresses(cloud: Cloud, stack: str, lowest: str) -> None:
    """The stand-in does not check this. If one of the statements is missing, AWS answers 403."""
    assert permissions(cloud, stack) == PERMISSIONS_OF_THE_URL
    api = f"arn:aws:execute-api:{REGION}:000000000000:{cloud.resources(lowest)['VisitCounterHttpApi']}/*"
    gateway = {"Service": "apigateway.amazonaws.com"}
    through_it = ("lambda:InvokeFunction", gateway, {"ArnLike": {"AWS:SourceArn": api}})
    assert permissions(cloud, lowest) == sorted([through_it, *PERMISSIONS_OF_THE_URL], key=str)


def test_role_may_only_write_to_the_functions_own_logs(cloud: Cloud, stack: str) -> None:
    iam, role = cloud.client("iam"), cloud.resources(stack)["VisitCounterRole"]
    assert configuration(cloud, stack)["Role"].endswith(f"/{role}")
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
    (policy,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    writing = {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"]}
    statements = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]["Statement"]
    assert statements == [writing | {"Resource": log_group(cloud, stack)["arn"]}]
    (trusted,) = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]["Statement"]
    assert trusted["Principal"] == {"Service": "lambda.amazonaws.com"}
    tracing = configuration(cloud, stack)["TracingConfig"]["Mode"]
    assert tracing == "PassThrough", "to trace, the role would need permissions for X-Ray"


def test_alarms_are_those_in_the_document(cloud: Cloud, stack: str, lowest: str) -> None:
    """The stand-in does not evaluate alarms. An alarm with a wrong name or limit would never go off."""
    declared = {name: it["Properties"] for name, it in TEMPLATE["Resources"].items() if it["Type"].endswith("::Alarm")}
    assert {name: described(alarm) for name, alarm in declared.items()} == ALARMS
    deployed = alarms_of(cloud, lowest)
    assert {(it["TreatMissingData"], it["ActionsEnabled"]) for it in deployed.values()} == {("notBreaching", True)}
    assert (set(deployed), set(alarms_of(cloud, stack))) == (set(ALARMS), set(ALARMS) - {"HttpApiErrorRateAlarm"})
    document = (ROOT / "docs" / "dashboard.md").read_text()
    assert re.findall(r"^\| `(\w+Alarm)` \|", document, re.MULTILINE) == list(ALARMS)


@pytest.mark.parametrize("which", ["stack", "lowest"])
def test_dashboard_shows_the_metrics_and_alarms_of_its_stack(
    cloud: Cloud, which: str, request: pytest.FixtureRequest
) -> None:
    """CloudWatch draws an empty graph for a metric that does not exist."""
    stack = request.getfixturevalue(which)
    cloudwatch, logs, outputs = cloud.client("cloudwatch"), cloud.client("logs"), cloud.outputs(stack)
    resources = cloud.resources(stack)
    body = cloudwatch.get_dashboard(DashboardName=resources["Dashboard"])["DashboardBody"]
    filters = logs.describe_metric_filters(logGroupName=outputs["LogGroupName"])["metricFilters"]
    counted = [transformation for found in filters for transformation in found["metricTransformations"]]
    published = {"Duration", "Errors", "Throttles", "UrlRequestCount", "Url4xxCount", "Url5xxCount"}
    shown, alarms = set(), []
    for widget in json.loads(body)["widgets"]:
        properties = widget["properties"]
        if widget["type"] == "alarm":
            alarms += properties["alarms"]
            continue
        assert (widget["type"], properties["region"]) == ("metric", REGION)
        metric: list[str] = []
        for *names, last in properties["metrics"]:
            options = properties | last
            if expression := options.get("expression"):
                ids = {it[-1]["id"] for it in properties["metrics"]}
                assert {*re.findall(r"[a-z]\w*", expression)} < ids
                continue
            # `...` repeats the metric above it, and `.` a part of it.
            metric = metric if names == ["..."] else [metric[at] if it == "." else it for at, it in enumerate(names)]
            shown.add(tuple(metric))
            wanted = r"p\d+" if metric[1] in ("Duration", "VisitCount") else "Sum"
            assert re.fullmatch(wanted, options.get("stat", "Average")), f"{metric} must be shown as {wanted}"
    own = {("AWS/Lambda", name, "FunctionName", outputs["FunctionName"]) for name in published}
    if api := resources.get("VisitCounterHttpApi"):
        own |= {("AWS/ApiGateway", name, "ApiId", api) for name in ("Count", "4xx", "5xx")}
    assert shown == own | {(it["metricNamespace"], it["metricName"]) for it in counted}
    assert {it["metricNamespace"] for it in counted} == {stack}  # two stacks in an account count apart
    assert sorted(alarms) == sorted(alarm["AlarmArn"] for alarm in alarms_of(cloud, stack).values())


def test_http_api_serves_its_routes_and_as_many_requests_as_the_documents_say() -> None:
    """The stand-in serves routes that are not deployed, always sends payload 2.0, and does not throttle."""
    (stage,), (integration,) = (resources_of(f"AWS::ApiGatewayV2::{it}") for it in ("Stage", "Integration"))
    assert integration.get("PayloadFormatVersion") == "2.0", "with 1.0, no answer is compressed"
    assert stage.get("AutoDeploy"), "without it, every address of the HTTP API is a 404"
    limits = stage.get("DefaultRouteSettings", {})
    rate = limits.get("ThrottlingRateLimit")
    said = f"{rate} requests per second, with bursts of {limits.get('ThrottlingBurstLimit')}"
    assert said in " ".join((ROOT / "docs" / "cost-and-scale.md").read_text().split())
    for file in ("template.yaml", "samconfig.toml"):
        assert {*re.findall(r"(\d+) requests per\s+second", (ROOT / file).read_text())} == {str(rate)}, file


def test_second_deployment_changes_nothing_and_needs_no_permission_for_sams_own_stack(cloud: Cloud, stack: str) -> None:
    policy = json.loads((ROOT / "docs" / "deployer-policy.json").read_text())
    policy["Statement"] = [it for it in policy["Statement"] if not it["Sid"].endswith("Once")]
    deployer = {"UserName": "deployer", "PolicyName": "deployer"}
    cloud.client("iam").put_user_policy(PolicyDocument=json.dumps(policy), **deployer)
    before = (cloud.resources(stack), configuration(cloud, stack)["RevisionId"])
    assert "No changes to deploy" in cloud.sam(*cloud.deployment(stack))
    assert (cloud.resources(stack), configuration(cloud, stack)["RevisionId"]) == before


def test_lowest_parameters_take_effect(cloud: Cloud, lowest: str) -> None:
    outputs = cloud.outputs(lowest)
    assert log_group(cloud, lowest)["retentionInDays"] == 1
    assert reserved_concurrency(cloud, lowest) is None
    assert {(*alarm["AlarmActions"], *alarm["OKActions"]) for alarm in alarms_of(cloud, lowest).values()} == {()}
    assert cloud.counts(outputs["PageUrl"], outputs["HttpApiUrl"], outputs["HttpApiUrl"]) == ["1", "2", "3"]
    assert "Max-Age" not in cloud.visit(outputs["PageUrl"]).headers["set-cookie"]
    assert "DomainUrl" not in outputs
    # A browser that deletes its cookies sees 1 twice.
    assert cloud.visit_twice(lowest, "junk-session-cookies") == (False, set())


def test_highest_parameters_take_effect(cloud: Cloud, highest: str) -> None:
    url, topic = cloud.outputs(highest)["PageUrl"], cloud.resources(highest)["AlarmTopic"]
    assert log_group(cloud, highest)["retentionInDays"] == 90
    assert reserved_concurrency(cloud, highest) == 1000
    (subscription,) = cloud.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "owner@example.com")
    # CloudWatch could not publish to a topic that is encrypted with AWS's own key. The stand-in does not encrypt.
    assert "KmsMasterKeyId" not in resources_of("AWS::SNS::Topic")[0]
    for alarm in alarms_of(cloud, highest).values():
        assert (alarm["AlarmActions"], alarm["OKActions"]) == ([topic], [topic])
    assert "Max-Age=34560000" in cloud.visit(url).headers["set-cookie"]
    for origin, expected in {"https://example.org:8443": (b"8\n", "count=8"), "https://example.net": (b"", "")}.items():
        answer = cloud.visit(url, cookie="count=7", **EMBEDDED | {"origin": origin})
        found = (answer.data if answer.status == 200 else b"", answer.headers.get("set-cookie", "").partition(";")[0])
        assert found == expected
        # If the Function URL also answered for other sites, browsers would get two origins and refuse both.
        assert answer.headers.get("access-control-allow-origin") == (origin if answer.status == 200 else None)


def test_domain_in_a_zone_gets_its_certificate_and_its_records(cloud: Cloud, highest: str) -> None:
    outputs = cloud.outputs(highest)
    assert outputs["DomainUrl"] == f"https://{DOMAINS[0]}/"
    assert "DomainTarget" not in outputs
    assert cloud.counts(outputs["PageUrl"], outputs["DomainUrl"], outputs["DomainUrl"]) == ["1", "2", "3"]
    domain = domain_of(cloud, DOMAINS[0])
    assert (domain["SecurityPolicy"], domain["IpAddressType"]) == ("TLS_1_2", "dualstack")
    # The stand-in does not keep that of an API.
    assert [api.get("IpAddressType") for api in resources_of("AWS::ApiGatewayV2::Api")] == ["dualstack"]
    certificate = cloud.client("acm").describe_certificate(CertificateArn=domain["CertificateArn"])["Certificate"]
    assert certificate["SubjectAlternativeNames"] == [DOMAINS[0]]
    target = f"{domain['ApiGatewayDomainName']}."
    assert cloud.dns_records() == [f"{DOMAINS[0]}. {kind} {target} {domain['HostedZoneId']}" for kind in ("A", "AAAA")]


def test_another_domain_with_the_owners_certificate_replaces_the_first(cloud: Cloud, highest: str) -> None:
    certificate = cloud.client("acm").request_certificate(DomainName="*.example.com")["CertificateArn"]
    page = cloud.outputs(highest)["PageUrl"]
    domain = {"DomainName": DOMAINS[1], "HostedZoneId": "", "CertificateArn": certificate}
    cloud.sam(*cloud.deployment(highest, **HIGHEST, **domain))
    outputs, domain = cloud.outputs(highest), domain_of(cloud, DOMAINS[1])
    assert outputs["DomainTarget"] == domain["ApiGatewayDomainName"]
    assert domain["CertificateArn"] == certificate
    assert cloud.visit_twice(highest) == (True, {page, outputs["HttpApiUrl"], outputs["DomainUrl"]})
    assert "set-cookie" not in cloud.visit(f"https://{DOMAINS[0]}/").headers
    left = cloud.inventory()
    assert (left["domains"], left["certificates"]) == ([DOMAINS[1]], ["*.example.com"])
    assert "DNS records" not in left


def test_page_can_be_turned_off_with_and_without_a_domain_and_on_again(cloud: Cloud, highest: str) -> None:
    """Through API Gateway, what Lambda rejects is a 5xx. No alarm may notify an owner who wants this."""
    page = cloud.outputs(highest)["PageUrl"]
    none = {"DomainName": "", "HostedZoneId": "", "CertificateArn": ""}
    off = HIGHEST | {"MaxConcurrency": 0, "Architecture": OTHER_ARCHITECTURE}
    for parameters, silent in ((off, {"ThrottlesAlarm", "HttpApiErrorRateAlarm"}), (off | none, {"ThrottlesAlarm"})):
        cloud.sam(*cloud.deployment(highest, **parameters))
        assert configuration(cloud, highest)["Architectures"] == [OTHER_ARCHITECTURE]
        assert cloud.visit(page).status == 429
        assert cloud.visit_twice(highest) == (False, set())
        assert {name for name, alarm in alarms_of(cloud, highest).items() if not alarm["ActionsEnabled"]} == silent
    assert not {"DomainUrl", "DomainTarget", "HttpApiUrl"} & set(cloud.outputs(highest))
    assert permissions(cloud, highest) == PERMISSIONS_OF_THE_URL
    assert "domains" not in cloud.inventory()
    cloud.sam(*cloud.deployment(highest, **HIGHEST | none | {"MaxConcurrency": 1}))
    assert cloud.visit_twice(highest) == (True, {page})
    assert all(alarm["ActionsEnabled"] for alarm in alarms_of(cloud, highest).values())


def test_deployment_after_a_failed_build_is_refused(cloud: Cloud, build: Path, tmp_path: Path) -> None:
    for name in ("samconfig.toml", "template.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(build, tmp_path / ".aws-sam" / "build")
    # It fails, because the folder has no Cargo.toml.
    assert not cloud.try_sam("build", "--parameter-overrides", f"Architecture={ARCHITECTURE}", cwd=tmp_path)[0]
    deployed, output = cloud.try_sam("deploy", cwd=tmp_path)
    assert not deployed
    assert "Template file not found at" in output


def test_failed_first_deployment_does_not_block_the_next(cloud: Cloud) -> None:
    """By default, CloudFormation would keep a stack that can only be deleted, and reject the next deployment."""
    name = f"{STACK}-failing"
    deployed, output = cloud.try_sam(*cloud.deployment(name, DomainName=DOMAINS[1], HostedZoneId="Z0MISTYPED"))
    assert not deployed
    assert "deleting stack" in output
    assert name not in cloud.inventory()["stacks"]


def test_sam_delete_leaves_nothing(cloud: Cloud, stack: str, lowest: str, zone: str) -> None:
    cloud.sam(*cloud.deployment(lowest, DomainName=DOMAINS[0], HostedZoneId=zone, **LOWEST))
    kinds = {"stacks", "functions", "log groups", "metric filters", "roles", "alarms", "dashboards", "uploads"}
    before = cloud.inventory()
    assert kinds | {"HTTP APIs", "domains", "DNS records"} <= set(before)
    assert [key for key in before["uploads"] if not key.startswith(f"{STACK}/")] == []
    for name in (stack, lowest, f"{STACK}-highest"):
        cloud.sam("delete", "--no-prompts", "--stack-name", name, "--region", REGION)
    assert cloud.inventory() == {"certificates": ["*.example.com"]}  # the owner's


def test_workflow_deploys_the_program_of_its_build_and_nothing_else_of_it(build: Path, tmp_path: Path) -> None:
    """A dependency that takes over the build could replace what reaches the account. zizmor checks the rest."""
    jobs = yaml_parse((ROOT / ".github" / "workflows" / "deploy.yml").read_text())["jobs"]
    assert [name for name, job in jobs.items() if job.get("permissions", {}).get("id-token")] == ["deploy"]
    assert jobs["deploy"].get("environment") == "production", "without it, nobody approves a deployment"
    assert "tools/visit-twice.sh" in jobs["deploy"]["steps"][-1]["run"]
    assert [it["with"]["path"] for it in jobs["build"]["steps"] if "upload" in str(it)] == [f".aws-sam/build/{PROGRAM}"]
    (script,) = [it["run"] for it in jobs["deploy"]["steps"] if "bootstrap" in it.get("run", "")]
    (folder,) = [it["with"]["path"] for it in jobs["deploy"]["steps"] if "download" in it.get("uses", "")]
    command = ["bash", "-e", "-c", script]
    shutil.copy(ROOT / "template.yaml", tmp_path)
    downloaded = Path(folder.replace("${{ runner.temp }}", str(tmp_path / "runner"))) / "bootstrap"
    downloaded.parent.mkdir(parents=True)
    run = {"cwd": tmp_path, "env": os.environ | {"RUNNER_TEMP": str(tmp_path / "runner")}, "check": False}
    downloaded.symlink_to("/etc/hostname")
    assert subprocess.run(command, **run).returncode != 0
    downloaded.unlink()
    shutil.copyfile(build / PROGRAM, downloaded)
    assert subprocess.run(command, **run).returncode == 0
    made = tmp_path / ".aws-sam" / "build"
    assert (made / PROGRAM).stat().st_mode & 0o111
    built = yaml_parse((build / "template.yaml").read_text())
    built["Resources"]["VisitCounter"]["Metadata"] = TEMPLATE["Resources"]["VisitCounter"]["Metadata"]
    assert yaml_parse((made / "template.yaml").read_text()) == built


PERMISSIONS_OF_THE_URL = [
    ("lambda:InvokeFunction", "*", {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}),
    ("lambda:InvokeFunctionUrl", "*", {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}}),
]


def permissions(cloud: Cloud, stack: str) -> list[tuple[str, Any, dict[str, Any]]]:
    """The statements of the function's resource policy: what is allowed, to whom and when."""
    policy = cloud.client("lambda").get_policy(FunctionName=cloud.outputs(stack)["FunctionName"])["Policy"]
    statements = [(it["Action"], it["Principal"], it["Condition"]) for it in json.loads(policy)["Statement"]]
    return sorted(statements, key=str)


def configuration(cloud: Cloud, stack: str) -> dict[str, Any]:
    return cloud.client("lambda").get_function_configuration(FunctionName=cloud.outputs(stack)["FunctionName"])


def reserved_concurrency(cloud: Cloud, stack: str) -> int | None:
    found = cloud.client("lambda").get_function_concurrency(FunctionName=cloud.outputs(stack)["FunctionName"])
    return found.get("ReservedConcurrentExecutions")


def log_group(cloud: Cloud, stack: str) -> dict[str, Any]:
    name = cloud.resources(stack)["VisitCounterLogs"]
    (found,) = cloud.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return found


def domain_of(cloud: Cloud, name: str) -> dict[str, Any]:
    return cloud.client("apigatewayv2").get_domain_name(DomainName=name)["DomainNameConfigurations"][0]


def alarms_of(cloud: Cloud, stack: str) -> dict[str, dict[str, Any]]:
    """The stack's alarms by logical id."""
    alarms = {alarm["AlarmName"]: alarm for alarm in cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]}
    return {name: alarms[physical] for name, physical in cloud.resources(stack).items() if physical in alarms}


def described(alarm: dict[str, Any]) -> str:
    """When an alarm goes off, as in ALARMS."""
    statistic = alarm | {"Metric": alarm, "Stat": alarm.get("Statistic")}
    plain = [{"Expression": "it"}, {"Id": "it", "ReturnData": False, "MetricStat": statistic}]
    queries = alarm.get("Metrics", plain)
    (expression,) = [query["Expression"] for query in queries if query.get("ReturnData", True)]
    statistics = {query["Id"]: query["MetricStat"] for query in queries if "MetricStat" in query}
    terms = {name: f"{it['Stat']}({it['Metric']['MetricName']})" for name, it in statistics.items()}
    for metric in (it["Metric"] for it in statistics.values()):
        own = {"AWS/Lambda": ("FunctionName", "VisitCounter"), "AWS/ApiGateway": ("ApiId", "VisitCounterHttpApi")}
        name, resource = own[metric["Namespace"]]
        assert metric["Dimensions"] == [{"Name": name, "Value": {"Ref": resource}}]
    (period,) = {it["Period"] // 60 for it in statistics.values()}
    condition = re.sub(r"\b[a-z]\w*", lambda name: terms[name[0]], expression)  # functions are in capitals
    sign = {"GreaterThanThreshold": ">", "GreaterThanOrEqualToThreshold": "≥"}[alarm["ComparisonOperator"]]
    return f"{condition} {sign} {alarm['Threshold']} in {alarm['EvaluationPeriods']} x {period}"
