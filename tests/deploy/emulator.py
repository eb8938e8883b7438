"""AWS's own Runtime Interface Emulator, which the SAM CLI's wheel carries, around a built function."""

import json
import os
import platform
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self

import samcli.local

START_SECONDS = 10
ENVIRONMENT = {
    # What Lambda sets for the template's LoggingConfig.
    "AWS_LAMBDA_LOG_FORMAT": "JSON",
    "AWS_LAMBDA_LOG_LEVEL": "INFO",
    # The site of the events whose names begin with `embedded`.
    "COUNT_EMBED_ORIGINS": "https://blog.example.com",
}


class Emulator:
    """One execution environment: events in, answers out, and what the function logged."""

    def __init__(self, bootstrap: Path, directory: Path, port: int, runtime_port: int) -> None:
        machine = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
        self._program = Path(samcli.local.__path__[0]) / "rapid" / f"aws-lambda-rie-{machine}"
        self._bootstrap, self._log = bootstrap, directory / "log"
        self._port, self._runtime_port = port, runtime_port

    def __enter__(self) -> Self:
        # The wheel does not mark it as a program.
        program = self._log.with_name("aws-lambda-rie")
        program.write_bytes(self._program.read_bytes())
        program.chmod(0o755)
        addresses = [
            *("--runtime-interface-emulator-address", f"127.0.0.1:{self._port}"),
            *("--runtime-api-address", f"127.0.0.1:{self._runtime_port}"),
        ]
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                [program, *addresses, self._bootstrap, "bootstrap"],
                env=os.environ | ENVIRONMENT,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    def invoke(self, event: bytes) -> dict[str, Any]:
        """The function's answer, or what Lambda makes of its error."""
        url = f"http://127.0.0.1:{self._port}/2015-03-31/functions/function/invocations"
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                with urllib.request.urlopen(urllib.request.Request(url, event)) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                return json.load(error)
            except urllib.error.URLError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def lines(self) -> list[str]:
        """The lines that CloudWatch would get from the function: the emulator's own are not JSON."""
        return [line for line in self._log.read_text().splitlines() if line.startswith("{")]
