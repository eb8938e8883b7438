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
    "GigabyteSecondPrice": "0.0000133334",
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
        text = properties["DashboardBody"]["Fn::Sub"][0]
        return json.loads(re.sub(r"\$\{([^}]+)}", lambda match: sample_name(match[1]), text))


def sample_name(reference: str) -> str:
    if reference.endswith(".Arn"):
        alarm = f"page-visits-{reference.removesuffix('.Arn')}-EXAMPLE"
        return f"arn:aws:cloudwatch:eu-central-1:123456789012:alarm:{alarm}"
    return SAMPLE_NAMES[reference]
