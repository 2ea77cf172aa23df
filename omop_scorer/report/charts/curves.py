"""Curves of a share over a number of persons, on a logarithmic axis."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from omop_scorer.report.charts.bars import Entry, draw_legend, legend_height
from omop_scorer.report.charts.canvas import RULE, SMALL, SOFT, WIDTH, Canvas, Picture, text_width


@dataclass(frozen=True)
class Curve:
    """Shares at rising numbers of persons; `points` are joined, and marked if there is a shape."""

    title: str
    points: Sequence[tuple[float, float]]
    colour: str
    shape: str = ""
    is_filled: bool = True


def curves(lines: Sequence[Curve], unit: str, needed: Sequence[tuple[float, str]] = ()) -> Picture:
    """Draw shares from 0 to 100%, with a dotted rule at each number of `needed` persons."""
    legend = [
        Entry(each.title, shape=each.shape or "-", filled=each.is_filled, colour=each.colour)
        for each in lines
    ]
    start, tall = legend_height(legend) + 0.24, 2.3
    canvas = Canvas(start + tall + 0.5)
    draw_legend(canvas, legend)
    numbers = [n for each in lines for n, _ in each.points] + [n for n, _ in needed]
    low, high = _limits(numbers)
    left, right = 0.5, 0.3

    def x_of(n: float) -> float:
        share = (math.log(n) - math.log(low)) / (math.log(high) - math.log(low))
        return left + share * (WIDTH - left - right)

    def y_of(share: float) -> float:
        return start + (1 - share) * tall

    for i in range(6):
        y = y_of(i / 5)
        canvas.rule([left, WIDTH - right], [y, y], colour=RULE if i else SOFT)
        canvas.text(left - 0.07, y, f"{i / 5:.0%}", align="right", size=SMALL, colour=SOFT)
    taken = -math.inf
    for number in _round_numbers(low, high):
        x = x_of(number)
        canvas.rule([x, x], [start, start + tall])
        name = f"{number:,}"
        half = text_width(name, SMALL) / 2
        if x - half > taken:
            canvas.text(x, start + tall + 0.13, name, align="center", size=SMALL, colour=SOFT)
            taken = x + half + 0.08
    middle = (left + WIDTH - right) / 2
    canvas.text(middle, start + tall + 0.33, unit, align="center", size=SMALL, colour=SOFT)
    for n, name in needed:
        canvas.line([x_of(n)] * 2, [start, start + tall], width=1.1, style=":")
        canvas.text(x_of(n), start - 0.1, name, align="center", size=SMALL)
    for each in lines:
        xs, ys = [x_of(n) for n, _ in each.points], [y_of(share) for _, share in each.points]
        canvas.line(xs, ys, colour=each.colour, width=1.6)
        if each.shape:
            for x, y in zip(xs, ys, strict=True):
                canvas.mark(x, y, each.shape, colour=each.colour, filled=each.is_filled)
    return canvas.picture(shows=any(each.points for each in lines))


def _limits(numbers: Sequence[float]) -> tuple[float, float]:
    low, high = min(numbers), max(numbers)
    return (low, high) if high > low else (low / 2, high * 2)


def _round_numbers(low: float, high: float) -> list[int]:
    """Return 1, 2 and 5 times the powers of ten between two numbers."""
    powers = range(int(math.log10(low)), int(math.log10(high)) + 1)
    found = [each * 10**power for power in powers for each in (1, 2, 5)]
    return [n for n in found if low <= n <= high]
