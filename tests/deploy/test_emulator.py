"""Runs the artifact of `sam build` in AWS's own Runtime Interface Emulator.

Each metric filter of the template is checked against the real log lines, and each price against the real bytes.
"""

import base64
import json
import re

import jsonpath_rfc9535

from conftest import ROOT, TEMPLATE, Emulator

# Samples that are logged. tests/it/program.rs compares their lines.
SAMPLES = ("first_visit", "return_visit", "json_visit", "embedded_return_visit", "reset", "forget", "prefetch")

# Other lines that the log group may contain.
OTHER_LINES = (
    '{"time":"2026-01-01T00:00:00.000Z","type":"platform.report","record":{"status":"success"}}',
    "START RequestId: 3f2b1c4d Version: $LATEST",
    '{"level":"ERROR","message":"visit failed: panicked at src/page/mod.rs"}',
    '{"level":"INFO","message":"Visit","count":"1","embedded":"true"}',
)

VISITS = list(SAMPLES[:4])
# The lines that each metric counts, with its value and its default.
METRICS = {
    "Visits": (VISITS, "1", 0),
    "FirstVisits": (["first_visit"], "1", 0),
    "EmbeddedVisits": (["embedded_return_visit"], "1", 0),
    # No default, because a reset is not a visit with the count 0.
    "VisitCount": (VISITS, "$.count", None),
    "Resets": (["reset"], "1", 0),
    "Forgets": (["forget"], "1", 0),
    "Prefetches": (["prefetch"], "1", 0),
    "ColdStarts": (["start"], "1", 0),
}


def sample(name: str) -> bytes:
    return (ROOT / "events" / f"{name}.json").read_bytes()


def test_each_metric_counts_the_right_lines_and_no_others(emulator: Emulator) -> None:
    for name in SAMPLES:
        assert emulator.invoke(sample(name))["statusCode"] < 500
    assert emulator.invoke(b'{"Records": []}')["errorType"] == "NotAnHttpRequest"
    written = dict(zip(["start", *SAMPLES, "refusal"], emulator.lines(), strict=True))
    written |= {line: line for line in OTHER_LINES}
    found = {}
    for resource in TEMPLATE["Resources"].values():
        if resource["Type"] == "AWS::Logs::MetricFilter":
            pattern = resource["Properties"]["FilterPattern"]
            (metric,) = resource["Properties"]["MetricTransformations"]
            matched = [name for name, line in written.items() if matches(pattern, line)]
            found[metric["MetricName"]] = (matched, metric["MetricValue"], metric.get("DefaultValue"))
    assert found == METRICS


def test_estimated_cost_is_that_of_the_document_and_of_the_measured_bytes(emulator: Emulator) -> None:
    answer = emulator.invoke(sample("return_visit"))
    headers = sum(len(json.dumps(answer[field])) for field in ("headers", "cookies"))
    (line,) = [line for line in emulator.lines() if '"visit"' in line]
    dashboard, values = TEMPLATE["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    visit_bytes, line_bytes = int(values["BytesPerVisit"]), int(values["BytesPerLogLine"])
    assert abs(len(base64.b64decode(answer["body"])) + headers - visit_bytes) < 0.05 * visit_bytes
    assert 0 <= line_bytes - len(line) < 0.1 * line_bytes

    request_price, log_price, transfer_price = (
        re.findall(rf"(0\.\d+) \* {factor}", dashboard)
        for factor in ("invocations", r"\${BytesPerLogLine}", r"\${BytesPerVisit}")
    )
    _, arm_price, x86_price = values["GigabyteSecondPrice"]["Fn::If"]
    document = (ROOT / "docs" / "cost-and-scale.md").read_text()
    for words in (
        *(f"${request_price[0]} per million", f"${arm_price} per GB-second", f"a GB-second costs ${x86_price}"),
        *(f"{line_bytes} bytes per visit | ${log_price[0]} per GB", f"${transfer_price[0]} per GB"),
        f"{visit_bytes / 1000} KB per visit",
    ):
        assert words in document
    prices = (float(price[0]) for price in (request_price, log_price, transfer_price))
    compute = 1000 * 0.125 * float(arm_price)
    total = sum(price * amount for price, amount in zip(prices, (1, line_bytes / 1000, visit_bytes / 1000), strict=True))
    assert f"**${total + compute:.2f}**" in document
    assert f"cost [${total + compute:.2f}]" in (ROOT / "README.md").read_text()


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
