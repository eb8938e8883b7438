"""The artifact of `sam build` behind AWS's own Runtime Interface Emulator, on the sample events."""

import base64
import gzip
import json
from pathlib import Path
from typing import Any

from cloud import stored_count
from emulator import Emulator

FORGOTTEN = ""  # the count that a reset stores

# Status, and the count that the answer stores in the browser (None: it stores none): of each front door, and
# of each kind of answer. tests/events.rs compares the whole answer to every event.
ANSWERS: dict[str, tuple[int, str | None]] = {
    "first_visit": (200, "1"),
    "return_visit": (200, "3"),
    "non_ascii_neighbour_cookie": (200, "3"),
    "raw_quote_in_query": (200, "3"),
    "json_visit": (200, "3"),
    "prefetch": (503, None),
    "favicon": (404, None),
    "image": (403, None),
    "reset": (303, FORGOTTEN),
    "embedded_return_visit": (200, "3"),
    "embedded_unlisted_origin": (403, None),
    "http_api_stage_return_visit": (200, "3"),
    "rest_api_many_cookie_lines": (200, "8"),
    "alb_return_visit": (200, "3"),
    "alb_multi_value_return_visit": (200, "3"),
    "vpc_lattice_return_visit": (200, "3"),
}


def test_artifact_answers_the_sample_events(emulator: Emulator, root: Path) -> None:
    events = {name: (root / "events" / f"{name}.json").read_bytes() for name in ANSWERS}
    assert {name: summary(emulator.invoke(event)) for name, event in events.items()} == ANSWERS


def test_artifact_compresses_the_page_for_those_who_accept_it(emulator: Emulator, root: Path) -> None:
    event = json.loads((root / "events" / "return_visit.json").read_text())
    compressed = emulator.invoke(json.dumps(event).encode())
    assert (compressed["headers"]["content-encoding"], compressed["isBase64Encoded"]) == ("gzip", True)
    del event["headers"]["accept-encoding"]
    plain = emulator.invoke(json.dumps(event).encode())
    assert gzip.decompress(base64.b64decode(compressed["body"])).decode() == plain["body"]


def test_artifact_counts_on_through_the_cookie_that_it_set(emulator: Emulator, root: Path) -> None:
    event = json.loads((root / "events" / "first_visit.json").read_text())
    counts = []
    for _ in range(5):
        answer = emulator.invoke(json.dumps(event).encode())
        counts.append(summary(answer)[1])
        event["cookies"] = [cookie.partition(";")[0] for cookie in answer["cookies"]]
    assert counts == ["1", "2", "3", "4", "5"]


def test_artifact_serves_the_next_visit_after_an_event_of_no_front_door(emulator: Emulator, root: Path) -> None:
    refused = emulator.invoke(b'{"Records": []}')
    assert "errorMessage" in refused
    assert summary(emulator.invoke((root / "events" / "first_visit.json").read_bytes())) == (200, "1")


def summary(answer: dict[str, Any]) -> tuple[int, str | None]:
    """An answer's status and the count that it stores, in the form of whichever front door."""
    assert "statusCode" in answer, answer
    set_cookies = [
        *answer.get("cookies", []),
        *answer.get("multiValueHeaders", {}).get("set-cookie", []),
        *(value for name, value in answer.get("headers", {}).items() if name.lower() == "set-cookie"),
    ]
    counts = {stored_count(cookie) for cookie in set_cookies}
    assert len(counts) <= 1, f"several counts: {set_cookies}"
    return answer["statusCode"], counts.pop() if counts else None
