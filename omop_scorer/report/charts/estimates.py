"""Charts of estimates: values with their intervals, marks, quartiles, and repetitions.

A value of None is not shown; it is marked outside the axis. A value of NaN does not exist.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from omop_scorer.report.charts.canvas import ACCENT, INK, Canvas, Picture
from omop_scorer.report.charts.rows import (
    Axis,
    Entry,
    Line,
    Place,
    Row,
    draw_rows,
    is_known,
    number_axis,
    share_axis,
    span_axis,
)


@dataclass(frozen=True)
class Estimate:
    """A value with its interval, and marks for the values it is compared with."""

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None
    compared: float | None = None
    text: str = ""
    colour: str = ""
    shape: str = "o"
    marks: Sequence[tuple[str, float]] = ()

    @property
    def known(self) -> list[float]:
        """The numbers that are drawn."""
        values = (self.value, self.low, self.high, self.compared, *(v for _, v in self.marks))
        return [each for each in values if each is not None and is_known(each)]


@dataclass(frozen=True)
class EstimateGroup:
    """Several estimates under one label, one line each."""

    label: str
    estimates: Sequence[Estimate]


@dataclass(frozen=True)
class Repetitions:
    """The values of one share in several repetitions."""

    label: str
    shares: Sequence[float]
    text: str = ""


@dataclass(frozen=True)
class Dots:
    """Values on one line, one per series; None is not shown, NaN does not exist."""

    label: str
    values: Sequence[float | None]
    text: str = ""


@dataclass(frozen=True)
class Range:
    """First quartile, median and third quartile; None if they are not shown or do not exist."""

    label: str
    quartiles: tuple[float, float, float] | None
    text: str


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
    known = [each for row in rows for each in row.known] + list(span or ())
    groups = [EstimateGroup(row.label, [row]) for row in rows]
    return _drawn(groups, number_axis(known), legend, colour)


def intervals(
    groups: Sequence[EstimateGroup],
    legend: Sequence[Entry] = (),
    *,
    is_share: bool = False,
    has_zero: bool = True,
    unit: str = "",
) -> Picture:
    """Draw dots with their intervals, several lines under one label; the axis may omit 0."""
    known = [v for group in groups for each in group.estimates for v in each.known]
    if is_share:
        axis = share_axis(max([*known, 0.01]), unit)
    elif has_zero or not known:
        axis = number_axis(known, unit=unit)
    else:
        axis = span_axis(min(known), max(known), unit=unit)
    return _drawn(groups, axis, legend, INK)


def _drawn(
    groups: Sequence[EstimateGroup], axis: Axis, legend: Sequence[Entry], colour: str
) -> Picture:
    rows = [
        Row(
            group.label,
            [
                Line(each.text, partial(_draw_estimate, each, colour), each.value is None)
                for each in group.estimates
            ],
            thick=20.0 if len(group.estimates) == 1 else 18.0,
        )
        for group in groups
    ]
    return Picture(
        lambda width: draw_rows(width, rows, axis, legend),
        shows=any(each.value is not None for group in groups for each in group.estimates),
    )


def _draw_estimate(row: Estimate, colour: str, canvas: Canvas, x_of: Place, y: float) -> None:
    if row.value is None:
        return
    colour = row.colour or colour
    if row.low is not None and row.high is not None:
        canvas.line([(x_of(row.low), y), (x_of(row.high), y)], colour=colour, width=2.2)
    if row.compared is not None:
        canvas.mark(x_of(row.compared), y, "D", filled=False)
    for shape, value in row.marks:
        canvas.mark(x_of(value), y, shape, filled=False)
    if is_known(row.value):
        canvas.mark(x_of(row.value), y, row.shape, colour=colour)


def dots(
    rows: Sequence[Dots],
    series: Sequence[Entry],
    *,
    bands: Sequence[float] = (),
    is_share: bool = False,
) -> Picture:
    """Draw marks on an axis that covers all values and 0, one line per row.

    `bands` are values at which a dotted rule is drawn.
    """
    known = [v for row in rows for v in row.values if v is not None and is_known(v)]
    axis = number_axis([*known, *bands], is_share=is_share)
    drawn = [
        Row(
            row.label,
            [Line(row.text, partial(_draw_dots, row, series, bands), None in row.values)],
            thick=26.0,
        )
        for row in rows
    ]
    return Picture(lambda width: draw_rows(width, drawn, axis, series), shows=bool(known))


def _draw_dots(
    row: Dots,
    series: Sequence[Entry],
    bands: Sequence[float],
    canvas: Canvas,
    x_of: Place,
    y: float,
) -> None:
    for band in bands:
        canvas.line([(x_of(band), y - 14), (x_of(band), y + 14)], width=1, dotted=True)
    # The first series is drawn last, so that its dot is visible inside the other's square.
    for value, entry in reversed(list(zip(row.values, series, strict=False))):
        if value is not None and is_known(value) and entry.shape is not None:
            canvas.mark(x_of(value), y, entry.shape, filled=entry.filled, colour=entry.colour)


def ranges(rows: Sequence[Range], unit: str) -> Picture:
    """Draw the quartiles of each row as a line, with a mark at the median."""
    highest = max((row.quartiles[2] for row in rows if row.quartiles), default=1.0)
    drawn = [
        Row(row.label, [Line(row.text, partial(_draw_range, row), row.quartiles is None)])
        for row in rows
    ]
    axis = span_axis(0, highest, unit=unit)
    return Picture(
        lambda width: draw_rows(width, drawn, axis), shows=any(row.quartiles for row in rows)
    )


def _draw_range(row: Range, canvas: Canvas, x_of: Place, y: float) -> None:
    if row.quartiles is not None:
        first, median, third = row.quartiles
        canvas.line([(x_of(first), y), (x_of(third), y)], colour=ACCENT, width=4)
        canvas.mark(x_of(median), y, "o", colour=ACCENT, filled=False)


def strips(rows: Sequence[Repetitions], *, colours: Sequence[str]) -> Picture:
    """Draw one dot a repetition on each row, and a stroke at the median.

    Dots that would cover each other stand one above the other. `colours` has one for each row.
    """
    tallest = max((_most_alike(row.shares) for row in rows), default=1)
    thick = 20.0 + 5.3 * (tallest - 1)
    drawn = [
        Row(row.label, [Line(row.text, partial(_draw_strip, row.shares, colour, thick))], thick)
        for row, colour in zip(rows, colours, strict=True)
    ]
    axis = share_axis(max([share for row in rows for share in row.shares] + [0.01]))
    return Picture(
        lambda width: draw_rows(width, drawn, axis), shows=any(row.shares for row in rows)
    )


def _draw_strip(
    values: Sequence[float], colour: str, thick: float, canvas: Canvas, x_of: Place, y: float
) -> None:
    shares = sorted(values)
    if not shares:
        return
    middle = x_of((shares[(len(shares) - 1) // 2] + shares[len(shares) // 2]) / 2)
    canvas.line([(middle, y - thick / 2 + 2), (middle, y + thick / 2 - 2)])
    for place, share in enumerate(shares):
        alike = [k for k, each in enumerate(shares) if _bin(each) == _bin(share)]
        lift = 5.3 * (alike.index(place) - (len(alike) - 1) / 2)
        canvas.mark(x_of(share), y - lift, "o", colour=colour)


def _bin(share: float) -> int:
    return round(share * 1000)


def _most_alike(shares: Sequence[float]) -> int:
    places = [_bin(share) for share in shares]
    return max((places.count(each) for each in set(places)), default=1)
