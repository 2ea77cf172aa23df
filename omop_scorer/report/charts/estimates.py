"""Charts of estimates: values with their intervals, and one dot for each repetition.

A value of None is not shown; it is hatched and never drawn as zero.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from omop_scorer.report.charts.bars import Entry, draw_legend, legend_height
from omop_scorer.report.charts.canvas import (
    INK,
    LINE,
    RULE,
    SMALL,
    SOFT,
    WIDTH,
    Canvas,
    Picture,
    text_width,
    wrap,
)
from omop_scorer.report.charts.distributions import round_step

_LABEL_WIDTH = 1.6


@dataclass(frozen=True)
class Estimate:
    """A value with its interval, and another value that it is compared with."""

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None
    compared: float | None = None
    text: str = ""

    @property
    def known(self) -> list[float]:
        """The numbers that are drawn."""
        values = (self.value, self.low, self.high, self.compared)
        return [each for each in values if each is not None and not math.isnan(each)]


@dataclass(frozen=True)
class Repetitions:
    """The values of one share in several repetitions."""

    label: str
    shares: Sequence[float]
    text: str = ""


@dataclass(frozen=True)
class _Rows:
    """Rows with a label on the left, a text on the right, and an axis between them."""

    canvas: Canvas
    left: float
    width: float
    top: float
    heights: Sequence[float]
    labels: Sequence[Sequence[str]]
    texts: Sequence[str]

    @property
    def bottom(self) -> float:
        """The lower end of the last row."""
        return self.top + sum(self.heights)

    def draw(self, draw_row: Callable[[int, float], None]) -> None:
        """Draw the labels, the texts, and what the caller draws in the middle of each row."""
        y = self.top
        for i, (lines, height) in enumerate(zip(self.labels, self.heights, strict=True)):
            middle = y + height / 2
            for k, text in enumerate(lines):
                line = middle + LINE * (k - (len(lines) - 1) / 2)
                self.canvas.text(self.left - 0.16, line, text, align="right", size=SMALL)
            self.canvas.rule([self.left, self.left + self.width], [middle, middle])
            draw_row(i, middle)
            text = self.texts[i]
            self.canvas.text(WIDTH, middle, text, align="right", size=SMALL, colour=SOFT)
            y += height


def _rows(
    labels: Iterable[str], texts: Sequence[str], legend: Sequence[Entry], least: float
) -> _Rows:
    wrapped = [wrap(label, _LABEL_WIDTH, SMALL) for label in labels]
    left = max((text_width(t, SMALL) for lines in wrapped for t in lines), default=0) + 0.2
    right = max((text_width(text, SMALL) for text in texts), default=0) + 0.14
    heights = [max(least, LINE * len(lines) + 0.09) for lines in wrapped]
    start = legend_height(legend)
    canvas = Canvas(start + sum(heights) + 0.28)
    draw_legend(canvas, legend)
    return _Rows(canvas, left, WIDTH - left - right, start, heights, wrapped, texts)


def estimates(
    rows: Sequence[Estimate],
    legend: Sequence[Entry] = (),
    *,
    colour: str = INK,
    span: tuple[float, float] | None = None,
) -> Picture:
    """Draw a dot with its interval on each row, and a hollow diamond for the compared value.

    `span` is what the axis covers at least, so that several pictures have the same axis. The axis
    covers 0.
    """
    drawn = _rows([row.label for row in rows], [row.text for row in rows], legend, 0.25)
    known = [each for row in rows for each in row.known] + list(span or ())
    x_of = _axis(drawn, min([*known, 0.0]), max([*known, 0.0]))

    def draw_row(i: int, y: float) -> None:
        row = rows[i]
        if row.value is None:
            drawn.canvas.hidden(x_of(0) + 0.04, y - 0.06, 0.16, 0.12)
            return
        if row.low is not None and row.high is not None:
            drawn.canvas.line([x_of(row.low), x_of(row.high)], [y, y], colour=colour, width=1.6)
        if row.compared is not None:
            drawn.canvas.mark(x_of(row.compared), y, "D", filled=False)
        if not math.isnan(row.value):
            drawn.canvas.mark(x_of(row.value), y, "o", colour=colour)

    drawn.draw(draw_row)
    return drawn.canvas.picture(shows=any(row.value is not None for row in rows))


def _axis(drawn: _Rows, lowest: float, highest: float) -> Callable[[float], float]:
    """Draw an axis with round values; return the position of a value on it."""
    step = round_step((highest - lowest or 1.0) / 4)
    first, last = math.floor(lowest / step + 1e-9), math.ceil(highest / step - 1e-9)
    last = max(last, first + 1)

    def x_of(value: float) -> float:
        return drawn.left + (value / step - first) / (last - first) * drawn.width

    for i in range(first, last + 1):
        colour = RULE if i else SOFT
        drawn.canvas.rule([x_of(i * step)] * 2, [drawn.top, drawn.bottom], colour=colour)
        name = f"{i * step:,.6g}".replace("-", "−")
        place = (x_of(i * step), drawn.bottom + 0.13)
        drawn.canvas.text(*place, name, align="center", size=SMALL, colour=SOFT)
    return x_of


def strips(rows: Sequence[Repetitions], *, colours: Sequence[str]) -> Picture:
    """Draw one dot a repetition on each row, and a stroke at the median.

    Dots that would cover each other stand one above the other. `colours` has one for each row.
    """
    tallest = max((_most_alike(row.shares) for row in rows), default=1)
    drawn = _rows(
        [row.label for row in rows], [row.text for row in rows], (), 0.2 + 0.055 * (tallest - 1)
    )
    highest = max([share for row in rows for share in row.shares] + [0.01])
    step = _share_step(highest)
    n_steps = max(1, math.ceil(highest / step - 1e-9))

    def x_of(share: float) -> float:
        return drawn.left + share / (step * n_steps) * drawn.width

    for i in range(n_steps + 1):
        x = x_of(i * step)
        drawn.canvas.rule([x, x], [drawn.top, drawn.bottom], colour=RULE if i else SOFT)
        name = f"{100 * i * step:g}%"
        drawn.canvas.text(x, drawn.bottom + 0.13, name, align="center", size=SMALL, colour=SOFT)

    def draw_row(i: int, y: float) -> None:
        shares = sorted(rows[i].shares)
        if not shares:
            return
        middle = (shares[(len(shares) - 1) // 2] + shares[len(shares) // 2]) / 2
        reach = drawn.heights[i] / 2 - 0.02
        drawn.canvas.line([x_of(middle)] * 2, [y - reach, y + reach], width=1.4)
        for place, share in enumerate(shares):
            alike = [k for k, each in enumerate(shares) if _bin(each) == _bin(share)]
            lift = 0.055 * (alike.index(place) - (len(alike) - 1) / 2)
            drawn.canvas.mark(x_of(share), y - lift, "o", colour=colours[i])

    drawn.draw(draw_row)
    return drawn.canvas.picture(shows=any(row.shares for row in rows))


def _share_step(highest: float) -> float:
    return min(round_step(highest / 4), 0.25 if highest > 0.5 else 1.0)


def _bin(share: float) -> int:
    return round(share * 1000)


def _most_alike(shares: Sequence[float]) -> int:
    places = [_bin(share) for share in shares]
    return max((places.count(each) for each in set(places)), default=1)
