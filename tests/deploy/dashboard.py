"""What a CloudWatch dashboard's body must be: its published structure, and what a schema cannot say."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import jsonschema

SCHEMA = json.loads(Path(__file__).with_name("dashboard_schema.json").read_text())
COLUMNS = 24


def faults(body: dict[str, Any]) -> list[str]:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    structure = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(body)]
    return structure or [*misplaced(body["widgets"]), *undefined(body["widgets"])]


def misplaced(widgets: list[dict[str, Any]]) -> list[str]:
    wide = [f"{title(w)} ends beyond column {COLUMNS}" for w in widgets if w["x"] + w["width"] > COLUMNS]
    return wide + [f"{title(a)} overlaps {title(b)}" for a, b in combinations(widgets, 2) if overlap(a, b)]


def overlap(a: dict[str, Any], b: dict[str, Any]) -> bool:
    apart_across = a["x"] + a["width"] <= b["x"] or b["x"] + b["width"] <= a["x"]
    apart_down = a["y"] + a["height"] <= b["y"] or b["y"] + b["height"] <= a["y"]
    return not (apart_across or apart_down)


def undefined(widgets: list[dict[str, Any]]) -> list[str]:
    """Ids that metric math uses and no metric of its widget has, and ids given twice."""
    found = []
    for widget in widgets:
        renderings = [entry[-1] for entry in widget["properties"].get("metrics", []) if isinstance(entry[-1], dict)]
        ids = [rendering["id"] for rendering in renderings if "id" in rendering]
        found += [f"{title(widget)}: the id {name} is given twice" for name in set(ids) if ids.count(name) > 1]
        for rendering in renderings:
            unknown = identifiers(rendering.get("expression", "")) - set(ids)
            found += [f"{title(widget)}: {rendering['expression']} uses {name}, which is no id" for name in unknown]
    return found


def identifiers(expression: str) -> set[str]:
    """The ids in an expression; functions are in capitals, and ids start in lower case."""
    return set(re.findall(r"\b[a-z]\w*", expression))


def title(widget: dict[str, Any]) -> str:
    properties = widget["properties"]
    return properties.get("title") or properties["markdown"].splitlines()[0].lstrip("# ")
