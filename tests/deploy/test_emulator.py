"""Runs the artifact of `sam build` in AWS's own Runtime Interface Emulator."""

import base64
import gzip
from typing import Any

import pytest

from conftest import EMBEDDED, PREFETCH, ROOT, Emulator, request, stored_count

FORGOTTEN = ""  # the count that a reset stores

# Each request, the status of its answer, and the count that the answer stores in the browser (None if it stores none).
ANSWERS: dict[str, tuple[bytes, int, str | None]] = {
    "json": (request(accept="application/json"), 200, "3"),
    "embedded": (request(**EMBEDDED), 200, "3"),
    "embedded elsewhere": (request(**EMBEDDED | {"origin": "https://example.net"}), 403, None),
    "header that HTTP does not permit": (request(**{"x-\u0001": "\u0000"}), 200, "3"),
    "prefetch": (request(**PREFETCH), 403, None),
    "image": (request(**{"sec-fetch-dest": "image"}), 403, None),
    "icon": (request(path="/favicon.ico"), 404, None),
    "reset": (request("POST", "/reset"), 303, FORGOTTEN),
    "forget": (request("POST", "/forget"), 200, FORGOTTEN),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_artifact_answers_each_kind_of_request(emulator: Emulator, answer: str) -> None:
    event, *expected = ANSWERS[answer]
    assert summary(emulator.invoke(event)) == tuple(expected)


@pytest.mark.parametrize("door", ["", "http_api_", "rest_api_", "alb_", "alb_multi_value_", "vpc_lattice_"])
def test_artifact_counts_behind_each_front_door(emulator: Emulator, door: str) -> None:
    first, again = ((ROOT / "events" / f"{door}{visit}_visit.json").read_bytes() for visit in ("first", "return"))
    assert [summary(emulator.invoke(event)) for event in (first, again)] == [(200, "1"), (200, "3")]


def test_artifact_compresses_the_page_for_clients_that_accept_gzip(emulator: Emulator) -> None:
    compressed, plain = (emulator.invoke(request(**{"accept-encoding": it})) for it in ("gzip", "identity"))
    assert (compressed["headers"]["content-encoding"], compressed["isBase64Encoded"]) == ("gzip", True)
    assert gzip.decompress(base64.b64decode(compressed["body"])).decode() == plain["body"]


def test_artifact_serves_the_next_visit_after_an_event_from_no_front_door(emulator: Emulator) -> None:
    assert "errorMessage" in emulator.invoke(b'{"Records": []}')
    assert summary(emulator.invoke(request())) == (200, "3")


def summary(answer: dict[str, Any]) -> tuple[int, str | None]:
    """The status of an answer and the count that it stores. Reads the format of every front door."""
    assert "statusCode" in answer, answer
    set_cookies = [
        *answer.get("cookies", []),
        *answer.get("multiValueHeaders", {}).get("set-cookie", []),
        *(value for name, value in answer.get("headers", {}).items() if name.lower() == "set-cookie"),
    ]
    counts = {stored_count(cookie) for cookie in set_cookies}
    assert len(counts) <= 1, f"several counts: {set_cookies}"
    return answer["statusCode"], counts.pop() if counts else None
