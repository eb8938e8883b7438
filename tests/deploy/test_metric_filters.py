"""Each metric filter of the template against the lines that the real binary logs."""

import json
from pathlib import Path

import pytest

from emulator import Emulator
from filter_pattern import matches
from template import Template

# A first visit, a return visit in each form, an embedded one, what does not count, and what is refused.
EVENTS = (
    "first_visit",
    "return_visit",
    "malformed_count",
    "json_visit",
    "text_visit",
    "embedded_return_visit",
    "reset",
    "prefetch",
    "prerender",
    "favicon",
    "head",
    "post",
    "cross_site_reset",
    "embedded_unlisted_origin",
)

# What one execution environment logs about them, without the times; the rest of the events adds nothing.
LOGGED = (
    {"level": "INFO", "message": "start"},
    {"level": "INFO", "message": "visit", "count": 1, "form": "html"},
    {"level": "INFO", "message": "visit", "count": 3, "form": "html"},
    {"level": "INFO", "message": "visit", "count": 1, "form": "html"},
    {"level": "INFO", "message": "visit", "count": 3, "form": "json"},
    {"level": "INFO", "message": "visit", "count": 3, "form": "text"},
    {"level": "INFO", "message": "visit", "count": 3, "form": "text", "embedded": True},
    {"level": "INFO", "message": "reset"},
    {"level": "INFO", "message": "prefetch"},
    {"level": "INFO", "message": "prefetch"},
)

# The positions of the lines that each metric must match.
EXPECTED = {
    "Visits": {1, 2, 3, 4, 5, 6},
    "FirstVisits": {1, 3},
    "EmbeddedVisits": {6},
    "VisitCount": {1, 2, 3, 4, 5, 6},
    "Resets": {7},
    "Prefetches": {8, 9},
    "ColdStarts": {0},
}


@pytest.fixture
def lines(emulator: Emulator, root: Path) -> list[str]:
    """What one execution environment logs about these events, and about one that no front door sends."""
    for name in EVENTS:
        emulator.invoke((root / "events" / f"{name}.json").read_bytes())
    emulator.invoke(b'{"Records": []}')
    return emulator.lines()


@pytest.fixture
def filters(template: Template) -> dict[str, tuple[str, dict]]:
    """Pattern and transformation by metric name."""
    return {
        transformation["MetricName"]: (properties["FilterPattern"], transformation)
        for properties in template.resources_of("AWS::Logs::MetricFilter").values()
        for transformation in properties["MetricTransformations"]
    }


def test_binary_logs_what_the_filters_are_tried_on(lines: list[str]) -> None:
    events = [json.loads(line) for line in lines]
    assert all(event.pop("timestamp") for event in events)
    assert events[: len(LOGGED)] == list(LOGGED)
    # An event of no front door makes a line of another kind, which no filter may match.
    assert {event["level"] for event in events[len(LOGGED) :]} == {"ERROR"}


def test_each_filter_matches_what_it_should_and_nothing_else(
    lines: list[str], filters: dict[str, tuple[str, dict]]
) -> None:
    matched = {
        name: {position for position, line in enumerate(lines) if matches(pattern, line)}
        for name, (pattern, _) in filters.items()
    }
    assert matched == EXPECTED


def test_visit_count_takes_its_value_from_the_line(lines: list[str], filters: dict[str, tuple[str, dict]]) -> None:
    pattern, transformation = filters["VisitCount"]
    field = transformation["MetricValue"].removeprefix("$.")
    assert [json.loads(line)[field] for line in lines if matches(pattern, line)] == [1, 3, 1, 3, 3, 3]


def test_counted_metrics_report_zero_and_the_visit_count_does_not(filters: dict[str, tuple[str, dict]]) -> None:
    defaults = {name: transformation.get("DefaultValue") for name, (_, transformation) in filters.items()}
    assert defaults.pop("VisitCount") is None
    assert set(defaults.values()) == {0}
    # CloudWatch refuses a default together with dimensions.
    assert not any("Dimensions" in transformation for _, transformation in filters.values())


def test_other_lines_match_no_filter(filters: dict[str, tuple[str, dict]]) -> None:
    for line in (
        '{"time":"2026-01-01T00:00:00.000Z","type":"platform.report","record":{"status":"success"}}',
        "START RequestId: 3f2b1c4d Version: $LATEST",
        '{"level":"ERROR","message":"visit failed: panicked at src/page.rs"}',
        '{"level":"INFO","message":"Visit","count":"1","embedded":"true"}',
    ):
        assert [name for name, (pattern, _) in filters.items() if matches(pattern, line)] == []


@pytest.mark.parametrize(
    "pattern",
    ["visit", '{ $.message = "vis*" }', '{ $.message == "visit" }', "{ $.count >= 1 }", '{ $.message = "visit" && }'],
)
def test_evaluator_refuses_what_it_does_not_know(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"pattern|condition"):
        matches(pattern, '{"message":"visit","count":1}')
