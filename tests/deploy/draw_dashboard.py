"""Draw the template's dashboard with sample data, for the README: its layout, titles, lines and text.

Each metric's sample is made up from its name, the same at every run, so that the picture
changes only when the dashboard does; metric math is worked out from the samples.
"""

import math
import random
import re
from html import escape
from pathlib import Path
from typing import Any

from template import Template

ROOT = Path(__file__).parents[2]
PICTURE = Path("docs/dashboard.svg")

UNIT = 50  # pixels of a grid column and row
GAP = 8
DAYS = 14
COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728")  # CloudWatch's own first four
INK, FAINT, LINE, PAPER = "#16191f", "#687078", "#e9ebed", "#f2f3f3"
FONT = "Amazon Ember, Helvetica Neue, Roboto, Arial, sans-serif"

# A typical day of each metric: its mean, its swing through the week, its noise (both as shares).
TYPICAL = {
    "Visits": (900, 0.35, 0.10),
    "FirstVisits": (310, 0.35, 0.14),
    "VisitCount p50": (3, 0.0, 0.12),
    "VisitCount p90": (14, 0.0, 0.10),
    "Resets": (11, 0.3, 0.4),
    "Prefetches": (42, 0.3, 0.3),
    "ColdStarts": (18, 0.3, 0.3),
    "Duration p50": (1.2, 0.0, 0.06),
    "Duration p99": (4.1, 0.0, 0.25),
    "Duration Sum": (1400, 0.3, 0.1),
    "Invocations": (1150, 0.35, 0.1),
    "Errors": (0, 0, 0),
    "Throttles": (0, 0, 0),
    "UrlRequestCount": (1150, 0.35, 0.1),
    "Url4xxCount": (190, 0.3, 0.2),
    "Url5xxCount": (42, 0.3, 0.3),
}

FUNCTIONS = {"FILL": lambda values, _: values}


class Series(list):
    """A sample of a metric, with the arithmetic of metric math, point by point."""

    def _each(self, other: "Series | float", operation: Any) -> "Series":
        others = other if isinstance(other, list) else [other] * len(self)
        return Series(operation(a, b) for a, b in zip(self, others, strict=True))

    def __add__(self, other):
        return self._each(other, lambda a, b: a + b)

    def __sub__(self, other):
        return self._each(other, lambda a, b: a - b)

    def __mul__(self, other):
        return self._each(other, lambda a, b: a * b)

    def __truediv__(self, other):
        return self._each(other, lambda a, b: a / b)

    __radd__, __rmul__ = __add__, __mul__


def sample(name: str, statistic: str) -> Series:
    mean, swing, noise = TYPICAL.get(f"{name} {statistic}") or TYPICAL[name]
    chance = random.Random(f"{name} {statistic}")
    week = [1 + swing * math.cos(2 * math.pi * (day + 2) / 7) for day in range(DAYS)]
    return Series(mean * level * (1 + noise * chance.uniform(-1, 1)) for level in week)


def lines_of(properties: dict[str, Any]) -> list[tuple[str, Series]]:
    """The visible lines of a metric widget: label and values."""
    samples: dict[str, Series] = {}
    entries, previous = [], []
    for entry in properties["metrics"]:
        rendering = entry[-1] if isinstance(entry[-1], dict) else {}
        parts = [part for part in entry if isinstance(part, str)]
        if parts:
            previous = previous if parts == ["..."] else [previous[i] if p == "." else p for i, p in enumerate(parts)]
            values = sample(previous[1], rendering.get("stat", properties.get("stat", "Average")))
            samples[rendering.get("id", rendering.get("label", previous[1]))] = values
            entries.append((rendering, values))
        else:
            entries.append((rendering, None))
    shown = [(rendering, values) for rendering, values in entries if rendering.get("visible", True)]
    return [
        (rendering["label"], evaluate(rendering["expression"], samples) if values is None else values)
        for rendering, values in shown
    ]


def evaluate(expression: str, samples: dict[str, Series]) -> Series:
    """Metric math is Python's arithmetic, with functions in capitals; the template is our own text."""
    return eval(expression, {"__builtins__": {}}, FUNCTIONS | samples)


def draw(body: dict[str, Any]) -> str:
    height = max(widget["y"] + widget["height"] for widget in body["widgets"]) * UNIT
    width = 24 * UNIT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="{FONT}" font-size="12">',
        "<title>The CloudWatch dashboard, drawn with sample data</title>",
        f'<rect width="{width}" height="{height}" fill="{PAPER}"/>',
        *(widget_of(widget) for widget in body["widgets"]),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def widget_of(widget: dict[str, Any]) -> str:
    x, y = widget["x"] * UNIT + GAP / 2, widget["y"] * UNIT + GAP / 2
    width, height = widget["width"] * UNIT - GAP, widget["height"] * UNIT - GAP
    properties = widget["properties"]
    content = {"metric": chart, "alarm": alarms, "text": markdown}[widget["type"]](properties, width, height)
    parts = [
        f'<g transform="translate({x:g} {y:g})">',
        f'<rect width="{width}" height="{height}" rx="2" fill="#fff" stroke="#d5dbdb"/>',
        *([bold(24, 14, properties["title"])] if "title" in properties else []),
        content,
        "</g>",
    ]
    return "\n".join(parts)


def bold(y: float, size: int, text: str) -> str:
    return f'<text x="14" y="{y}" font-size="{size}" font-weight="700" fill="{INK}">{escape(text)}</text>'


def chart(properties: dict[str, Any], width: float, height: float) -> str:
    lines = lines_of(properties)
    stacked = properties.get("stacked", False)
    if stacked:
        totals, stack = Series([0.0] * DAYS), []
        for label, values in lines:
            totals = totals + values
            stack.append((label, totals))
    else:
        stack = lines
    left, right, top, bottom = 58, width - 16, 46, height - 58
    axis = properties.get("yAxis", {}).get("left", {})
    highest = axis.get("max") or ceiling(max(max(values) for _, values in stack))
    parts = []
    for tick in range(3):
        value, at = highest * tick / 2, bottom - (bottom - top) * tick / 2
        parts.append(f'<path d="M{left} {at:g}H{right:g}" stroke="{LINE}"/>')
        parts.append(f'<text x="{left - 6}" y="{at + 4:g}" text-anchor="end" fill="{FAINT}">{number(value)}</text>')
    for day in range(0, DAYS, 4 if width > 400 else 6):
        at = left + (right - left) * day / (DAYS - 1)
        parts.append(f'<text x="{at:g}" y="{bottom + 18:g}" text-anchor="middle" fill="{FAINT}">{day + 1:02}/06</text>')
    for index, (_, values) in reversed(list(enumerate(stack))):
        points = [
            (left + (right - left) * day / (DAYS - 1), bottom - (bottom - top) * min(value / highest, 1))
            for day, value in enumerate(values)
        ]
        path = "L".join(f"{px:.1f} {py:.1f}" for px, py in points)
        colour = COLOURS[index % len(COLOURS)]
        if stacked:
            parts.append(f'<path d="M{left} {bottom}L{path}L{right:g} {bottom}Z" fill="{colour}" fill-opacity="1"/>')
        parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-linejoin="round"/>')
    at = 14
    for index, (label, _) in enumerate(lines):
        colour = COLOURS[index % len(COLOURS)]
        parts.append(f'<rect x="{at}" y="{height - 25:g}" width="10" height="10" fill="{colour}"/>')
        parts.append(f'<text x="{at + 15}" y="{height - 16:g}" fill="{INK}">{escape(label)}</text>')
        at += 32 + round(6.4 * len(label))
    return "\n".join(parts)


def alarms(properties: dict[str, Any], width: float, _: float) -> str:
    rows = []
    for index, arn in enumerate(properties["alarms"]):
        name, y = arn.rpartition(":")[2], 46 + index * 44
        rows.append(f'<rect x="14" y="{y}" width="{width - 28:g}" height="36" rx="2" fill="#fff" stroke="{LINE}"/>')
        rows.append(f'<circle cx="32" cy="{y + 18}" r="7" fill="#1d8102"/>')
        rows.append(f'<path d="M28.5 {y + 18}l2.5 2.5l4.5 -5" fill="none" stroke="#fff" stroke-width="1.8"/>')
        rows.append(f'<text x="48" y="{y + 22}" fill="{INK}">{escape(name)}</text>')
        rows.append(f'<text x="{width - 26:g}" y="{y + 22}" text-anchor="end" fill="#1d8102">OK</text>')
    return "\n".join(rows)


def markdown(properties: dict[str, Any], width: float, _: float) -> str:
    """The headings, list items and bold words that the dashboard's text uses."""
    rows, y = [], 30
    for line in properties["markdown"].splitlines():
        if line.startswith("#"):
            rows.append(bold(y, 16, line.lstrip("# ")))
            y += 32
            continue
        bullet = line.startswith("- ")
        for index, row in enumerate(wrapped(line.removeprefix("- "), round((width - 60) / 6.6))):
            if bullet and index == 0:
                rows.append(f'<circle cx="20" cy="{y - 4}" r="2.5" fill="{INK}"/>')
            text = re.sub(r"\*\*(.+?)\*\*", r'<tspan font-weight="700">\1</tspan>', escape(row))
            rows.append(f'<text x="32" y="{y}" fill="{INK}">{text}</text>')
            y += 19
        y += 8
    return "\n".join(rows)


def wrapped(text: str, columns: int) -> list[str]:
    rows = [""]
    for word in text.split():
        if rows[-1] and len(rows[-1]) + len(word) >= columns:
            rows.append("")
        rows[-1] = f"{rows[-1]} {word}".strip()
    return rows


def ceiling(value: float) -> float:
    """The next round number above: 1, 2 or 5 times a power of ten; 1 over nothing."""
    if value <= 0:
        return 1
    power = 10 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


if __name__ == "__main__":
    picture = ROOT / PICTURE
    picture.parent.mkdir(exist_ok=True)
    picture.write_text(draw(Template(ROOT / "template.yaml").dashboard))
    print(f"wrote {PICTURE}")
