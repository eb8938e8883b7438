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
from template import Template

CHECKOV = STAND_IN_PYTHON.parents[2] / "checkov" / "bin" / "checkov"
CHECKOV_SETTINGS = Path(__file__).with_name("checkov.yaml")


@pytest.fixture
def run(root: Path, tool_environment: dict[str, str]) -> Callable[..., str]:
    """Runs a tool in the project's root and returns what it found."""

    def run(*command: str | Path) -> str:
        finished = subprocess.run(command, cwd=root, env=tool_environment, capture_output=True, text=True, check=False)
        return "" if finished.returncode == 0 else finished.stdout + finished.stderr

    return run


def test_sam_validates_the_template(run: Callable[..., str]) -> None:
    assert run(TOOLS / "sam", "validate", "--lint") == ""


def test_cfn_lint_finds_nothing(run: Callable[..., str]) -> None:
    assert run(TOOLS / "cfn-lint", "template.yaml") == ""


def test_checkov_finds_nothing_that_is_not_suppressed_beside_its_reason(run: Callable[..., str]) -> None:
    assert run(CHECKOV, "--config-file", CHECKOV_SETTINGS) == ""
    suppressed = re.findall(r"^  - (CKV\w+)(.*)$", CHECKOV_SETTINGS.read_text(), re.MULTILINE)
    assert suppressed
    assert [check for check, reason in suppressed if not re.search(r"# \w.{20,}", reason)] == []


def test_actionlint_finds_nothing_in_the_workflows(run: Callable[..., str], root: Path) -> None:
    assert run(TOOLS / "actionlint", *sorted((root / ".github" / "workflows").glob("*.yml"))) == ""


def test_every_parameter_says_what_it_is_and_what_it_must_be(template: Template) -> None:
    for name, parameter in template.parameters.items():
        assert len(parameter["Description"]) > 20, name
        assert "Default" in parameter, f"{name}: sam deploy would ask for it"
        assert parameter["ConstraintDescription"].startswith("must be "), name


def test_every_value_of_a_list_is_in_its_constraints_message(template: Template) -> None:
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
    defaults = {name: parameter["Default"] for name, parameter in template.parameters.items()}
    assert configuration["global"]["parameters"]["parameter_overrides"] == defaults
    assert configuration["deploy"]["parameters"]["confirm_changeset"] is False
    assert configuration["deploy"]["parameters"]["capabilities"] == "CAPABILITY_IAM"


def test_dashboard_is_one_that_cloudwatch_accepts(template: Template) -> None:
    assert dashboard.faults(template.dashboard) == []


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda widgets: widgets[0]["properties"].pop("region"), "lacks region"),
        (lambda widgets: widgets[0]["properties"].update(colour="red"), "colour is unknown"),
        (lambda widgets: widgets[0]["properties"].update(stat="median"), "median is not a statistic"),
        (lambda widgets: widgets[2].update(x=19), "ends beyond the last column"),
        (lambda widgets: widgets[1].update(x=11), "overlaps"),
        (lambda widgets: widgets[1]["properties"]["metrics"][1][-1].update(id="visit"), "uses visits"),
    ],
)
def test_dashboard_check_finds_what_cloudwatch_would_refuse(
    template: Template, spoil: Callable[[dict], object], fault: str
) -> None:
    body = json.loads(json.dumps(template.dashboard))
    spoil(body["widgets"])
    assert fault in "\n".join(dashboard.faults(body))
