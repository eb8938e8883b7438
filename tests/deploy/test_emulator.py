"""The artifact of `sam build` behind AWS's own Runtime Interface Emulator, on the sample events."""

import json
import queue
import shutil
import struct
import subprocess
import threading
import time
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest

from emulator import Emulator

FORGOTTEN = ""  # the count that a reset stores
AARCH64 = 183

# Status, and the count that the answer stores in the browser (None: it stores none).
ANSWERS: dict[str, tuple[int, str | None]] = {
    "first_visit": (200, "1"),
    "return_visit": (200, "3"),
    "malformed_count": (200, "1"),
    "stage_named_path": (404, None),
    "overflowing_count": (200, "1"),
    "maximum_count": (200, str(2**64 - 1)),
    "duplicate_counts": (200, "42"),
    "quoted_count": (200, "8"),
    "neighbour_cookies": (200, "3"),
    "non_ascii_neighbour_cookie": (200, "3"),
    "empty_cookies": (200, "1"),
    "prefetch": (503, None),
    "prerender": (503, None),
    "favicon": (404, None),
    "nested_path": (404, None),
    "head": (200, None),
    "reset": (303, FORGOTTEN),
    "cross_site_reset": (403, None),
    "get_reset": (405, None),
    "post": (405, None),
    "json_visit": (200, "3"),
    "text_visit": (200, "3"),
    "raw_quote_in_query": (400, None),
    "head_with_raw_quote_in_query": (400, None),
    "http_api_first_visit": (200, "1"),
    "http_api_return_visit": (200, "3"),
    "http_api_stage_return_visit": (200, "3"),
    "http_api_stage_reset": (303, FORGOTTEN),
    "http_api_stage_without_slash": (308, None),
    "rest_api_first_visit": (200, "1"),
    "rest_api_return_visit": (200, "3"),
    "rest_api_many_cookie_lines": (200, "3"),
    "rest_api_reset": (303, FORGOTTEN),
    "rest_api_stage_path": (404, None),
    "rest_api_console_test": (400, None),
    "alb_first_visit": (200, "1"),
    "alb_return_visit": (200, "3"),
    "alb_plain_http_visit": (200, "3"),
    "alb_plain_http_bad_host": (400, None),
    "alb_multi_value_first_visit": (200, "1"),
    "alb_multi_value_return_visit": (200, "3"),
    "vpc_lattice_first_visit": (200, "1"),
    "vpc_lattice_return_visit": (200, "3"),
}


def test_artifact_answers_every_sample_event(emulator: Emulator, root: Path) -> None:
    events = sorted((root / "events").glob("*.json"))
    answers = {event.stem: summary(emulator.invoke(event.read_bytes())) for event in events}
    assert answers == ANSWERS


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


def test_arm64_artifact_answers_a_visit(
    root: Path, tmp_path: Path, tool_environment: dict[str, str], native_architecture: str
) -> None:
    """Where the Rust target and the emulator are present; nothing is downloaded for it."""
    if native_architecture == "arm64":
        pytest.skip("arm64 is this machine's own: every other test here ran it")
    qemu = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
    rustup = shutil.which("rustup")
    listing = [rustup, "target", "list", "--installed"] if rustup else ["true"]
    targets = subprocess.run(listing, capture_output=True, text=True, check=False).stdout
    missing = [
        name
        for name, present in {
            "Rust target aarch64-unknown-linux-gnu": "aarch64-unknown-linux-gnu" in targets.split(),
            "qemu-aarch64": qemu,
        }.items()
        if not present
    ]
    if missing:
        pytest.skip(f"arm64 artifact neither built nor run here, for want of: {', '.join(missing)}")
    build = tmp_path / "build"
    sam = Path(tool_environment["PATH"].partition(":")[0]) / "sam"
    subprocess.run(
        [sam, "build", "--build-dir", build, "--parameter-overrides", "Architecture=arm64"],
        cwd=root,
        env=tool_environment,
        check=True,
        capture_output=True,
    )
    bootstrap = build / "VisitCounter" / "bootstrap"
    assert struct.unpack("<18xH", bootstrap.read_bytes()[:20]) == (AARCH64,)
    with OneEvent((root / "events" / "return_visit.json").read_bytes()) as runtime_api:
        function = subprocess.Popen([qemu, bootstrap], env=runtime_api.environment)
        try:
            assert summary(runtime_api.answer()) == (200, "3")
        finally:
            function.kill()
            function.wait()


class OneEvent:
    """A Lambda Runtime API that hands out one event: AWS's own emulator runs no foreign program."""

    def __init__(self, event: bytes) -> None:
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        answers, handed_out = self._answers, threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # /2018-06-01/runtime/invocation/next
                if handed_out.is_set():
                    threading.Event().wait()
                handed_out.set()
                self.send_response(200)
                self.send_header("lambda-runtime-aws-request-id", "1")
                self.send_header("lambda-runtime-deadline-ms", str(int(time.time() * 1000) + 30_000))
                self.send_header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:1:function:f")
                self.send_header("content-length", str(len(event)))
                self.end_headers()
                self.wfile.write(event)

            def do_POST(self) -> None:  # /2018-06-01/runtime/invocation/1/response
                answers.put(json.loads(self.body()))
                self.send_response(202)
                self.send_header("content-length", "0")
                self.end_headers()

            def body(self) -> bytes:
                if length := self.headers.get("content-length"):
                    return self.rfile.read(int(length))
                chunks = []
                while size := int(self.rfile.readline(), 16):
                    chunks.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(chunks)

            def log_message(self, *_: object) -> None:
                pass

        Handler.protocol_version = "HTTP/1.1"
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.socket.close()

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}",
            "AWS_LAMBDA_FUNCTION_NAME": "page-visits",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_LOG_GROUP_NAME": "page-visits",
            "AWS_LAMBDA_LOG_STREAM_NAME": "page-visits",
        }

    def answer(self) -> dict[str, Any]:
        return self._answers.get(timeout=20)


def summary(answer: dict[str, Any]) -> tuple[int, str | None]:
    """An answer's status and the count that it stores, in the form of whichever front door."""
    assert "statusCode" in answer, answer
    set_cookies = [
        *answer.get("cookies", []),
        *answer.get("multiValueHeaders", {}).get("set-cookie", []),
        *(value for name, value in answer.get("headers", {}).items() if name.lower() == "set-cookie"),
    ]
    counts = {SimpleCookie(cookie)["count"].value for cookie in set_cookies}
    assert len(counts) <= 1, f"several counts: {set_cookies}"
    return answer["statusCode"], counts.pop() if counts else None
