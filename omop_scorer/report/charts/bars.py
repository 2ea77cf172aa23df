"""Bar charts: shares with intervals, and wholes divided into parts.

A share of None is not shown; it is marked outside the axis and never drawn. A share of NaN is a
share of zero persons; nothing is drawn for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from omop_scorer.report.charts.canvas import ACCENT_MIDDLE, PAPER, Canvas, Look, Picture
from omop_scorer.report.charts.lettering import SMALL, text_width
from omop_scorer.report.charts.rows import Entry, Line, Place, Row, draw_rows, is_known, share_axis

#: Distinct for readers with any common colour blindness, and at least 3:1 on white.
CLASS_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#7f5539")

NO_DIFFERENCE, SHARED = Look("#878f9b"), Look("#4b5563")

SITE = Look(ACCENT_MIDDLE)

#: Mark shapes of the figures compared with, because colour alone is not enough.
TRIALS, HEALTH_SYSTEM = "D", "s"


@dataclass(frozen=True)
class Bar:
    """A share with its interval, and marks for the figures it is compared with."""

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
class Whole:
    """A whole divided into parts. A part of None is not shown; nor are others if `hides` is set."""

    label: str
    parts: Sequence[float | None]
    text: str = ""
    hides: bool = False

    @property
    def is_partly_hidden(self) -> bool:
        """True if a part is not shown."""
        return self.hides or any(part is None for part in self.parts)


def bars(groups: Sequence[BarGroup], legend: Sequence[Entry] = ()) -> Picture:
    """Draw bars from 0 with their 95% intervals, each with its text on the right."""
    drawn = [bar for group in groups for bar in group.bars]
    values = [value for bar in drawn for value in (bar.share, bar.high)]
    values += [value for group in groups for _, value in group.marks]
    known = [value for value in values if value is not None and is_known(value)]
    axis = share_axis(max(known, default=0.1))
    rows = [Row(group.label, _lines(group)) for group in groups]
    return Picture(
        lambda width: draw_rows(width, rows, axis, legend),
        shows=any(is_known(bar.share) for bar in drawn),
    )


def _lines(group: BarGroup) -> list[Line]:
    return [
        Line(
            bar.text,
            partial(_draw_bar, bar, group.marks if i == 0 else ()),
            is_hidden=bar.share is None,
        )
        for i, bar in enumerate(group.bars)
    ]


def _draw_bar(
    bar: Bar, marks: Sequence[tuple[str, float]], canvas: Canvas, x_of: Place, y: float
) -> None:
    if bar.share is not None and is_known(bar.share):
        canvas.box(x_of(0), y - 8, x_of(bar.share) - x_of(0), 16, bar.look)
        if bar.low is not None and bar.high is not None:
            canvas.interval(x_of(bar.low), x_of(bar.high), y)
    for shape, share in marks:
        canvas.mark(x_of(share), y, shape, filled=False)


def stacked(wholes: Sequence[Whole], legend: Sequence[Entry]) -> Picture:
    """Draw wholes as bars of equal length, divided into parts that look like the legend's areas.

    The rest of a bar of which a part is not shown stays empty, and is marked on the right.
    """
    looks = [entry.look for entry in legend if entry.look is not None]
    rows = [
        Row(
            whole.label,
            [Line(whole.text, partial(_draw_parts, whole, looks), whole.is_partly_hidden)],
            thick=26.0,
        )
        for whole in wholes
    ]
    return Picture(
        lambda width: draw_rows(width, rows, None, legend),
        shows=any(is_known(part) for whole in wholes for part in whole.parts),
    )


def _draw_parts(whole: Whole, looks: Sequence[Look], canvas: Canvas, x_of: Place, y: float) -> None:
    done = 0.0
    for share, look in zip(whole.parts, looks, strict=True):
        if share:
            x, wide = x_of(done), x_of(share) - x_of(0)
            canvas.box(x, y - 10, wide, 20, look, edge=PAPER)
            text = f"{share:.0%}"
            if wide > text_width(text) + 6 and not look.others:
                middle = x + wide / 2
                canvas.text(middle, y, text, align="middle", size=SMALL, colour=look.ink)
            done += share


#: Legend entry of every drawing with a value that is not shown.
NOT_SHOWN = Entry("not shown", shape="hidden")
