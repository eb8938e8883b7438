"""What the deployment tests share: the built artifact, the local AWS stand-in, and the deployed stack.

The tools are those installed beside the running interpreter (requirements/sam.txt); the
stand-in has an environment of its own next to it (requirements/stand-in.txt). Nothing here
reaches a real account: every client is given the stand-in's address and made-up credentials.
"""

import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from certificate import write_certificate
from cloud import REGION, Cloud
from emulator import Emulator
from template import Template

ROOT = Path(__file__).parents[2]
TOOLS = Path(sys.executable).parent
STAND_IN_PYTHON = TOOLS.parents[1] / "stand-in" / "bin" / "python"
STACK = "page-visits"  # as samconfig.toml names it; test_static holds the two together
START_SECONDS = 30


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def native_architecture() -> str:
    return "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"


@pytest.fixture(scope="session")
def template() -> Template:
    return Template(ROOT / "template.yaml")


@pytest.fixture(scope="session")
def tool_environment() -> dict[str, str]:
    """The tools first in PATH, no telemetry, and nothing of the owner's own AWS settings."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return environment | {
        "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}",
        "SAM_CLI_TELEMETRY": "0",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
    }


@pytest.fixture(scope="session")
def build_directory(
    tmp_path_factory: pytest.TempPathFactory, tool_environment: dict[str, str], native_architecture: str
) -> Path:
    """`sam build` of the project, outside .aws-sam, where the owner's own build may lie."""
    directory = tmp_path_factory.mktemp("sam") / "build"
    architecture = ["--parameter-overrides", f"Architecture={native_architecture}"]
    built = subprocess.run(
        [TOOLS / "sam", "build", "--build-dir", directory, *architecture],
        cwd=ROOT,
        env=tool_environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return directory


@pytest.fixture(scope="session")
def artifact(build_directory: Path) -> Path:
    return build_directory / "VisitCounter" / "bootstrap"


@pytest.fixture
def emulator(artifact: Path, tmp_path: Path) -> Iterator[Emulator]:
    with Emulator(artifact, tmp_path, free_port(), free_port()) as emulator:
        yield emulator


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """Its port and certificate: over TLS, under AWS's own host names, pages are visited at the deployed URLs."""
    directory = tmp_path_factory.mktemp("stand-in")
    certificate, key = write_certificate(directory)
    port = free_port()
    environment = os.environ | {
        "BIND_HOST": "127.0.0.1",
        # Requests are checked against the policies of whoever signed them.
        "AUTH": "true",
        "GATEWAY_PORT": str(port),
        "STATE_DIR": str(directory / "state"),
        "MINISTACK_REGION": REGION,
        # HTTP APIs are served at <id>.execute-api.<this>.
        "MINISTACK_HOST": f"{REGION}.amazonaws.com",
        "USE_SSL": "1",
        "MINISTACK_SSL_CERT": str(certificate),
        "MINISTACK_SSL_KEY": str(key),
    }
    log = directory / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [STAND_IN_PYTHON, Path(__file__).with_name("stand_in.py")],
            env=environment,
            cwd=directory,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for(port, server, log)
        yield port, certificate
    finally:
        # With the functions that it runs, and at once: it would wait for idle connections to close.
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


@pytest.fixture(scope="session")
def cloud(stand_in: tuple[int, Path], tool_environment: dict[str, str], build_directory: Path) -> Cloud:
    """The stand-in, with the rights that deploying the project takes."""
    cloud = Cloud(ROOT, TOOLS / "sam", build_directory, tool_environment, *stand_in)
    cloud.become("deployer", (ROOT / "docs" / "deployer-policy.json").read_text())
    return cloud


@pytest.fixture(scope="session")
def stack(cloud: Cloud, native_architecture: str) -> str:
    """The project's stack with the parameters that nobody set, deployed once."""
    deployed = cloud.deploy(STACK, Architecture=native_architecture)
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    return STACK


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port: int, server: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail(f"the stand-in did not start:\n{log.read_text()}")


def program(*names: str) -> str:
    """The first of these programs that the system has."""
    for name in names:
        if found := shutil.which(name):
            return found
    pytest.fail(f"none of these is installed: {', '.join(names)}")
