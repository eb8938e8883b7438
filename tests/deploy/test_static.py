"""What can be said of the template and the workflows without deploying anything."""

import json
import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

import dashboard
from conftest import STACK, STAND_IN_PYTHON, TOOLS
from draw_dashboard import PICTURE, draw
from template import Template

CHECKOV = STAND_IN_PYTHON.parents[2] / "checkov" / "bin" / "checkov"


@pytest.fixture
def run(root: Path, tool_environment: dict[str, str]) -> Callable[..., str]:
    """Runs a tool in the project's root and returns what it found."""

    def run(*command: str | Path) -> str:
        finished = subprocess.run(command, cwd=root, env=tool_environment, capture_output=True, text=True, check=False)
        return "" if finished.returncode == 0 else finished.stdout + finished.stderr

    return run


def test_sam_validates_the_template(run: Callable[..., str], template_path: Path) -> None:
    assert run(TOOLS / "sam", "validate", "--lint", "--template", template_path) == ""


def test_cfn_lint_finds_nothing(run: Callable[..., str], template_path: Path) -> None:
    assert run(TOOLS / "cfn-lint", template_path) == ""


def test_checkov_finds_nothing_that_is_not_suppressed_beside_its_reason(run: Callable[..., str], root: Path) -> None:
    assert run(CHECKOV, "--config-file", ".checkov.yaml") == ""
    suppressed = re.findall(r"^  - (CKV\w+)(.*)$", (root / ".checkov.yaml").read_text(), re.MULTILINE)
    assert suppressed
    assert [check for check, reason in suppressed if not re.search(r"# \w.{20,}", reason)] == []


def test_actionlint_finds_nothing_in_the_workflows(run: Callable[..., str], root: Path) -> None:
    assert run(TOOLS / "actionlint", *sorted((root / ".github" / "workflows").glob("*.yml"))) == ""


def test_every_parameter_says_what_it_is_and_what_it_admits(template: Template) -> None:
    constraints = {"AllowedValues", "AllowedPattern", "MinValue", "MaxValue", "MinLength", "MaxLength"}
    for name, parameter in template.parameters.items():
        assert len(parameter["Description"]) > 20, name
        assert "Default" in parameter, f"{name}: sam deploy would ask for it"
        if constraints & set(parameter):
            assert parameter["ConstraintDescription"].startswith("must be "), name


def test_lists_of_admitted_values_are_all_in_their_constraints_message(template: Template) -> None:
    for name, parameter in template.parameters.items():
        for value in parameter.get("AllowedValues", []):
            assert re.search(rf"\b{value}\b", parameter["ConstraintDescription"]), (name, value)


def test_concurrency_explains_the_trap_for_new_accounts(template: Template) -> None:
    assert "below its minimum value of [10]" in template.parameters["MaxConcurrency"]["Description"]


def test_function_url_is_literally_public(template: Template) -> None:
    """With any intrinsic function in AuthType, SAM adds neither permission, and lint says nothing."""
    (function,) = template.resources_of("AWS::Serverless::Function").values()
    assert function["FunctionUrlConfig"] == {"AuthType": "NONE"}


def test_samconfig_names_what_the_template_has(root: Path, template: Template) -> None:
    configuration = tomllib.loads((root / "samconfig.toml").read_text())["default"]
    assert configuration["global"]["parameters"]["stack_name"] == STACK
    # All of them: one that is left out would keep its value when a change is rolled back.
    overrides = [entry.partition("=")[0] for entry in configuration["global"]["parameters"]["parameter_overrides"]]
    assert overrides == list(template.parameters)
    assert configuration["deploy"]["parameters"]["confirm_changeset"] is False
    assert configuration["deploy"]["parameters"]["capabilities"] == "CAPABILITY_IAM"


def test_dashboard_is_one_that_cloudwatch_accepts(template: Template) -> None:
    assert dashboard.faults(template.dashboard) == []


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda body: body["widgets"][0].update(type="graph"), "'graph' is not one of"),
        (lambda body: body["widgets"][0]["properties"].pop("region"), "'region' is a required property"),
        (lambda body: body["widgets"][0]["properties"].update(stat="median"), "does not match"),
        (lambda body: body["widgets"][0].update(width=25), "greater than the maximum"),
        (lambda body: body["widgets"][1].update(x=11), "overlaps"),
        (lambda body: body["widgets"][2].update(x=19), "beyond column 24"),
        (lambda body: body["widgets"][1]["properties"]["metrics"][1][-1].update(id="visit"), "uses visits"),
    ],
)
def test_dashboard_check_finds_what_cloudwatch_would_refuse(
    template: Template, spoil: Callable[[dict], object], fault: str
) -> None:
    body = json.loads(json.dumps(template.dashboard))
    spoil(body)
    assert fault in "\n".join(dashboard.faults(body))


def test_dashboard_picture_is_drawn_from_this_template(root: Path, template: Template) -> None:
    assert (root / PICTURE).read_text() == draw(template.dashboard), "stale: draw it again with `make dashboard`"
