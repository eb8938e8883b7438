"""Draw the dashboard whose JSON comes in, with made-up data, for docs/dashboard.md (`make dashboard`).

A metric's sample depends on its name alone; metric math is worked out from the samples.
"""

import json
import sys
import textwrap
from zlib import crc32

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

DAYS = np.arange(14)
# The mean of each metric on a day; what is not here is 0.
TYPICAL = {
    "Visits": 900, "FirstVisits": 310, "EmbeddedVisits": 140, "VisitCount p50": 3, "VisitCount p90": 14,
    "Resets": 11, "Prefetches": 42, "ColdStarts": 18, "Duration p50": 1.2, "Duration p99": 4.1,
    "Duration Sum": 1400, "Invocations": 1150, "UrlRequestCount": 1150, "Url4xxCount": 190, "Url5xxCount": 42,
}  # fmt: skip


def sample(name: str, statistic: str) -> np.ndarray:
    noise = np.random.default_rng(crc32(f"{name} {statistic}".encode())).uniform(0.9, 1.1, DAYS.size)
    week = 1 if statistic.startswith("p") else 1 + 0.35 * np.cos(2 * np.pi * (DAYS + 2) / 7)
    return TYPICAL.get(f"{name} {statistic}", TYPICAL.get(name, 0)) * week * noise


def visible_lines(properties: dict) -> dict[str, np.ndarray]:
    """Values by label."""
    samples, shown, previous = {"FILL": lambda values, _: values}, [], []
    for entry in properties["metrics"]:
        rendering = entry[-1]
        if parts := entry[:-1]:
            previous = previous if parts == ["..."] else [previous[i] if p == "." else p for i, p in enumerate(parts)]
            rendering["values"] = sample(previous[1], rendering.get("stat", properties.get("stat")))
            samples[rendering.get("id")] = rendering["values"]
        if rendering.get("visible", True):
            shown.append(rendering)
    # Metric math is Python's arithmetic, with functions in capitals.
    return {line["label"]: eval(line.get("expression", "values"), line | samples) for line in shown}


def draw_metric(axes: Axes, properties: dict) -> None:
    lines = visible_lines(properties)
    if properties.get("stacked"):
        axes.stackplot(DAYS, *lines.values(), labels=lines)
    else:
        for label, values in lines.items():
            axes.plot(DAYS, values, label=label, clip_on=False)
    fitting = axes.get_ylim()[1] if np.any(list(lines.values())) else 1
    axes.set(xlim=(0, DAYS[-1]), ylim=(0, properties["yAxis"]["left"].get("max", fitting)))
    axes.set_xticks(DAYS[::4], [f"{day + 1:02}/06" for day in DAYS[::4]])
    axes.yaxis.set_major_locator(mpl.ticker.MaxNLocator(3))
    axes.grid(axis="y", color="#e9ebed")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, pad=6, labelcolor="#687078")
    axes.legend(ncols=4, loc="upper left", bbox_to_anchor=(0, -0.12), frameon=False, borderpad=0, handlelength=0.8)


def draw_alarm(axes: Axes, properties: dict) -> None:
    names = (arn.rpartition(":")[2] for arn in properties["alarms"])
    axes.text(0, 0.9, "\n".join(f"✔ OK   {name}" for name in names), color="#1d8102", va="top", linespacing=3)


def draw_text(axes: Axes, properties: dict) -> None:
    heading, *rest = properties["markdown"].replace("**", "").replace("$", r"\$").splitlines()
    axes.set_title(heading.lstrip("# "))
    paragraphs = (textwrap.fill(row.replace("- ", "• ", 1), 98, subsequent_indent="   ") for row in rest)
    axes.text(0, 1, "\n".join(paragraphs), va="top", linespacing=1.35)


def main(path: str) -> None:
    widgets = json.load(sys.stdin)["widgets"]
    height = max(widget["y"] + widget["height"] for widget in widgets)
    mpl.rcParams |= {"axes.titlelocation": "left", "axes.titlesize": 9, "axes.titleweight": "bold", "font.size": 8}
    mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "dashboard"}
    figure = pyplot.figure(figsize=(12, height / 2), facecolor="#f2f3f3")
    for widget in widgets:
        x, y = widget["x"], height - widget["y"] - widget["height"]
        wide, high = widget["width"], widget["height"]
        corner, size = ((x + 0.1) / 24, (y + 0.1) / height), ((wide - 0.2) / 24, (high - 0.2) / height)
        figure.add_artist(Rectangle(corner, *size, facecolor="white", edgecolor="#d5dbdb", zorder=-1))
        box = (x + 1.2) / 24, (y + 1.3) / height, (wide - 1.7) / 24, (high - 2.2) / height
        axes = figure.add_axes(box, title=widget["properties"].get("title"), frame_on=False)
        axes.set(xticks=[], yticks=[])
        {"metric": draw_metric, "alarm": draw_alarm, "text": draw_text}[widget["type"]](axes, widget["properties"])
    figure.savefig(path, metadata={"Date": None, "Title": "The CloudWatch dashboard, drawn with made-up data"})


if __name__ == "__main__":
    main(sys.argv[1])
