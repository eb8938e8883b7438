"""template.yaml as data, and its dashboard with the names that AWS fills in."""

import json
import re
from functools import cached_property
from pathlib import Path
from typing import Any

from samcli.yamlhelper import yaml_parse

SAMPLE_NAMES = {
    "AWS::Region": "eu-central-1",
    "AWS::StackName": "page-visits",
    "VisitCounter": "page-visits-VisitCounter-EXAMPLE",
}


class Template:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.body: dict[str, Any] = yaml_parse(path.read_text())

    @property
    def parameters(self) -> dict[str, dict[str, Any]]:
        return self.body["Parameters"]

    def resources_of(self, resource_type: str) -> dict[str, dict[str, Any]]:
        """The properties of each resource of a type, by logical id."""
        resources = self.body["Resources"].items()
        return {name: resource["Properties"] for name, resource in resources if resource["Type"] == resource_type}

    @cached_property
    def dashboard(self) -> dict[str, Any]:
        """The dashboard's body, with sample names where AWS fills in its own."""
        (properties,) = self.resources_of("AWS::CloudWatch::Dashboard").values()
        text, own = properties["DashboardBody"]["Fn::Sub"]
        names = SAMPLE_NAMES | {
            name: value["Fn::If"][1] if isinstance(value, dict) else value for name, value in own.items()
        }
        return json.loads(re.sub(r"\$\{([^}]+)}", lambda match: names.get(match[1]) or alarm_arn(match[1]), text))


def alarm_arn(reference: str) -> str:
    name = f"page-visits-{reference.removesuffix('.Arn')}-EXAMPLE"
    return f"arn:aws:cloudwatch:eu-central-1:123456789012:alarm:{name}"


if __name__ == "__main__":  # for `make dashboard`
    print(json.dumps(Template(Path(__file__).parents[2] / "template.yaml").dashboard))
