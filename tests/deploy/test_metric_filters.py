"""Checks each metric filter of the template against the lines that the built function logs."""

import json
import re
from typing import Any

import jsonpath_rfc9535

from conftest import EMBEDDED, PREFETCH, TEMPLATE, Emulator, request

# The line that the function logs about each of these requests, without the time.
REQUESTS: dict[str, tuple[bytes, dict[str, Any]]] = {
    "first": (request(count=None), {"message": "visit", "count": 1, "form": "html"}),
    "return": (request(), {"message": "visit", "count": 3, "form": "html"}),
    "json": (request(accept="application/json"), {"message": "visit", "count": 3, "form": "json"}),
    "embedded": (request(**EMBEDDED), {"message": "visit", "count": 3, "form": "text", "embedded": True}),
    "reset": (request("POST", "/reset"), {"message": "reset"}),
    "forget": (request("POST", "/forget"), {"message": "forget"}),
    "prefetch": (request(**PREFETCH), {"message": "prefetch"}),
}
LOGGED = {"start": {"message": "start"}} | {name: line for name, (_, line) in REQUESTS.items()}
NOT_LOGGED = [request(path="/favicon.ico"), request("HEAD"), request(**EMBEDDED | {"origin": "https://example.net"})]

# Other lines that the log group may contain.
OTHER_LINES = (
    '{"time":"2026-01-01T00:00:00.000Z","type":"platform.report","record":{"status":"success"}}',
    "START RequestId: 3f2b1c4d Version: $LATEST",
    '{"level":"ERROR","message":"visit failed: panicked at src/page.rs"}',
    '{"level":"INFO","message":"Visit","count":"1","embedded":"true"}',
)

VISITS = ["first", "return", "json", "embedded"]
# The lines that each metric counts, with its value and its default.
METRICS = {
    "Visits": (VISITS, "1", 0),
    "FirstVisits": (["first"], "1", 0),
    "EmbeddedVisits": (["embedded"], "1", 0),
    # No default, because a reset is not a visit with the count 0.
    "VisitCount": (VISITS, "$.count", None),
    "Resets": (["reset"], "1", 0),
    "Forgets": (["forget"], "1", 0),
    "Prefetches": (["prefetch"], "1", 0),
    "ColdStarts": (["start"], "1", 0),
}


def test_each_metric_counts_the_right_lines_and_no_others(emulator: Emulator) -> None:
    for event in [event for event, _ in REQUESTS.values()] + NOT_LOGGED + [b'{"Records": []}']:
        emulator.invoke(event)
    *lines, refusal = emulator.lines()
    assert [json.loads(line) | {"timestamp": ""} for line in lines] == [
        {"timestamp": "", "level": "INFO"} | line for line in LOGGED.values()
    ]
    assert json.loads(refusal)["level"] == "ERROR"
    written = dict(zip([*LOGGED, "refusal", *OTHER_LINES], [*lines, refusal, *OTHER_LINES], strict=True))
    found = {}
    for resource in TEMPLATE["Resources"].values():
        if resource["Type"] == "AWS::Logs::MetricFilter":
            pattern = resource["Properties"]["FilterPattern"]
            (metric,) = resource["Properties"]["MetricTransformations"]
            matched = [name for name, line in written.items() if matches(pattern, line)]
            found[metric["MetricName"]] = (matched, metric["MetricValue"], metric.get("DefaultValue"))
    assert found == METRICS


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
