"""The function that `cargo lambda new --template` makes of template/, used as its README.md says."""

import json
import re
import subprocess
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloud import Cloud
from conftest import ROOT, TOOLS, StandIn, free_port

# CloudFormation admits no `_` in a stack's name, and Rust no `-` in a crate's. Only the first is linted, built,
# served and deployed: the name is in none of what these read.
NAMES = ["hello-world", "greeting_api"]
EACH = pytest.mark.parametrize("name", NAMES)

Run = Callable[..., str]


@pytest.fixture(scope="module")
def environment(tool_environment: dict[str, str]) -> dict[str, str]:
    """What is compiled of the same crates is shared with the counter."""
    return tool_environment | {"CARGO_TARGET_DIR": str(ROOT / "target"), "CARGO_LAMBDA_TELEMETRY": "0"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("my functions")  # with a space


@pytest.fixture(scope="module")
def run(folder: Path, environment: dict[str, str]) -> Iterator[Run]:
    """Runs a command in one of the functions that have been made, without anybody to answer a prompt."""

    def run(name: str, *command: str | Path) -> str:
        done = subprocess.run(
            command,
            cwd=folder / name,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    for name in NAMES:
        run(".", "cargo", "lambda", "new", "--template", ROOT, name)
    yield run
    for name in NAMES:
        run(name, "cargo", "clean", "--quiet", "--package", name)


@EACH
def test_is_formatted_tested_and_valid(run: Run, name: str) -> None:
    run(name, "cargo", "fmt", "--check")
    run(name, "cargo", "test", "--quiet", "--locked")
    run(name, "sam", "validate")


def test_is_clean_to_the_linters(run: Run) -> None:
    run(NAMES[0], "cargo", "clippy", "--quiet", "--all-targets", "--locked", "--", "-D", "warnings")
    run(NAMES[0], "actionlint", ".github/workflows/ci.yml", ".github/workflows/deploy.yml")


@EACH
@pytest.mark.usefixtures("run")
def test_is_small_and_the_owners_own(folder: Path, name: str) -> None:
    """Not a word of the counter, none of cargo-lambda's template language, and not a line too many."""
    files = [file for file in (folder / name).rglob("*") if file.is_file() and ".aws-sam" not in file.parts]
    texts = {str(file.relative_to(folder / name)): file.read_text() for file in files if file.name != "Cargo.lock"}
    foreign = re.compile(r"\b(visit|count|cookie|page)|(?<!\$)\{\{|\{%", re.IGNORECASE)
    found = {path: match[0] for path, text in texts.items() if (match := foreign.search(text))}
    assert found == {}
    assert sum(text.count("\n") for text in texts.values()) <= 700
    assert texts["template.yaml"].count("\n") <= 160


def test_uses_the_libraries_of_the_counter() -> None:
    """At the counter's versions, which are watched: nothing can update a Cargo.lock whose package has no name yet."""
    locks = [ROOT / "Cargo.lock", ROOT / "template" / "Cargo.lock"]
    counter, starter = (
        {(it["name"], it["version"]) for it in tomllib.loads(lock.read_text())["package"] if "source" in it}
        for lock in locks
    )
    assert starter - counter == set()


def test_watch_answers_invoke_and_curl(run: Run, folder: Path, environment: dict[str, str], tmp_path: Path) -> None:
    port = str(free_port())
    where = ("--invoke-address", "127.0.0.1", "--invoke-port", port)
    with (tmp_path / "log").open("wb") as log:
        watch = subprocess.Popen(
            ["cargo", "lambda", "watch", "--ignore-changes", *where],
            cwd=folder / NAMES[0],
            env=environment | {"GREETING": "Good day"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
                    assert answer.read() == b"Good day"
                break
            except urllib.error.URLError:
                assert watch.poll() is None and time.monotonic() < deadline, (tmp_path / "log").read_text()
                time.sleep(0.1)
        answer = json.loads(run(NAMES[0], "cargo", "lambda", "invoke", *where, "--data-file", "events/greeting.json"))
        assert (answer["statusCode"], answer["body"]) == (200, "Good day")
    finally:
        watch.terminate()
        watch.wait()


def test_deploys_answers_and_goes(
    run: Run, folder: Path, environment: dict[str, str], stand_in: StandIn, native_architecture: str
) -> None:
    function = folder / NAMES[0]
    settings = function / "samconfig.toml"
    cloud = Cloud(function, TOOLS / "sam", function / ".aws-sam" / "build", environment, stand_in.port, stand_in.certificate)
    before = cloud.inventory()

    def sam(*arguments: str) -> str:
        done = cloud.sam(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    forgotten = cloud.sam("deploy")
    assert forgotten.returncode != 0
    assert "Template file not found" in forgotten.stderr

    settings.write_text(settings.read_text().replace('"arm64"', f'"{native_architecture}"'))
    sam("build")
    sam("deploy")
    (output,) = json.loads(sam("list", "stack-outputs", "--output", "json"))
    url = output["OutputValue"]
    answer = cloud.visit(url)
    assert (answer.status, answer.body) == (200, "Hello")
    assert cloud.visit(url + "elsewhere").status == 404

    settings.write_text(settings.read_text().replace('"Hello"', '"Good day"'))
    sam("deploy")
    assert cloud.visit(url).body == "Good day"

    sam("delete", "--no-prompts")
    assert cloud.inventory() == before
