"""What the deployment tests share: the built function, AWS's emulator that runs it, and a stand-in for AWS.

The tools are those beside the running interpreter; the stand-in has its own interpreter. No test reaches a real
account: every client has the stand-in's address and made-up credentials.
"""

import contextlib
import functools
import json
import os
import platform
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import boto3
import pytest
import samcli.local
import urllib3
from samcli.yamlhelper import yaml_parse

ROOT = Path(__file__).parents[2]
TOOLS = Path(sys.executable).parent
STAND_IN_PYTHON = TOOLS.parents[1] / "stand-in" / "bin" / "python"
ARCHITECTURE = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
TEMPLATE: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text())
REGION = "us-east-1"
STACK = "page-visits"
PROGRAM = Path("VisitCounter") / "bootstrap"  # in a build
DOMAINS = ("visits.example.com", "counts.example.com")
# PATH starts with the tools, and the owner's own AWS settings are removed.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
    "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}",
    "SAM_CLI_TELEMETRY": "0",
    "SAM_CLI_POLL_DELAY": "0.2",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_DEFAULT_REGION": REGION,
}
# The headers that the script in docs/embed.md sends from a page of the site that the emulator lists.
EMBEDDED = {"accept": "text/plain", "origin": "https://blog.example.com", "sec-fetch-dest": "empty"}
EMBEDDED |= {"sec-fetch-mode": "cors", "sec-fetch-site": "cross-site"}


def resources_of(kind: str) -> list[dict[str, Any]]:
    """The properties of the template's resources of this type."""
    return [it["Properties"] for it in TEMPLATE["Resources"].values() if it["Type"] == kind]


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs `sam build`, but not in .aws-sam, which may contain the owner's own build."""
    directory = tmp_path_factory.mktemp("sam") / "build"
    command = [TOOLS / "sam", "build", "--build-dir", directory]
    command += ["--parameter-overrides", f"Architecture={ARCHITECTURE}"]
    built = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return directory


class Emulator(NamedTuple):
    port: int
    log: Path

    def invoke(self, event: bytes) -> dict[str, Any]:
        """Returns the function's answer, or Lambda's report of its error."""
        url = f"http://127.0.0.1:{self.port}/2015-03-31/functions/function/invocations"
        return urllib3.request("POST", url, body=event, retries=False).json()

    def lines(self) -> list[str]:
        """The lines that CloudWatch would get from the function. The emulator's own lines are not JSON."""
        return [line for line in self.log.read_text().splitlines() if line.startswith("{")]


@pytest.fixture
def emulator(build: Path, tmp_path: Path) -> Iterator[Emulator]:
    """Runs the built function in AWS's Runtime Interface Emulator, which the SAM CLI's wheel includes."""
    program, port = tmp_path / "aws-lambda-rie", free_port()
    # It is not executable in the wheel.
    program.write_bytes((Path(samcli.local.__path__[0]) / "rapid" / f"aws-lambda-rie-{ARCHITECTURE}").read_bytes())
    program.chmod(0o755)
    command = [program, "--runtime-interface-emulator-address", f"127.0.0.1:{port}"]
    command += ["--runtime-api-address", f"127.0.0.1:{free_port()}", build / PROGRAM, "bootstrap"]
    # The variables that Lambda sets for the template's LoggingConfig, and a site that may show the count.
    settings = {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"}
    settings["COUNT_EMBED_ORIGINS"] = EMBEDDED["origin"]
    with server(command, settings, port, tmp_path / "log"):
        yield Emulator(port, tmp_path / "log")


class Cloud:
    """The account that the tests deploy to, and the build that they deploy."""

    def __init__(self, port: int, certificate: Path, build: Path) -> None:
        self._port, self._certificate, self._build = port, certificate, build
        self._endpoint = f"https://127.0.0.1:{port}"
        self._environment = ENVIRONMENT | {
            "AWS_ENDPOINT_URL": self._endpoint,
            "AWS_CA_BUNDLE": str(certificate),
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }

    def restrict(self, policy: str) -> None:
        """Gives the SAM CLI only the permissions in this policy. boto3 keeps all."""
        iam = self.client("iam")
        iam.create_user(UserName="deployer")
        iam.put_user_policy(UserName="deployer", PolicyName="deployer", PolicyDocument=policy)
        key = iam.create_access_key(UserName="deployer")["AccessKey"]
        self._environment["AWS_ACCESS_KEY_ID"] = key["AccessKeyId"]
        self._environment["AWS_SECRET_ACCESS_KEY"] = key["SecretAccessKey"]

    @functools.cache  # noqa: B019 - there are two in a run
    def client(self, service: str) -> Any:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        address = {"endpoint_url": self._endpoint, "verify": str(self._certificate)}
        return boto3.client(service, region_name=REGION, **address, **keys)

    def try_sam(self, *arguments: str | Path, cwd: Path = ROOT, **variables: str) -> tuple[bool, str]:
        """Returns whether the command succeeds, and what it prints."""
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        command, environment = [TOOLS / "sam", *arguments], self._environment | variables
        finished = subprocess.run(command, cwd=cwd, env=environment, check=False, **options)
        return finished.returncode == 0, finished.stdout

    def sam(self, *arguments: str | Path, **options: Any) -> str:
        succeeded, output = self.try_sam(*arguments, **options)
        assert succeeded, output
        return output

    def deployment(self, stack: str, **parameters: str | int) -> list[str | Path]:
        """The arguments of an ordinary `sam deploy`, with the paths of the build and of samconfig.toml."""
        return [
            *("deploy", "--stack-name", stack, "--template-file", self._build / "template.yaml"),
            *("--config-file", ROOT / "samconfig.toml", "--parameter-overrides"),
            *(f'{name}="{value}"' for name, value in ({"Architecture": ARCHITECTURE} | parameters).items()),
        ]

    def outputs(self, stack: str) -> dict[str, str]:
        description = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in description["Outputs"]}

    def resources(self, stack: str) -> dict[str, str]:
        """Physical ids by logical id."""
        found = self.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
        return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in found}

    def visit(self, url: str, **headers: str) -> urllib3.BaseHTTPResponse:
        """Sends a request over TLS to the URL as it was deployed, but to the stand-in's address."""
        host, path = urlsplit(url)[1:3]
        names = {"server_hostname": host, "assert_hostname": host}
        pool = urllib3.HTTPSConnectionPool("127.0.0.1", self._port, ca_certs=str(self._certificate), **names)
        return pool.request("GET", path, headers={"host": host} | headers, redirect=False, retries=False)

    def counts(self, *urls: str) -> list[str]:
        """The counts that one browser gets when it opens these URLs one after another."""
        jar, counts = {}, []
        for url in urls:
            # http.cookies supports Partitioned only since Python 3.14.
            jar["cookie"] = self.visit(url, **jar).headers["set-cookie"].partition(";")[0]
            counts.append(jar["cookie"].removeprefix("count="))
        return counts

    def visit_twice(self, stack: str, curl_option: str = "") -> tuple[bool, set[str]]:
        """Whether tools/visit-twice.sh succeeds with the stack's outputs, and the addresses that counted."""
        settings = f'cacert = "{self._certificate}"\nconnect-to = "::127.0.0.1:{self._port}"\nnoproxy = "*"\n'
        (self._certificate.parent / ".curlrc").write_text(settings + curl_option)
        outputs = [{"OutputKey": name, "OutputValue": value} for name, value in self.outputs(stack).items()]
        environment = self._environment | {"CURL_HOME": str(self._certificate.parent), "RETRIES": "0"}
        options = {"input": json.dumps(outputs), "stdout": subprocess.PIPE, "text": True, "check": False}
        finished = subprocess.run([ROOT / "tools" / "visit-twice.sh"], env=environment, **options)
        return finished.returncode == 0, set(re.findall("(.+) counted 1, then 2", finished.stdout))

    def inventory(self) -> dict[str, list[str]]:
        """Everything that a stack of this project can leave behind, by kind, without SAM's own stack and bucket."""
        found = {}
        for kind, service, operation, items, name in (
            ("stacks", "cloudformation", "describe_stacks", "Stacks", "StackName"),
            ("functions", "lambda", "list_functions", "Functions", "FunctionName"),
            ("log groups", "logs", "describe_log_groups", "logGroups", "logGroupName"),
            ("metric filters", "logs", "describe_metric_filters", "metricFilters", "filterName"),
            ("roles", "iam", "list_roles", "Roles", "RoleName"),
            ("alarms", "cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
            ("dashboards", "cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName"),
            ("topics", "sns", "list_topics", "Topics", "TopicArn"),
            ("HTTP APIs", "apigatewayv2", "get_apis", "Items", "ApiId"),
            ("domains", "apigatewayv2", "get_domain_names", "Items", "DomainName"),
            ("certificates", "acm", "list_certificates", "CertificateSummaryList", "DomainName"),
        ):
            found[kind] = [item[name] for item in getattr(self.client(service), operation)()[items]]
        found["stacks"] = [name for name in found["stacks"] if name != "aws-sam-cli-managed-default"]
        for bucket in (s3 := self.client("s3")).list_buckets()["Buckets"]:
            found["uploads"] = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket["Name"]).get("Contents", [])]
        found["DNS records"] = self.dns_records()
        return {kind: items for kind, items in found.items() if items}

    def dns_records(self) -> list[str]:
        """Each record's name, type, target and its zone, without those that every zone has."""
        route53 = self.client("route53")
        return [
            f"{record['Name']} {record['Type']} {(to := record['AliasTarget'])['DNSName']} {to['HostedZoneId']}"
            for zone in route53.list_hosted_zones()["HostedZones"]
            for record in route53.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]
            if record["Type"] not in ("NS", "SOA")
        ]


@pytest.fixture(scope="session")
def cloud(build: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Starts the stand-in, with a certificate for the host names of AWS and of the owner."""
    directory = tmp_path_factory.mktemp("stand-in")
    certificate, key, port = directory / "certificate.pem", directory / "key.pem", free_port()
    hosts = [f"*.lambda-url.{REGION}.on.aws", f"*.execute-api.{REGION}.amazonaws.com", *DOMAINS]
    names = ",".join(["IP:127.0.0.1", *(f"DNS:{host}" for host in hosts)])
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", "/CN=tests", "-addext", f"subjectAltName={names}"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    settings = {
        "BIND_HOST": "127.0.0.1",
        # Checks each request against the policies of the user who signed it.
        "AUTH": "true",
        "GATEWAY_PORT": str(port),
        "STATE_DIR": str(directory / "state"),
        "MINISTACK_REGION": REGION,
        # HTTP APIs have the host <id>.execute-api.<this>.
        "MINISTACK_HOST": f"{REGION}.amazonaws.com",
        "USE_SSL": "1",
        "MINISTACK_SSL_CERT": str(certificate),
        "MINISTACK_SSL_KEY": str(key),
    }
    stand_in = [STAND_IN_PYTHON, Path(__file__).with_name("stand_in.py")]
    with server(stand_in, settings, port, directory / "log"):
        cloud = Cloud(port, certificate, build)
        cloud.restrict((ROOT / "docs" / "deployer-policy.json").read_text())
        yield cloud


@contextlib.contextmanager
def server(command: list[str | Path], settings: dict[str, str], port: int, log: Path) -> Iterator[None]:
    """Runs a program that listens on this port, and finally kills it and everything that it started."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=os.environ | settings, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                break
            assert process.poll() is None, f"did not start:\n{log.read_text()}"
            assert time.monotonic() < deadline, f"did not listen:\n{log.read_text()}"
            time.sleep(0.05)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
