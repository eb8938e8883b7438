"""Each parameter's good and bad values: the template, the stand-in and the function itself must agree on them."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cloud import Cloud
from conftest import STACK
from template import Template


@dataclass(frozen=True)
class Values:
    good: list[str]
    bad: list[str]
    message: str
    """What an owner reads who sets a bad one."""
    variable: str | None = None
    """The function's environment variable that takes the value as it is."""
    beyond_a_pattern: tuple[str, ...] = ()
    """Bad values that only the function refuses."""


# The stand-in answers with the parameter's ConstraintDescription, as CloudFormation does, but for a list of
# values with words of its own.
VALUES = {
    "Architecture": Values(["arm64", "x86_64"], ["", "ARM64", "arm", "riscv64"], "['arm64', 'x86_64']"),
    "CookieMaxAgeDays": Values(
        ["0", "1", "9", "10", "99", "100", "199", "399", "400"],
        ["", "-1", "+7", "1.5", "1e2", "400.0", "401", "499", "1000", "0x10", " 7", "7 ", "7,", "1_0", "٣", "forever"],
        "must be a whole number of days from 0 to 400",
        variable="COUNT_COOKIE_MAX_AGE_DAYS",
    ),
    "MaxConcurrency": Values(
        ["-1", "0", "1", "10", "99", "100", "999", "1000"],
        ["", "-2", "+7", "1.5", "1e2", "10.0", "007", "1001", "1999", " 7", "7 ", "٣", "none"],
        "must be -1 (no limit) or a whole number from 0 (page off) to 1000",
    ),
    "LogRetentionDays": Values(
        ["1", "3", "5", "7", "14", "30", "60", "90"],
        ["", "0", "-1", "2", "15", "14.0", "1e1", "+14", "365"],
        "['1', '3', '5', '7', '14', '30', '60', '90']",
    ),
    "AlarmEmail": Values(
        ["", "owner@example.com", "the.owner+visits@mail.example.org"],
        ["owner", "owner@", "@example.com", "owner@example", "two owners@example.com", "a@example.com,b@example.com"],
        "must be empty or an e-mail address",
    ),
    "HttpApi": Values(["on", "off"], ["", "yes", "true", "On"], "['off', 'on']"),
    "EmbedOrigins": Values(
        [
            "",
            "https://example.com",
            "https://a-b.blog.example.com:8443",
            "https://xn--bcher-kva.example",
            "https://a_b.example.com",
            "https://192.0.2.1",
            "https://example.com:4430",
            "https://[2001:db8::1]:8443",
            "http://localhost",
            "http://localhost:9000",
            "http://127.0.0.1:9000",
            "http://[::1]:9000",
            "https://example.com https://example.org",
            "https://example.com,https://example.org",
            " https://example.com, http://localhost:9000,  https://example.org, ",
        ],
        [
            "*",
            "null",
            "example.com",
            "https://",
            "https://*.example.com",
            "https://example.com/",
            "https://example.com/blog",
            "https://example.com?a",
            "https://example.com#a",
            "https://owner@example.com",
            "https://example.com:",
            "https://example.com:x",
            "https://example.com:443",
            "https://example.com:0443",
            "https://example.com:123456",
            "https://example.com.",
            "https://.example.com",
            "https://Example.com",
            "HTTPS://example.com",
            "https://bücher.example",
            "http://example.com",
            "http://localhost:80",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
            "ftp://example.com",
            "https://example.com;https://example.org",
            "https://example.com\nhttps://example.org",
            "https://example.com https://example.org/",
            "https://example.comhttps://example.org",
        ],
        "must be empty, or origins like https://example.com",
        variable="COUNT_EMBED_ORIGINS",
        beyond_a_pattern=("https://example.com:65536", "https://203.0.113", "https://[2001:db8:0::1]"),
    ),
}
EACH = pytest.mark.parametrize("parameter", VALUES)
EACH_OF_THE_FUNCTION = pytest.mark.parametrize("parameter", [name for name in VALUES if VALUES[name].variable])


def test_every_parameter_is_in_the_table(template: Template) -> None:
    assert list(VALUES) == list(template.parameters)


@EACH
def test_template_takes_good_values_and_refuses_bad_ones(template: Template, parameter: str) -> None:
    values = VALUES[parameter]
    accepted = [value for value in values.good + values.bad if accepts(template.parameters[parameter], value)]
    assert accepted == values.good


@EACH_OF_THE_FUNCTION
def test_function_starts_with_good_values_and_refuses_bad_ones_by_name(artifact: Path, parameter: str) -> None:
    values = VALUES[parameter]
    variable = str(values.variable)
    bad = [*values.bad, *values.beyond_a_pattern]
    logs = {value: log_of(artifact, variable, value) for value in values.good + bad}
    assert [value for value, log in logs.items() if '"message":"start"' in log] == values.good
    assert [value for value, log in logs.items() if variable in log] == bad


@EACH
def test_stand_in_refuses_bad_values_and_says_what_is_expected(
    cloud: Cloud, build_directory: Path, parameter: str
) -> None:
    cloudformation, built = cloud.client("cloudformation"), (build_directory / "template.yaml").read_text()
    for value in VALUES[parameter].bad[:4]:
        with pytest.raises(cloudformation.exceptions.ClientError) as refused:
            cloudformation.create_change_set(
                StackName=f"{STACK}-refused",
                ChangeSetName="refused",
                ChangeSetType="CREATE",
                # CloudFormation reads a file's text where the SAM CLI has uploaded the function.
                TemplateBody=built.replace("CodeUri: VisitCounter", "CodeUri: s3://bucket/key"),
                Parameters=[{"ParameterKey": parameter, "ParameterValue": value}],
                Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            )
        assert f"'{parameter}'" in str(refused.value)
        assert VALUES[parameter].message in str(refused.value)


def test_sam_deploy_passes_the_reason_on_to_the_owner(cloud: Cloud) -> None:
    refused = cloud.deploy(f"{STACK}-refused", CookieMaxAgeDays="1.5")
    assert refused.returncode != 0
    reason = "Parameter 'CookieMaxAgeDays' must be a whole number of days from 0 to 400"
    assert reason in refused.stdout + refused.stderr


def accepts(parameter: dict[str, Any], value: str) -> bool:
    """As CloudFormation does: a pattern must match the whole value."""
    assert parameter["Type"] == "String"  # a Number would have other rules
    if "AllowedValues" in parameter:
        return value in parameter["AllowedValues"]
    return re.fullmatch(parameter["AllowedPattern"], value) is not None


def log_of(bootstrap: Path, variable: str, value: str) -> str:
    """What the function logs at its start with this setting, and without a Lambda to connect to."""
    nowhere = {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9", "AWS_LAMBDA_FUNCTION_NAME": "page-visits"}
    memory = {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128", "AWS_LAMBDA_FUNCTION_VERSION": "1"}
    finished = subprocess.run(
        [bootstrap],
        env=os.environ | nowhere | memory | {variable: value},
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    return finished.stdout + finished.stderr
