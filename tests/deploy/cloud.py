"""The account that the tests deploy to: the SAM CLI and boto3, both pointed at the stand-in.

The SAM CLI has the rights that docs/deployer-policy.json gives, boto3 those of the account's owner.
"""

import functools
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import urllib3

REGION = "us-east-1"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str

    @property
    def count(self) -> str | None:
        """The count that this answer stores in the browser."""
        return stored_count(self.headers["set-cookie"]) if "set-cookie" in self.headers else None


def stored_count(set_cookie: str) -> str:
    """Not read by http.cookies, which does not know Partitioned before Python 3.14."""
    name, _, value = set_cookie.partition(";")[0].partition("=")
    assert name == "count", set_cookie
    return value


class Cloud:
    def __init__(
        self, root: Path, sam: Path, build_directory: Path, environment: dict[str, str], port: int, certificate: Path
    ) -> None:
        self.port = port
        self.certificate = certificate
        self.endpoint = f"https://127.0.0.1:{port}"
        self._root, self._sam, self._build_directory = root, sam, build_directory
        self._environment = environment | {"AWS_ENDPOINT_URL": self.endpoint, "AWS_CA_BUNDLE": str(certificate)}

    def become(self, user: str, policy: str) -> None:
        """Runs the SAM CLI as a new user with this policy from now on."""
        iam = self.client("iam")
        iam.create_user(UserName=user)
        iam.put_user_policy(UserName=user, PolicyName=user, PolicyDocument=policy)
        key = iam.create_access_key(UserName=user)["AccessKey"]
        self._environment |= {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}

    def sam(
        self, *arguments: str | Path, cwd: Path | None = None, path: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._sam, *arguments],
            cwd=cwd or self._root,
            env=self._environment | ({"PATH": str(path)} if path else {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def deploy(self, stack: str, **parameters: str | int) -> subprocess.CompletedProcess[str]:
        """`sam deploy`, unmodified; the two paths only say where the build is and samconfig.toml is not."""
        overrides = [f"{name}={value}" for name, value in parameters.items()]
        return self.sam(
            *("deploy", "--no-confirm-changeset", "--stack-name", stack),
            *("--template-file", self._build_directory / "template.yaml"),
            *("--config-file", self._root / "samconfig.toml"),
            *("--parameter-overrides", *overrides),
        )

    def delete(self, stack: str) -> subprocess.CompletedProcess[str]:
        return self.sam("delete", "--no-prompts", "--stack-name", stack, "--region", REGION)

    @functools.cache  # noqa: B019 - there is one Cloud in a run
    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.endpoint,
            verify=str(self.certificate),
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def outputs(self, stack: str) -> dict[str, str]:
        description = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in description.get("Outputs", [])}

    def resources(self, stack: str) -> dict[str, str]:
        """Physical ids by logical id."""
        found = self.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
        return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in found}

    def template(self, stack: str) -> dict[str, Any]:
        """The template as CloudFormation runs it, transformed."""
        return self.client("cloudformation").get_template(StackName=stack, TemplateStage="Processed")["TemplateBody"]

    def visit(self, url: str, count: str | None = None, headers: dict[str, str] | None = None) -> Answer:
        """A request to the URL as it was deployed; only the address behind its host name is another."""
        parts = urlsplit(url)
        cookie = {"Cookie": f"count={count}"} if count else {}
        pool = urllib3.HTTPSConnectionPool(
            "127.0.0.1",
            self.port,
            ca_certs=str(self.certificate),
            server_hostname=parts.netloc,
            assert_hostname=parts.netloc,
        )
        answer = pool.request(
            "GET",
            parts.path or "/",
            headers={"Host": parts.netloc} | cookie | (headers or {}),
            redirect=False,
            retries=False,
        )
        fields = {name.lower(): value for name, value in answer.headers.items()}
        return Answer(answer.status, fields, answer.data.decode())

    def policy(self, function: str) -> list[dict[str, Any]]:
        """The statements of the function's resource policy, each without its generated name."""
        statements = json.loads(self.client("lambda").get_policy(FunctionName=function)["Policy"])["Statement"]
        return [{key: value for key, value in statement.items() if key != "Sid"} for statement in statements]

    def inventory(self) -> dict[str, list[str]]:
        """Everything that a stack of this project can make, by service, but SAM's own stack and bucket."""
        names = {
            "stacks": (
                "cloudformation", "list_stacks", "StackSummaries", "StackName",
                {"StackStatusFilter": ["CREATE_COMPLETE", "UPDATE_COMPLETE", "ROLLBACK_COMPLETE", "DELETE_FAILED"]},
            ),
            "functions": ("lambda", "list_functions", "Functions", "FunctionName", {}),
            "log groups": ("logs", "describe_log_groups", "logGroups", "logGroupName", {}),
            "metric filters": ("logs", "describe_metric_filters", "metricFilters", "filterName", {}),
            "roles": ("iam", "list_roles", "Roles", "RoleName", {}),
            "alarms": ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName", {}),
            "dashboards": ("cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName", {}),
            "topics": ("sns", "list_topics", "Topics", "TopicArn", {}),
            "HTTP APIs": ("apigatewayv2", "get_apis", "Items", "ApiId", {}),
        }  # fmt: skip
        found = {
            kind: [item[name] for item in getattr(self.client(service), operation)(**arguments)[items]]
            for kind, (service, operation, items, name, arguments) in names.items()
        }
        found["stacks"] = [name for name in found["stacks"] if name != "aws-sam-cli-managed-default"]
        bucket_objects = [
            item["Key"]
            for bucket in self.client("s3").list_buckets()["Buckets"]
            for item in self.client("s3").list_objects_v2(Bucket=bucket["Name"]).get("Contents", [])
        ]
        return {kind: items for kind, items in (found | {"bucket objects": bucket_objects}).items() if items}
