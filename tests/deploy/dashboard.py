"""What CloudWatch would refuse in a dashboard's body, or draw as an empty graph."""

import re
from itertools import combinations
from typing import Any

# The properties that this dashboard uses, of "Dashboard body structure and syntax" in CloudWatch's API
# reference; the first of each set is required.
PROPERTIES = {
    "metric": ("region", "title", "metrics", "view", "stacked", "stat", "period", "yAxis"),
    "alarm": ("alarms", "title"),
    "text": ("markdown",),
}
STATISTIC = re.compile(r"SampleCount|Average|Sum|Minimum|Maximum|p\d{1,2}")
COLUMNS = 24


def faults(body: dict[str, Any]) -> list[str]:
    return [f"{title(widget)}: {fault}" for widget in body["widgets"] for fault in faults_of(widget)] + [
        f"{title(a)}: overlaps {title(b)}" for a, b in combinations(body["widgets"], 2) if overlap(a, b)
    ]


def faults_of(widget: dict[str, Any]) -> list[str]:
    known, properties = PROPERTIES[widget["type"]], widget["properties"]
    renderings = [entry[-1] for entry in properties.get("metrics", []) if isinstance(entry[-1], dict)]
    statistics = [stat for part in (properties, *renderings) if (stat := part.get("stat"))]
    ids = [rendering["id"] for rendering in renderings if "id" in rendering]
    used = set().union(*(identifiers(rendering.get("expression", "")) for rendering in renderings))
    return [
        *(f"lacks {known[0]}" for _ in {known[0]} - set(properties)),
        *(f"{name} is unknown" for name in sorted(set(properties) - set(known))),
        *(f"{stat} is not a statistic" for stat in statistics if not STATISTIC.fullmatch(stat)),
        *(f"the id {name} is given twice" for name in sorted(set(ids)) if ids.count(name) > 1),
        *(f"metric math uses {name}, which no metric has as its id" for name in sorted(used - set(ids))),
        *(["ends beyond the last column"] if widget["x"] + widget["width"] > COLUMNS else []),
    ]


def overlap(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return all(
        a[start] < b[start] + b[size] and b[start] < a[start] + a[size]
        for start, size in (("x", "width"), ("y", "height"))
    )


def identifiers(expression: str) -> set[str]:
    """The ids in an expression; functions are in capitals, and ids start in lower case."""
    return set(re.findall(r"\b[a-z]\w*", expression))


def title(widget: dict[str, Any]) -> str:
    properties = widget["properties"]
    return properties.get("title") or properties["markdown"].splitlines()[0].lstrip("# ")
