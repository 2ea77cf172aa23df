"""Bar charts: shares with intervals, and wholes divided into parts.

A share of None is not shown; it is hatched and never drawn as zero. A share of NaN is a share of
zero persons; nothing is drawn for it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from omop_scorer.report.charts.canvas import (
    ACCENT_MIDDLE,
    INK,
    LINE,
    PAPER,
    RULE,
    SMALL,
    SOFT,
    WIDTH,
    Canvas,
    Look,
    Picture,
    text_width,
    wrap,
)

#: From Okabe and Ito: distinct for readers with any common colour blindness.
CLASS_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")

NO_DIFFERENCE = Look("#cfd4db")

SITE = Look(ACCENT_MIDDLE)

#: Mark shapes of the figures compared with, because colour alone is not enough.
TRIALS, HEALTH_SYSTEM = "D", "s"

#: Room for half a mark at 0 and for half of the text "0%", in inches.
_LEFT = 0.12


@dataclass(frozen=True)
class Bar:
    """A share with its interval."""

    share: float | None
    low: float | None = None
    high: float | None = None
    look: Look = SITE
    text: str = ""


@dataclass(frozen=True)
class BarGroup:
    """One or more bars under one label, with marks for the figures they are compared with."""

    label: str
    bars: Sequence[Bar]
    marks: Sequence[tuple[str, float]] = ()


@dataclass(frozen=True)
class Entry:
    """A legend entry: an area (`look`) or a mark (`shape`)."""

    text: str
    look: Look | None = None
    shape: str | None = None
    filled: bool = False
    colour: str = INK


@dataclass(frozen=True)
class Whole:
    """A whole divided into parts. A part of None is not shown; nor are others if `hides` is set."""

    label: str
    parts: Sequence[float | None]
    text: str = ""
    hides: bool = False


def bars(groups: Sequence[BarGroup], legend: Sequence[Entry] = ()) -> Picture:
    """Draw bars from 0 with their 95% intervals, each with its text on the right."""
    texts = [bar.text for group in groups for bar in group.bars]
    right = max((text_width(text, SMALL) for text in texts), default=0) + 0.12
    width = WIDTH - right - _LEFT - 0.06
    known = [
        each
        for group in groups
        for each in (
            *(value for bar in group.bars for value in (bar.share, bar.high)),
            *(value for _, value in group.marks),
        )
        if each is not None and not math.isnan(each)
    ]
    step = percent_step(max(known, default=0.1))
    top = max(1, math.ceil(max(known, default=0.1) / step - 1e-9)) * step
    line, thick, gap = 0.19, 0.19, 0.1
    labels = [wrap(group.label, WIDTH - _LEFT) for group in groups]
    heights = [
        line * len(lines) + thick * len(group.bars) + gap
        for group, lines in zip(groups, labels, strict=True)
    ]
    start = legend_height(legend)
    canvas = Canvas(start + sum(heights) + 0.27)
    draw_legend(canvas, legend)
    bottom = start + sum(heights)

    def x_of(share: float) -> float:
        return _LEFT + share / top * width

    percent_axis(canvas, x_of, top, step, start, bottom)
    y = start
    for group, lines, height in zip(groups, labels, heights, strict=True):
        for i, text in enumerate(lines):
            canvas.box(_LEFT + 0.01, y + i * line, text_width(text), line, Look(PAPER))
            canvas.text(_LEFT, y + (i + 0.5) * line, text)
        first = y + line * len(lines)
        for i, bar in enumerate(group.bars):
            above = first + i * thick
            _draw_bar(canvas, bar, x_of, above + 0.02, thick - 0.04)
            canvas.text(WIDTH, above + thick / 2, bar.text, align="right", size=SMALL)
        middle = first + thick * len(group.bars) / 2
        for shape, share in group.marks:
            canvas.mark(x_of(share), middle, shape, filled=False)
        y += height
    return canvas.picture(shows=any(is_known(bar.share) for group in groups for bar in group.bars))


def is_known(value: float | None) -> bool:
    """Return True if a value is neither hidden (None) nor a share of zero persons (NaN)."""
    return value is not None and not math.isnan(value)


def _draw_bar(
    canvas: Canvas, bar: Bar, x_of: Callable[[float], float], y: float, height: float
) -> None:
    if bar.share is None:
        canvas.hidden(x_of(0), y, 0.5, height)
        return
    if math.isnan(bar.share):
        return
    canvas.box(x_of(0), y, x_of(bar.share) - x_of(0), height, bar.look)
    if bar.low is not None and bar.high is not None:
        canvas.interval(x_of(bar.low), x_of(bar.high), y + height / 2)


def stacked(wholes: Sequence[Whole], legend: Sequence[Entry]) -> Picture:
    """Draw wholes as bars of equal length, divided into parts that look like the legend's areas.

    If a part of a whole is not shown, the rest of its bar is hatched.
    """
    looks = [entry.look for entry in legend if entry.look is not None]
    widest = max((text_width(whole.label, SMALL) for whole in wholes), default=0)
    left = min(widest, 1.45) + 0.1
    right = max((text_width(whole.text, SMALL) for whole in wholes), default=0) + 0.1
    width = WIDTH - left - right
    labels = [wrap(whole.label, 1.45, SMALL) for whole in wholes]
    heights = [max(0.27, LINE * len(lines) + 0.08) for lines in labels]
    start = legend_height(legend)
    canvas = Canvas(start + sum(heights) + 0.02)
    draw_legend(canvas, legend)
    y = start
    for whole, lines, height in zip(wholes, labels, heights, strict=True):
        for i, text in enumerate(lines):
            middle = y + height / 2 + LINE * (i - (len(lines) - 1) / 2)
            canvas.text(left - 0.08, middle, text, align="right", size=SMALL)
        _draw_parts(canvas, whole, looks, (left, y + height / 2 - 0.1, width, 0.2))
        canvas.text(WIDTH, y + height / 2, whole.text, align="right", size=SMALL, colour=SOFT)
        y += height
    return canvas.picture(shows=any(is_known(part) for whole in wholes for part in whole.parts))


def _draw_parts(
    canvas: Canvas, whole: Whole, looks: Sequence[Look], area: tuple[float, float, float, float]
) -> None:
    left, top, width, height = area
    x = left
    for share, look in zip(whole.parts, looks, strict=True):
        if share:
            canvas.box(x, top, share * width, height, look, edge=PAPER)
            text = f"{share:.0%}"
            if share * width > text_width(text, SMALL) + 0.08 and not look.others:
                canvas.text(
                    x + share * width / 2,
                    top + height / 2,
                    text,
                    align="center",
                    size=SMALL,
                    colour=look.ink,
                )
            x += share * width
    hides = whole.hides or any(share is None for share in whole.parts)
    if hides and left + width - x > 0.01:
        canvas.hidden(x, top, left + width - x, height)


def percent_step(highest: float) -> float:
    """Return a round step that divides an axis from 0 to `highest` into 2 to 6 parts."""
    for step in (0.01, 0.02, 0.05, 0.1, 0.2):
        if highest <= 5 * step:
            return step
    return 0.25


def percent_axis(
    canvas: Canvas,
    x_of: Callable[[float], float],
    highest: float,
    step: float,
    top: float,
    bottom: float,
) -> None:
    """Draw vertical rules at round shares, with their values below."""
    for i in range(round(highest / step) + 1):
        x = x_of(i * step)
        canvas.rule([x, x], [top, bottom], colour=SOFT if i == 0 else RULE)
        canvas.text(x, bottom + 0.13, f"{i * step:.0%}", align="center", size=SMALL, colour=SOFT)


def _positions(legend: Sequence[Entry]) -> list[tuple[float, int]]:
    """Return x and line number of each entry."""
    positions, x, line = [], 0.0, 0
    for entry in legend:
        wide = 0.24 + text_width(entry.text, SMALL) + 0.16
        if x and x + wide - 0.16 > WIDTH:
            x, line = 0.0, line + 1
        positions.append((x, line))
        x += wide
    return positions


def legend_height(legend: Sequence[Entry]) -> float:
    """Return the height of a legend above a drawing, in inches."""
    return (_positions(legend)[-1][1] + 1) * 0.21 + 0.07 if legend else 0.04


def draw_legend(canvas: Canvas, legend: Sequence[Entry]) -> None:
    """Draw a legend at the top, in as many lines as it needs."""
    for entry, (x, line) in zip(legend, _positions(legend), strict=True):
        y = 0.11 + 0.21 * line
        if entry.look is not None:
            canvas.box(x, y - 0.06, 0.18, 0.12, entry.look)
        elif entry.shape == "hidden":
            canvas.hidden(x, y - 0.06, 0.18, 0.12)
        elif entry.shape == "-":
            canvas.line([x, x + 0.18], [y, y], colour=entry.colour, width=1.6)
        elif entry.shape is not None:
            canvas.mark(x + 0.09, y, entry.shape, filled=entry.filled, colour=entry.colour)
        canvas.text(x + 0.24, y, entry.text, size=SMALL)


#: Legend entry of every drawing with a hatched value.
NOT_SHOWN = Entry("not shown", shape="hidden")
