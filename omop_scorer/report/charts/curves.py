"""Curves of a share: over a number of persons on a logarithmic axis, or over time."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from omop_scorer.report.charts.canvas import SOFT, Canvas, Look, Picture
from omop_scorer.report.charts.lettering import SMALL, text_width
from omop_scorer.report.charts.rows import Axis, Entry, Place, draw_legend, share_axis

_LEFT, _RIGHT = 42.0, 24.0


@dataclass(frozen=True)
class Curve:
    """Shares at rising numbers; `points` are joined, and marked if there is a shape.

    A share of None is not shown: the line is broken there. `band` has the ends of intervals.
    """

    title: str
    points: Sequence[tuple[float, float | None]]
    colour: str
    shape: str = ""
    is_filled: bool = True
    is_stepped: bool = False
    band: Sequence[tuple[float, float, float]] = ()


@dataclass(frozen=True)
class Scale:
    """The horizontal axis of curves: what it is of, its named values, and whether it is of logs."""

    unit: str
    low: float
    high: float
    names: Sequence[tuple[float, str]]
    is_log: bool = False


def curves(lines: Sequence[Curve], unit: str, needed: Sequence[tuple[float, str]] = ()) -> Picture:
    """Draw shares from 0 to 100% over a logarithmic axis of numbers of persons.

    There is a dotted rule at each number of `needed` persons.
    """
    numbers = [n for each in lines for n, _ in each.points] + [n for n, _ in needed]
    low, high = _limits(numbers)
    names = [(float(n), f"{n:,}") for n in _round_numbers(low, high)]
    scale = Scale(unit, low, high, names, is_log=True)
    return _picture(lines, scale, Axis(0, 1, 0.2, lambda share: f"{share:.0%}"), 220.0, needed)


def over_time(
    lines: Sequence[Curve], unit: str, names: Sequence[tuple[float, str]], tall: float = 150.0
) -> Picture:
    """Draw shares over days, years or runs, whose named values are given."""
    numbers = [n for each in lines for n, _ in each.points] + [n for n, _ in names]
    low, high = _limits(numbers)
    shares = [share for each in lines for _, share in each.points if share is not None]
    shares += [end for each in lines for _, _, end in each.band]
    axis = share_axis(max([*shares, 0.01]))
    return _picture(lines, Scale(unit, low, high, names), axis, tall)


def _picture(
    lines: Sequence[Curve],
    scale: Scale,
    axis: Axis,
    tall: float,
    needed: Sequence[tuple[float, str]] = (),
) -> Picture:
    return Picture(
        lambda width: _draw(width, lines, scale, axis, tall, needed),
        shows=any(share is not None for each in lines for _, share in each.points),
    )


def _draw(
    width: float,
    lines: Sequence[Curve],
    scale: Scale,
    axis: Axis,
    tall: float,
    needed: Sequence[tuple[float, str]],
) -> Canvas:
    canvas = Canvas(width)
    legend = [
        Entry(each.title, shape=each.shape or "-", filled=each.is_filled, colour=each.colour)
        for each in lines
        if each.title
    ]
    top = draw_legend(canvas, legend) + (20 if needed else 4)
    x_of, right = _place(scale, width), width - _RIGHT

    def y_of(share: float) -> float:
        return top + (1 - share / axis.high) * tall

    for value in axis.values:
        canvas.text(_LEFT - 7, y_of(value), axis.name(value), align="end", size=SMALL, colour=SOFT)
    canvas.rules([(_LEFT, y_of(value), right, y_of(value)) for value in axis.values])
    base = top + tall
    hidden = [n for each in lines for n, share in each.points if share is None]
    for n in hidden:
        canvas.hidden(x_of(n), base + 8)
    base += 16 if hidden else 0
    _draw_names(canvas, scale, x_of, base)
    for n, name in needed:
        canvas.line([(x_of(n), top), (x_of(n), top + tall)], width=1.2, dotted=True)
        canvas.text(x_of(n), top - 9, name, align="middle", size=SMALL)
    for each in lines:
        _draw_curve(canvas, each, x_of, y_of)
    canvas.height = base + (38 if scale.unit else 20)
    return canvas


def _place(scale: Scale, width: float) -> Place:
    low, high = scale.low, scale.high

    def x_of(n: float) -> float:
        share = (n - low) / (high - low)
        if scale.is_log:
            share = math.log(n / low) / math.log(high / low)
        return _LEFT + share * (width - _LEFT - _RIGHT)

    return x_of


def _draw_names(canvas: Canvas, scale: Scale, x_of: Place, bottom: float) -> None:
    taken = -math.inf
    for number, name in scale.names:
        x, half = x_of(number), text_width(name) / 2
        canvas.rules([(x, bottom, x, bottom + 4)])
        if x - half > taken:
            canvas.text(x, bottom + 13, name, align="middle", size=SMALL, colour=SOFT)
            taken = x + half + 8
    if scale.unit:
        middle = (_LEFT + canvas.width - _RIGHT) / 2
        canvas.text(middle, bottom + 30, scale.unit, align="middle", size=SMALL, colour=SOFT)


def _draw_curve(canvas: Canvas, each: Curve, x_of: Place, y_of: Callable[[float], float]) -> None:
    if each.band:
        above = [(x_of(n), y_of(high)) for n, _, high in each.band]
        below = [(x_of(n), y_of(low)) for n, low, _ in reversed(each.band)]
        canvas.area([*above, *below], Look(each.colour))
    for piece in _pieces(each):
        points = [(x_of(n), y_of(share)) for n, share in piece]
        if each.is_stepped:
            steps = [at for (x, y), (next_x, _) in pairwise(points) for at in ((x, y), (next_x, y))]
            points = [*steps, points[-1]]
        canvas.line(points, colour=each.colour, width=2)
        if each.shape:
            for n, share in piece:
                canvas.mark(x_of(n), y_of(share), each.shape, colour=each.colour,
                            filled=each.is_filled)  # fmt: skip


def _pieces(each: Curve) -> list[list[tuple[float, float]]]:
    """Return the points that are shown, in pieces between those that are not."""
    pieces: list[list[tuple[float, float]]] = [[]]
    for n, share in each.points:
        if share is None:
            pieces.append([])
        else:
            pieces[-1].append((n, share))
    return [piece for piece in pieces if piece]


def _limits(numbers: Sequence[float]) -> tuple[float, float]:
    low, high = min(numbers), max(numbers)
    return (low, high) if high > low else (low / 2, high * 2)


def _round_numbers(low: float, high: float) -> list[int]:
    """Return 1, 2 and 5 times the powers of ten between two numbers."""
    powers = range(int(math.log10(low)), int(math.log10(high)) + 1)
    found = [each * 10**power for power in powers for each in (1, 2, 5)]
    return [n for n in found if low <= n <= high]
