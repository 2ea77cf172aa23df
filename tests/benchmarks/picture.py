"""The measurements as a picture: an SVG of three panels."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from tests.benchmarks.table import Measured, Row

#: The steps of a run in groups; a step that is in none asks the CDM.
_GROUPS = {
    "score": "score",
    "write": "write",
    **dict.fromkeys(("connect", "results schema", "publish", "retention"), "open and publish"),
}
_ASKING = "SQL"
_OUTSIDE = "start of Python, end"
_COLOURS = {
    _ASKING: "#4477aa",
    "score": "#228833",
    "write": "#ccbb44",
    "open and publish": "#aa3377",
    _OUTSIDE: "#bbbbbb",
}


def draw(measured: Measured, table: Sequence[Row], facts: Mapping[str, str], path: Path) -> None:
    """Write the kernel and its alternatives over patients, whole runs by step, and ratios."""
    runs = [case for case in measured if case.part == "run" and measured[case]]
    settings: dict[Any, Any] = {
        "svg.hashsalt": "omop-scorer",
        "svg.fonttype": "none",
        "font.size": 8,
    }
    upper = max(3.5, 1 + 0.16 * sum(row.ratio is not None for row in table))
    lower = 1 + 0.3 * len(runs)
    with mpl.rc_context(settings):
        figure = Figure(figsize=(11, upper + lower), layout="constrained")
        above, below = figure.subfigures(2, 1, height_ratios=(upper, lower))
        left, right = above.subplots(1, 2)
        _over_patients(left, table)
        _ratios(right, table)
        _runs(below.subplots(), measured, table)
        for axes in figure.axes:
            axes.set_visible(axes.has_data())
        words = [f"{name}: {value}" for name, value in facts.items()]
        figure.supxlabel("\n".join(words), fontsize=6, ha="left", x=0.01)
        figure.savefig(path, format="svg", metadata={"Date": None})


def _over_patients(axes: Any, table: Sequence[Row]) -> None:
    lines: dict[str, list[Row]] = {}
    for row in table:
        if row.case.patients and row.case.engine == "" and row.seconds:
            lines.setdefault(row.case.what, []).append(row)
    for what, rows in lines.items():
        points = sorted((row.case.patients or 0, row.seconds) for row in rows)
        axes.plot(*zip(*points, strict=True), marker="o", markersize=3, label=what)
    axes.set(xscale="log", yscale="log", xlabel="patients", ylabel="seconds")
    axes.set_title("Scoring alone, one core")
    axes.grid(alpha=0.3)
    if lines:
        axes.legend(fontsize=7)


def _ratios(axes: Any, table: Sequence[Row]) -> None:
    rows = [row for row in table if row.ratio is not None]
    names = [f"{_name(row)} / {row.case.baseline}" for row in rows]
    ratios = [row.ratio or 0.0 for row in rows]
    bars = axes.barh(range(len(rows)), ratios, color="#4477aa")
    labels = [f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.3g}" for ratio in ratios]
    axes.bar_label(bars, labels, padding=2, fontsize=6)
    axes.margins(x=0.15)
    axes.set_yticks(range(len(rows)), names, fontsize=6)
    axes.set(xscale="log", xlabel="times as long")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.invert_yaxis()
    axes.set_title("Against each other, on the same data")


def _runs(axes: Any, measured: Measured, table: Sequence[Row]) -> None:
    floors = {
        (r.case.engine, r.case.persons, r.case.patients): r.seconds
        for r in table
        if r.case.what == "scan of the columns"
    }
    runs = [case for case in measured if case.part == "run" and measured[case]]
    for place, case in enumerate(runs):
        seconds = dict.fromkeys(_COLOURS, 0.0)
        for step in measured[case][0].steps:
            group = _GROUPS.get(step, _ASKING)
            seconds[group] += median(sample.steps[step] for sample in measured[case])
        whole = median(sample.seconds for sample in measured[case])
        seconds[_OUTSIDE] = max(0.0, whole - sum(seconds.values()))
        left = 0.0
        for group, colour in _COLOURS.items():
            label = None if place else group
            axes.barh(place, seconds[group], left=left, color=colour, label=label)
            left += seconds[group]
        axes.text(left, place, f" {whole:.3g} s", va="center", fontsize=7)
        floor = floors.get((case.engine, case.persons, case.patients))
        if floor is not None:
            axes.plot([floor] * 2, [place - 0.4, place + 0.4], color="black", linewidth=1.5)
    names = [f"{c.engine}: {c.patients:,} of {c.persons:,} persons, {c.rows:,} rows" for c in runs]
    axes.set_yticks(range(len(runs)), names, fontsize=7)
    axes.invert_yaxis()
    axes.set(xlabel="seconds; black line: the engine scanning the columns that are needed")
    axes.set_title("Whole runs, by step")
    if runs:
        axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))


def _name(row: Row) -> str:
    case = row.case
    where = f", {case.engine}" if case.engine else ""
    return f"{case.what}{where}, {case.patients:,}"
