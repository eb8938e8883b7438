"""Checks that template, stand-in and function agree on the good and bad values of each parameter."""

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from conftest import PROGRAM, ROOT, STACK, TEMPLATE, Cloud


# The good values of each, and bad ones.
VALUES = {
    "Architecture": (["arm64", "x86_64"], ["", "ARM64", "arm", "riscv64"]),
    "CookieMaxAgeDays": (
        ["0", "1", "9", "10", "99", "100", "199", "399", "400"],
        ["", "-1", "+7", "1.5", "1e2", "400.0", "401", "499", "1000", "0x10", " 7", "7 ", "7,", "1_0", "٣", "forever"],
    ),
    "MaxConcurrency": (
        ["-1", "0", "1", "10", "99", "100", "999", "1000"],
        ["", "-2", "+7", "1.5", "1e2", "10.0", "007", "1001", "1999", " 7", "7 ", "٣", "none"],
    ),
    "LogRetentionDays": (
        ["1", "3", "5", "7", "14", "30", "60", "90"],
        ["", "0", "-1", "2", "15", "14.0", "1e1", "+14", "365"],
    ),
    "AlarmEmail": (
        ["", "owner@example.com", "the.owner+visits@mail.example.org"],
        ["owner", "owner@", "@example.com", "owner@example", "two owners@example.com", "a@example.com,b@example.com"],
    ),
    "HttpApi": (["on", "off"], ["", "yes", "true", "On"]),
    "DomainName": (
        ["", "example.com", "visits.example.com", "a.b-c.example.co.uk", "1.example", "xn--bcher-kva.example"]
        + [f"{'a' * 61}.de"],
        ["example", "https://example.com", "example.com/", "example.com.", ".example.com", "Example.com", "a_b.example"]
        + ["*.example.com", "-a.example.com", "a-.example.com", "bücher.example", "203.0.113.7", "a b.example"]
        + [f"{'a' * 64}.de", f"{'a' * 62}.de", f"{'a' * 31}.{'b' * 31}.de"],
    ),
    "HostedZoneId": (
        ["", "Z0123456789ABCDEFGHIJ", "Z1UJRXOUMOOFQ8"],
        ["/hostedzone/Z1UJRXOUMOOFQ8", "example.com", "z1ujrxoumoofq8", "Z", "0123456789", f"Z{'A' * 32}"],
    ),
    "CertificateArn": (
        ["", "arn:aws:acm:eu-central-1:123456789012:certificate/01234567-89ab-cdef-0123-456789abcdef"]
        + ["arn:aws-us-gov:acm:us-gov-west-1:123456789012:certificate/01234567-89ab-cdef-0123-456789abcdef"],
        ["01234567-89ab-cdef-0123-456789abcdef", "arn:aws:acm:us-east-1:123456789012:certificate/", "arn:aws:acm"]
        + ["arn:aws:iam::123456789012:server-certificate/example.com", "example.com"],
    ),
    "EmbedOrigins": (
        ["", " ", ",", "https://example.com https://example.org", "https://example.com,http://localhost:9000"]
        + [" https://example.com, http://localhost:9000,  https://example.org:444, ", "HTTPS://Example.com:443/"]
        + ["https://a-b.blog.example.com:8443", "https://xn--bcher-kva.example", "https://a_b.example.com", "https://x"]
        + ["https://203.0.113.7", "https://127.0.0.1:8443", "https://[::1]", "http://LOCALHOST/", "http://[::1]:65535"]
        + ["http://127.9.99.199:80", ",".join(["https://example.com"] * 175)],
        ["*", "null", "example.com", "https://*.example.com", "https://example.com https://example.org/blog"]
        + ["https://example.com\nhttps://example.org", "https://example.comhttps://example.org", "https://", "https:"]
        + ["https://example.com//", "https://example.com?", "https://example.com#a", "https://owner@example.com"]
        + ["https://example.com:", "https://example.com:x", "https://example.com:8443:8443", "https://example.com;"]
        + ["https://bücher.example", "https://.example.com", "https://[2001:db8::1]", "http://example.com"]
        + ["http://localhost.example.com", "http://127.1", "ftp://localhost", ",".join(["https://example.com"] * 176)],
    ),
}


def test_each_parameter_is_in_samconfig_in_the_document_and_in_this_file_with_its_default() -> None:
    """`sam deploy` prompts for one without a default, and rolling back restores only those in samconfig.toml."""
    defaults = {name: parameter["Default"] for name, parameter in TEMPLATE["Parameters"].items()}
    settings = tomllib.loads((ROOT / "samconfig.toml").read_text())["default"]["global"]["parameters"]
    assert settings["stack_name"] == STACK
    document = (ROOT / "docs" / "deploying.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (?:`([^`]+)`|empty) \|", document, re.MULTILINE)
    places = {
        "samconfig.toml (parameter_overrides)": settings["parameter_overrides"],
        "docs/deploying.md (the table of parameters)": dict(rows),
        "VALUES in tests/deploy/test_parameters.py": {name: defaults.get(name) for name in VALUES},
    }
    wrong = [
        f"{name} in {place}: {found.get(name, 'missing')!r}, but {defaults.get(name, 'missing')!r} in template.yaml"
        for place, found in places.items()
        for name in sorted({*defaults, *found})
        if found.get(name) != defaults.get(name)
    ]
    assert not wrong, "\n".join(["Each parameter belongs in each of these places, with its default:", *wrong])


@pytest.mark.parametrize("parameter", VALUES)
def test_template_accepts_good_values_and_rejects_bad_ones(parameter: str) -> None:
    good, bad = VALUES[parameter]
    assert [value for value in good + bad if accepts(TEMPLATE["Parameters"][parameter], value)] == good
    assert TEMPLATE["Parameters"][parameter]["ConstraintDescription"].startswith("must be ")


@pytest.mark.parametrize(
    ("parameter", "variable"),
    [("CookieMaxAgeDays", "COUNT_COOKIE_MAX_AGE_DAYS"), ("EmbedOrigins", "COUNT_EMBED_ORIGINS")],
)
def test_function_accepts_every_good_value(build: Path, parameter: str, variable: str) -> None:
    """With a bad value it would not start, or leave out an origin. Its own tests show both."""
    good, _ = VALUES[parameter]
    logs = {value: log_of(build / PROGRAM, variable, value) for value in good}
    assert [value for value, log in logs.items() if '"message":"start"' in log] == good
    assert [value for value, log in logs.items() if variable in log] == []


@pytest.mark.parametrize(
    ("parameter", "value", "reason"),
    [
        ("DomainName", "visits.example.com", "DomainName needs HostedZoneId"),
        ("HostedZoneId", "Z0123456789ABCDEFGHIJ", "are for DomainName, which is empty"),
        ("CookieMaxAgeDays", "1.5", "must be a whole number of days from 0 to 400"),
    ],
)
def test_sam_deploy_tells_the_owner_why_it_failed(cloud: Cloud, parameter: str, value: str, reason: str) -> None:
    deployed, output = cloud.try_sam(*cloud.deployment(f"{STACK}-refused", **{parameter: value}))
    assert not deployed
    assert reason in output


def accepts(parameter: dict[str, Any], value: str) -> bool:
    """Whether CloudFormation accepts a value. A pattern must match the whole value."""
    assert parameter["Type"] == "String"  # a Number would have other rules
    if "AllowedValues" in parameter:
        return value in parameter["AllowedValues"]
    short = len(value) <= parameter.get("MaxLength", len(value))
    return short and re.fullmatch(parameter.get("AllowedPattern", ".*"), value) is not None


def log_of(bootstrap: Path, variable: str, value: str) -> str:
    """What the function logs when it starts with this setting. There is no Lambda that it could connect to."""
    nowhere = {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9", "AWS_LAMBDA_FUNCTION_NAME": STACK}
    nowhere |= {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128", "AWS_LAMBDA_FUNCTION_VERSION": "1"}
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "timeout": 10}
    return subprocess.run([bootstrap], env=os.environ | nowhere | {variable: value}, check=False, **options).stdout
