"""Runs the artifact of `sam build` in AWS's own Runtime Interface Emulator.

Each metric filter of the template is checked against the real log lines, and each cost against the real bytes.
"""

import base64
import json
import re
from typing import Any

import jsonpath_rfc9535

from conftest import ROOT, Emulator, resources_of

# The samples that count. tests/it/program.rs compares their lines.
VISITS = ["first_visit", "return_visit", "json_visit", "embedded_return_visit"]

# Other lines that the log group may contain.
OTHER_LINES = (
    '{"time":"2026-01-01T00:00:00.000Z","type":"platform.report","record":{"status":"success"}}',
    "START RequestId: 3f2b1c4d Version: $LATEST",
    '{"level":"ERROR","message":"visit failed: panicked at src/page/mod.rs"}',
    '{"level":"INFO","message":"Visit","count":"1","embedded":"true"}',
)

# The lines that each metric counts, with its value and its default.
METRICS = {
    "Visits": (VISITS, "1", 0),
    "FirstVisits": (["first_visit"], "1", 0),
    "EmbeddedVisits": (["embedded_return_visit"], "1", 0),
    # No default, because a start is not a visit with the count 0.
    "VisitCount": (VISITS, "$.count", None),
    "ColdStarts": (["start"], "1", 0),
}


def sample(name: str) -> bytes:
    return (ROOT / "events" / f"{name}.json").read_bytes()


def test_each_metric_counts_the_right_lines_and_no_others(emulator: Emulator) -> None:
    for name in VISITS:
        assert emulator.invoke(sample(name))["statusCode"] == 200
    assert emulator.invoke(b'{"Records": []}')["errorType"] == "NotAnHttpRequest"
    written = dict(zip(["start", *VISITS, "refusal"], emulator.lines(), strict=True))
    written |= {line: line for line in OTHER_LINES}
    found = {}
    for filter_ in resources_of("AWS::Logs::MetricFilter"):
        (metric,) = filter_["MetricTransformations"]
        matched = [name for name, line in written.items() if matches(filter_["FilterPattern"], line)]
        found[metric["MetricName"]] = (matched, metric["MetricValue"], metric.get("DefaultValue"))
    assert found == METRICS


def test_costs_in_the_documents_are_those_of_the_measured_bytes(emulator: Emulator) -> None:
    """The documents may be off by a twentieth, so that a sentence more on the page does not change them."""
    uncompressed = json.loads(sample("return_visit"))
    del uncompressed["headers"]["accept-encoding"]
    measured = {
        r"\| data transfer \| (\S+) KB per visit": kilobytes(emulator.invoke(sample("return_visit"))),
        r"client without gzip gets (\S+) KB": kilobytes(emulator.invoke(json.dumps(uncompressed).encode())),
        r"such as a 404, sends (\S+) KB": kilobytes(emulator.invoke(sample("favicon"))),
        r"\| logs \| (\S+) bytes": len(next(line for line in emulator.lines() if '"visit"' in line)),
    }
    document = words_of("docs/cost-and-scale.md")
    said = {}
    for pattern, value in measured.items():
        found = re.search(pattern, document)
        assert found, f"docs/cost-and-scale.md must have the words: {pattern}"
        near = abs(float(found[1]) - value) <= 0.05 * value
        said[pattern] = found[1] if near else f"{value:.{len(found[1].partition('.')[2])}f}"
    kb, plain_kb, other_kb, line = said.values()
    gigabyte, log_gigabyte, api = 0.09, 0.50, 1.00
    memory = resources_of("AWS::Serverless::Function")[0]["MemorySize"]
    base = 0.20 + (compute := 1000 * memory / 1024 * 0.0000133334) + (logs := log_gigabyte * float(line) / 1000)
    visits, flood = (base + gigabyte * float(size) for size in (kb, plain_kb))
    rate = resources_of("AWS::ApiGatewayV2::Stage")[0]["DefaultRouteSettings"]["ThrottlingRateLimit"]
    month = rate * 86_400 * 365.25 / 12 / 1_000_000
    metrics, alarms = len(resources_of("AWS::Logs::MetricFilter")), resources_of("AWS::CloudWatch::Alarm")
    # An alarm over metric math has several, of which one is the expression.
    alarm_metrics = sum(len(alarm.get("Metrics", [1, 2])) - 1 for alarm in alarms)
    expected = {
        "README.md": [f"[${visits:.2f}](docs/cost-and-scale.md)"],
        "template.yaml": [f"cost up to ${flood:.2f}, or ${flood + api:.2f} through the HTTP API"],
        "docs/cost-and-scale.md": [
            f"| compute, {memory} MB on arm64 | 1 ms per visit | $0.0000133334 per GB-second | ${compute:.3f} |",
            f"| logs | {line} bytes per visit | ${log_gigabyte:.2f} per GB | ${logs:.3f} |",
            f"| data transfer | {kb} KB per visit | ${gigabyte:.2f} per GB | ${gigabyte * float(kb):.3f} |",
            f"| **sum** | | | **${visits:.2f}** | |",
            f"such as a 404, sends {other_kb} KB",
            f"client without gzip gets {plain_kb} KB",
            f"${flood:.2f} per million through the Function URL and ${flood + api:.2f} through the HTTP API",
            f"{month:.0f} million requests, which cost ${flood * month:.0f}, or ${(flood + api) * month:.0f} through",
            f"${0.30 * metrics:.2f}), $0.10 per alarm metric (${0.10 * alarm_metrics:.2f})",
            f"**${0.30 * metrics + 0.10 * alarm_metrics + 3:.2f} a month**",
        ],
    }
    missing = [f"{file}: {it}" for file, sentences in expected.items() for it in sentences if it not in words_of(file)]
    assert not missing, "\n".join([f"Measured (KB, and bytes of a line): {[*measured.values()]}. Write:", *missing])


def words_of(file: str) -> str:
    return " ".join((ROOT / file).read_text().split())


def kilobytes(answer: dict[str, Any]) -> float:
    """What the front door sends: the body and the headers."""
    body = base64.b64decode(answer["body"]) if answer["isBase64Encoded"] else answer["body"].encode()
    return (len(body) + sum(len(json.dumps(answer.get(field, ""))) for field in ("headers", "cookies"))) / 1000


CONDITION = r'\$\.\w+ (?:= (?:"\w+"|\d+|\*)|IS TRUE)'
PATTERN = re.compile(rf"\{{ ({CONDITION}|\({CONDITION}\)(?: && \({CONDITION}\))+) }}")


def matches(pattern: str, line: str) -> bool:
    """Whether a CloudWatch Logs filter pattern matches a line.

    In moto and ministack, every JSON pattern matches, so no test could fail. CloudWatch's patterns are a dialect of
    JSONPath's filters (RFC 9535): this function translates those in the template for a JSONPath library.
    """
    known = PATTERN.fullmatch(pattern)
    assert known, f"matches() cannot translate this pattern: {pattern}"
    condition = known[1]
    for cloudwatch, jsonpath in {"$.": "@.", " = *": "", " IS TRUE": " == true", " = ": " == "}.items():
        condition = condition.replace(cloudwatch, jsonpath)
    # CloudWatch only compares JSON patterns with JSON lines.
    return line.startswith("{") and bool(jsonpath_rfc9535.find(f"$[?{condition}]", [json.loads(line)]))
