"""Uses the function that `cargo lambda new --template` makes from template/, as its README.md says."""

import json
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import ARCHITECTURE, ENVIRONMENT, ROOT, Cloud, free_port

# CloudFormation forbids `_` in a stack's name, and Rust forbids `-` in a crate's. Only the first function is deployed.
NAMES = ["greeting_api", "hello-world"]
EACH = pytest.mark.parametrize("name", NAMES)

Run = Callable[..., str]


# The compiled crates are shared with the counter.
SHARED = ENVIRONMENT | {"CARGO_TARGET_DIR": str(ROOT / "target"), "CARGO_LAMBDA_TELEMETRY": "0"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("my functions")  # with a space


@pytest.fixture(scope="module")
def run(folder: Path) -> Iterator[Run]:
    """Makes the functions, and runs commands in them. Nobody answers a prompt."""

    def run(name: str, *command: str | Path) -> str:
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "text": True}
        done = subprocess.run(command, cwd=folder / name, env=SHARED, check=False, **options)
        assert done.returncode == 0, done.stdout
        return done.stdout

    for name in NAMES:
        run("", "cargo", "lambda", "new", "--template", ROOT, name)
    yield run
    for name in NAMES:
        run(name, "cargo", "clean", "--quiet", "--package", name)


@EACH
def test_is_formatted_tested_and_valid(run: Run, name: str) -> None:
    run(name, "cargo", "fmt", "--check")
    run(name, "cargo", "test", "--quiet", "--locked")
    run(name, "sam", "validate")


def test_passes_the_linters(run: Run) -> None:
    run(NAMES[0], "cargo", "clippy", "--quiet", "--all-targets", "--locked", "--", "-D", "warnings")
    run(NAMES[0], "actionlint", ".github/workflows/ci.yml", ".github/workflows/deploy.yml")


@EACH
@pytest.mark.usefixtures("run")
def test_is_small_and_mentions_nothing_of_the_counter(folder: Path, name: str) -> None:
    """It also has nothing left of cargo-lambda's template language."""
    files = [file for file in (folder / name).rglob("*") if file.is_file() and ".aws-sam" not in file.parts]
    texts = {file.name: file.read_text() for file in files if file.name != "Cargo.lock"}
    foreign = re.compile(r"\b(visit|count|cookie|page)|(?<!\$)\{\{|\{%", re.IGNORECASE)
    assert {name: match[0] for name, text in texts.items() if (match := foreign.search(text))} == {}
    assert sum(text.count("\n") for text in texts.values()) <= 700
    assert texts["template.yaml"].count("\n") <= 160


def test_has_the_counters_versions_of_libraries() -> None:
    """Dependabot updates those. It cannot update a Cargo.lock whose package has no name yet."""
    counter, starter = (
        {(it["name"], it["version"]) for it in tomllib.loads(lock.read_text())["package"] if "source" in it}
        for lock in (ROOT / "Cargo.lock", ROOT / "template" / "Cargo.lock")
    )
    assert starter - counter == set()


def test_watch_answers_invoke_and_curl(run: Run, folder: Path) -> None:
    port = str(free_port())
    where = ("--invoke-address", "127.0.0.1", "--invoke-port", port)
    command = ("cargo", "lambda", "watch", "--ignore-changes", *where)
    watch = subprocess.Popen(command, cwd=folder / NAMES[0], env=SHARED | {"GREETING": "Good day"})
    try:
        curl = ("curl", "--silent", "--fail", "--retry", "120", "--retry-all-errors", "--retry-delay", "1")
        assert run(NAMES[0], *curl, f"http://localhost:{port}") == "Good day"
        answer = json.loads(run(NAMES[0], "cargo", "lambda", "invoke", *where, "--data-file", "events/greeting.json"))
        assert (answer["statusCode"], answer["body"]) == (200, "Good day")
    finally:
        watch.terminate()
        watch.wait()


@pytest.mark.usefixtures("run")
def test_deploys_answers_changes_and_goes(folder: Path, stand_in: tuple[int, Path]) -> None:
    function = folder / NAMES[0]
    settings = function / "samconfig.toml"
    cloud = Cloud(*stand_in, function, function / ".aws-sam" / "build")
    before = cloud.inventory()

    deployed, output = cloud.try_sam("deploy")  # before a build
    assert not deployed
    assert "Template file not found" in output
    settings.write_text(settings.read_text().replace('"arm64"', f'"{ARCHITECTURE}"'))
    cloud.sam("build", CARGO_TARGET_DIR=SHARED["CARGO_TARGET_DIR"])
    cloud.sam("deploy")
    (url,) = [output["OutputValue"] for output in json.loads(cloud.sam("list", "stack-outputs", "--output", "json"))]
    answer = cloud.visit(url)
    assert (answer.status, answer.body) == (200, "Hello")
    assert cloud.visit(url + "elsewhere").status == 404
    # AWS, unlike the stand-in, does not answer without these permissions.
    policy = cloud.client("lambda").get_policy(FunctionName=cloud.resources("greeting-api")["Function"])
    permissions = {statement["Action"] for statement in json.loads(policy["Policy"])["Statement"]}
    assert permissions == {"lambda:InvokeFunctionUrl", "lambda:InvokeFunction"}

    settings.write_text(settings.read_text().replace('"Hello"', '"Good day"'))
    cloud.sam("deploy")
    assert cloud.visit(url).body == "Good day"

    cloud.sam("delete", "--no-prompts")
    assert cloud.inventory() == before
