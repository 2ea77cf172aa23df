"""Rows of a chart: a label, what is drawn on a common axis, and the figures as text on the right.

On a narrow picture the labels are above their rows, so that the axis keeps its length. A value
that is not shown is marked outside the axis, never on it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from omop_scorer.report.charts.canvas import INK, LINE, SOFT, Canvas, Look
from omop_scorer.report.charts.lettering import SMALL, text_width, wrap

#: Below this width, labels are above their rows.
_NARROW = 400

#: Largest share of the width that labels take, and the gap between labels and axis.
_LABELS, _GAP = 0.38, 12

#: Room for half of a mark or of the text "0%" beside an axis.
_EDGE = 14

Place = Callable[[float], float]


@dataclass(frozen=True)
class Entry:
    """A legend entry: an area (`look`), or a mark or a line (`shape`)."""

    text: str
    look: Look | None = None
    shape: str | None = None
    filled: bool = False
    colour: str = INK


@dataclass(frozen=True)
class Axis:
    """A linear axis with a value at every step."""

    low: float
    high: float
    step: float
    name: Callable[[float], str]
    unit: str = ""

    @property
    def values(self) -> list[float]:
        """The values that are named."""
        n = round((self.high - self.low) / self.step)
        return [self.low + i * self.step for i in range(n + 1)]


@dataclass(frozen=True)
class Line:
    """One line of a row: `draw` gets the canvas, the place of a value, and the middle of it."""

    text: str
    draw: Callable[[Canvas, Place, float], None]
    is_hidden: bool = False


@dataclass(frozen=True)
class Row:
    """One or more lines under one label."""

    label: str
    lines: Sequence[Line]
    thick: float = 22.0
    """Height of a line, in pixels."""


@dataclass(frozen=True)
class _Frame:
    left: float
    right: float
    labels: Sequence[Sequence[str]]
    is_above: bool
    heights: Sequence[float] = field(default=())


def draw_rows(
    width: float, rows: Sequence[Row], axis: Axis | None, legend: Sequence[Entry] = ()
) -> Canvas:
    """Draw rows on an axis; without one, places go from 0 to 1."""
    canvas = Canvas(width)
    top = draw_legend(canvas, legend)
    frame = _frame(width, rows, axis)
    bottom = top + sum(frame.heights)
    low, high = (axis.low, axis.high) if axis else (0.0, 1.0)

    def x_of(value: float) -> float:
        return frame.left + (value - low) / (high - low) * (frame.right - frame.left)

    if axis:
        _draw_axis(canvas, axis, x_of, top, bottom)
    y = top
    for row, label, height in zip(rows, frame.labels, frame.heights, strict=True):
        _draw_row(canvas, row, label, (y, height), frame, x_of)
        y += height
    canvas.height = bottom + ((36 if axis.unit else 20) if axis else 4)
    return canvas


def _frame(width: float, rows: Sequence[Row], axis: Axis | None) -> _Frame:
    texts = [line for row in rows for line in row.lines]
    right = max((text_width(line.text) for line in texts), default=0)
    right += _EDGE + (14 if any(line.is_hidden for line in texts) else 0)
    widest = max((text_width(row.label) for row in rows), default=0)
    is_above = width < _NARROW and widest > 0.25 * width
    room = width if is_above else _LABELS * width
    labels = [wrap(row.label, room) if row.label else [] for row in rows]
    left = max((text_width(text) for lines in labels for text in lines), default=0) + _GAP
    heights = [_height(row, label, is_above) for row, label in zip(rows, labels, strict=True)]
    edge = _EDGE if axis else 0
    return _Frame(edge if is_above else left, width - right, labels, is_above, heights)


def _height(row: Row, label: Sequence[str], is_above: bool) -> float:
    own = row.thick * len(row.lines) + (8 if is_above else 4)
    written = LINE * len(label)
    return own + written if is_above else max(own, written + 6)


def _draw_row(
    canvas: Canvas,
    row: Row,
    label: Sequence[str],
    place: tuple[float, float],
    frame: _Frame,
    x_of: Place,
) -> None:
    y, height = place
    start = y + LINE * len(label) if frame.is_above else y
    room = height - (start - y)
    first = start + (room - row.thick * len(row.lines)) / 2 + row.thick / 2
    middle = y + LINE * len(label) / 2 if frame.is_above else y + height / 2
    for i, text in enumerate(label):
        line = middle + LINE * (i - (len(label) - 1) / 2)
        align = "start" if frame.is_above else "end"
        x = 0 if frame.is_above else frame.left - _GAP
        # Labels above their rows lie on the rules of the axis.
        canvas.text(x, line, text, align=align, size=SMALL, has_halo=frame.is_above)
    for i, each in enumerate(row.lines):
        at = first + i * row.thick
        each.draw(canvas, x_of, at)
        if each.is_hidden:
            canvas.hidden(frame.right + _EDGE, at)
        if each.text:
            colour = SOFT if each.is_hidden else INK
            canvas.text(canvas.width, at, each.text, align="end", size=SMALL, colour=colour)


def _draw_axis(canvas: Canvas, axis: Axis, x_of: Place, top: float, bottom: float) -> None:
    canvas.rules([(x_of(value), top, x_of(value), bottom) for value in axis.values])
    if axis.low < 0 < axis.high or axis.low == 0:
        canvas.line([(x_of(0), top), (x_of(0), bottom)], colour=SOFT, width=1)
    taken = -math.inf
    for value in axis.values:
        name = axis.name(value)
        half = text_width(name) / 2
        if x_of(value) - half > taken:
            canvas.text(x_of(value), bottom + 11, name, align="middle", size=SMALL, colour=SOFT)
            taken = x_of(value) + half + 6
    if axis.unit:
        middle = (x_of(axis.low) + x_of(axis.high)) / 2
        canvas.text(middle, bottom + 27, axis.unit, align="middle", size=SMALL, colour=SOFT)


def share_axis(highest: float, unit: str = "") -> Axis:
    """Return an axis of shares from 0 to at least the highest."""
    step = percent_step(highest)
    n = max(1, math.ceil(highest / step - 1e-9))
    return Axis(0, n * step, step, lambda share: f"{share:.0%}", unit)


def number_axis(values: Sequence[float], *, is_share: bool = False, unit: str = "") -> Axis:
    """Return an axis that covers all values and 0."""
    lowest, highest = min([*values, 0.0]), max([*values, 0.0])
    return span_axis(lowest, highest, is_share=is_share, unit=unit)


def span_axis(lowest: float, highest: float, *, is_share: bool = False, unit: str = "") -> Axis:
    """Return an axis with round values from the lowest to the highest."""
    step = round_step((highest - lowest or 1.0) / 4)
    first, last = math.floor(lowest / step + 1e-9), math.ceil(highest / step - 1e-9)
    last = max(last, first + 1)

    def name(value: float) -> str:
        text = f"{abs(value):.0%}" if is_share else f"{value:z,.6g}"
        return text.replace("-", "−")

    return Axis(first * step, last * step, step, name, unit)


def percent_step(highest: float) -> float:
    """Return a round step that divides an axis from 0 to `highest` into 2 to 6 parts."""
    for step in (0.01, 0.02, 0.05, 0.1, 0.2):
        if highest <= 5 * step:
            return step
    return 0.25


def round_step(wanted: float) -> float:
    """Return 1, 2 or 5 times a power of ten, at least as large as the wanted step."""
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(power * each for each in (1, 2, 5, 10) if power * each >= wanted * (1 - 1e-9))


def is_known(value: float | None) -> bool:
    """Return True if a value is neither hidden (None) nor of zero persons (NaN)."""
    return value is not None and not math.isnan(value)


def draw_legend(canvas: Canvas, legend: Sequence[Entry]) -> float:
    """Draw a legend at the top, in as many lines as it needs, and return its lower end."""
    if not legend:
        return 4
    x, y = 0.0, 9.0
    for entry in legend:
        lines = wrap(entry.text, canvas.width - 24)
        wide = 24 + max(map(text_width, lines))
        if x and x + wide > canvas.width:
            x, y = 0.0, y + 19
        _draw_entry(canvas, entry, x, y)
        for i, text in enumerate(lines):
            canvas.text(x + 23, y + i * LINE, text, size=SMALL)
        y += LINE * (len(lines) - 1)
        x += wide + 16
    return y + 16


def _draw_entry(canvas: Canvas, entry: Entry, x: float, y: float) -> None:
    if entry.look is not None:
        canvas.box(x, y - 6, 16, 12, entry.look)
    elif entry.shape == "hidden":
        canvas.hidden(x + 8, y)
    elif entry.shape == "-":
        canvas.line([(x, y), (x + 18, y)], colour=entry.colour, width=2)
    elif entry.shape is not None:
        canvas.mark(x + 8, y, entry.shape, filled=entry.filled, colour=entry.colour)
