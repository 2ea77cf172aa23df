"""Charts of distributions: pyramids and histograms.

A count or share of None is not shown; it is marked outside the axis and never drawn.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from omop_scorer.report.charts.bars import SITE
from omop_scorer.report.charts.canvas import ACCENT, INK, PAPER, SOFT, Canvas, Look, Picture
from omop_scorer.report.charts.lettering import SMALL, text_width
from omop_scorer.report.charts.rows import Entry, Place, draw_legend, round_step

#: The place of a count on the side of women (-1) or men (1).
PyramidPlace = Callable[[int, float], float]

_WOMEN, _MEN = SITE, Look(ACCENT)

#: Height of an age group of a pyramid, and of the bars of a histogram.
_AGE, _TALL = 17.0, 66.0

#: Narrowest panel of a histogram.
_PANEL = 210.0


@dataclass(frozen=True)
class Bin:
    """Persons whose value is at least `low` and below `high`, as a share of all persons."""

    low: float
    high: float
    share: float | None
    expected: float | None = None

    @property
    def heights(self) -> tuple[float | None, float | None]:
        """Share and expected share per unit of width, because bins may differ in width."""
        width = self.high - self.low
        return (
            None if self.share is None else self.share / width,
            None if self.expected is None else self.expected / width,
        )


@dataclass(frozen=True)
class Panel:
    """One histogram, with percentiles 1, 5, 25, 50, 75, 95 and 99 drawn as a strip below."""

    title: str
    bins: Sequence[Bin]
    look: Look = SITE
    percentiles: Sequence[float] | None = None
    is_share: bool = False


@dataclass(frozen=True)
class Pyramid:
    """Persons by age group and sex, and the same of another population, scaled, as an outline."""

    age_groups: Sequence[str]
    women: Sequence[int | None]
    men: Sequence[int | None]
    compared: tuple[Sequence[float], Sequence[float]] | None = None
    compared_title: str = ""


def pyramid(
    age_groups: Sequence[str],
    women: Sequence[int | None],
    men: Sequence[int | None],
    compared: tuple[Sequence[float], Sequence[float]] | None = None,
    compared_title: str = "",
) -> Picture:
    """Draw persons by age group: women on the left, men on the right, the oldest at the top.

    `compared` is another population, scaled by the caller; it is drawn as an outline.
    """
    drawn = Pyramid(age_groups, women, men, compared, compared_title)
    return Picture(lambda width: _draw_pyramid(width, drawn), shows=any((*women, *men)))


def _draw_pyramid(width: float, each: Pyramid) -> Canvas:
    canvas = Canvas(width)
    legend = [Entry(each.compared_title, shape="-")] if each.compared else []
    top = draw_legend(canvas, legend) + 20
    bottom = top + _AGE * len(each.age_groups)
    centre, half = width / 2, 42.0
    # The outer ends are left free for the marks of counts that are not shown.
    reach = centre - half - 26
    known = [n for n in (*each.women, *each.men) if n is not None]
    known += [math.ceil(n) for side in each.compared or () for n in side]
    highest = max([*known, 1])

    def x_of(sign: int, n: float) -> float:
        return centre + sign * (half + n / highest * reach)

    _draw_counts_axis(canvas, x_of, highest, (top, bottom))
    for i, age_group in enumerate(each.age_groups):
        y = bottom - (i + 0.5) * _AGE
        canvas.text(centre, y, age_group, align="middle", size=11)
        for sign, n, look in ((-1, each.women[i], _WOMEN), (1, each.men[i], _MEN)):
            if n is None:
                canvas.hidden(centre + sign * (half + reach + 14), y)
            elif n:
                x, end = sorted((x_of(sign, 0), x_of(sign, n)))
                canvas.box(x, y - _AGE / 2 + 1.5, end - x, _AGE - 3, look)
    for sign, side in zip((-1, 1), each.compared or (), strict=False):
        edges = [(bottom - i * _AGE, x_of(sign, n)) for i, n in enumerate(side)]
        canvas.line([(x, at) for y, x in edges for at in (y, y - _AGE)], width=1.8)
    canvas.height = bottom + 20
    return canvas


def _draw_counts_axis(
    canvas: Canvas, x_of: PyramidPlace, highest: float, ends: tuple[float, float]
) -> None:
    top, bottom = ends
    step = round_step(highest / 3)
    values = [i * step for i in range(int(highest / step + 1e-9) + 1)]
    for sign, title in ((-1, "Women"), (1, "Men")):
        align = "end" if sign < 0 else "start"
        canvas.text(x_of(sign, 0), top - 10, title, align=align, bold=True, size=SMALL)
        canvas.rules([(x_of(sign, n), top, x_of(sign, n), bottom) for n in values])
        for n in values:
            at = (x_of(sign, n), bottom + 11)
            canvas.text(*at, f"{n:,.0f}", align="middle", size=SMALL, colour=SOFT)


def histograms(
    panels: Sequence[Panel], legend: Sequence[Entry] = (), *, is_one_scale: bool
) -> Picture:
    """Draw histograms side by side where there is room, with `is_one_scale` on the same axes."""
    is_shown = [each.share is not None for panel in panels for each in panel.bins]
    return Picture(
        lambda width: _draw_histograms(width, panels, legend, is_one_scale=is_one_scale),
        shows=any(is_shown),
    )


def _draw_histograms(
    width: float, panels: Sequence[Panel], legend: Sequence[Entry], *, is_one_scale: bool
) -> Canvas:
    canvas = Canvas(width)
    top = draw_legend(canvas, legend)
    n_columns = max(1, min(len(panels), int(width // _PANEL)))
    wide = width / n_columns
    tall = 36 + _TALL + 32 + (26 if any(panel.percentiles for panel in panels) else 0)
    tall += 14 if any(each.share is None for panel in panels for each in panel.bins) else 0
    ends = [_ends(panel) for panel in panels]
    if is_one_scale and ends:
        ends = [(min(low for low, _ in ends), max(high for _, high in ends))] * len(panels)
    every = [h for panel in panels for each in panel.bins for h in each.heights if h is not None]
    for i, panel in enumerate(panels):
        own = [h for each in panel.bins for h in each.heights if h is not None]
        highest = max(every if is_one_scale else own, default=1) or 1
        place = ((i % n_columns) * wide, top + (i // n_columns) * tall, wide)
        _draw_panel(canvas, panel, ends[i], highest, place)
    canvas.height = top + math.ceil(len(panels) / n_columns) * tall
    return canvas


def _ends(panel: Panel) -> tuple[float, float]:
    values = [each.low for each in panel.bins] + [each.high for each in panel.bins]
    values += list(panel.percentiles or ())
    return (min(values), max(values)) if values else (0.0, 1.0)


def _draw_panel(
    canvas: Canvas,
    panel: Panel,
    ends: tuple[float, float],
    highest: float,
    place: tuple[float, float, float],
) -> None:
    (left, top, wide), (low, high) = place, ends
    base = top + 36 + _TALL

    def x_of(value: float) -> float:
        return left + 14 + (value - low) / (high - low) * (wide - 40)

    canvas.text(left, top + 9, panel.title, bold=True, size=SMALL)
    for each in panel.bins:
        _draw_bin(canvas, each, panel.look, (x_of(each.low), x_of(each.high)), (base, highest))
    _name_tallest(canvas, panel, x_of, (base, highest))
    canvas.line([(x_of(low), base), (x_of(high), base)], colour=SOFT, width=1)
    hidden = [each for each in panel.bins if each.share is None]
    for each in hidden:
        canvas.hidden(x_of((each.low + each.high) / 2), base + 8)
    base += 14 if hidden else 0
    if panel.percentiles:
        _draw_percentiles(canvas, [x_of(value) for value in panel.percentiles], base + 13)
        base += 24
    _draw_values(canvas, panel, ends, x_of, base)


def _draw_bin(
    canvas: Canvas,
    each: Bin,
    look: Look,
    sides: tuple[float, float],
    scale: tuple[float, float],
) -> None:
    (x, end), (base, highest) = sides, scale
    height, expected = each.heights
    if height:
        tallness = height / highest * _TALL
        canvas.box(x, base - tallness, end - x, tallness, look, edge=PAPER)
    if expected is not None:
        y = base - expected / highest * _TALL
        canvas.line([(x, y), (end, y)], width=2)


def _name_tallest(canvas: Canvas, panel: Panel, x_of: Place, scale: tuple[float, float]) -> None:
    """Write the share of the tallest bin above it: the scale of the heights."""
    known = [each for each in panel.bins if each.share]
    if not known:
        return
    best = max(known, key=lambda each: each.heights[0] or 0)
    text, middle = f"{best.share:.0%}", x_of((best.low + best.high) / 2)
    reach = text_width(text) / 2
    below = [
        b for b in panel.bins if x_of(b.low) < middle + reach and middle - reach < x_of(b.high)
    ]
    tallest = max(height for each in below for height in each.heights if height is not None)
    y = scale[0] - tallest / scale[1] * _TALL - 7
    canvas.text(middle, y, text, align="middle", size=11, colour=SOFT)


def _draw_values(
    canvas: Canvas, panel: Panel, ends: tuple[float, float], x_of: Place, base: float
) -> None:
    low, high = ends
    step = round_step((high - low) / 4)
    taken = -math.inf
    for i in range(math.ceil(low / step - 1e-9), int(high / step + 1e-9) + 1):
        value = i * step
        x = x_of(value)
        canvas.rules([(x, base, x, base + 4)])
        name = (f"{value:.0%}" if panel.is_share else f"{value:,.6g}").replace("-", "−")
        half = text_width(name) / 2
        if x - half > taken:
            canvas.text(x, base + 13, name, align="middle", size=SMALL, colour=SOFT)
            taken = x + half + 4


def _draw_percentiles(canvas: Canvas, xs: Sequence[float], y: float) -> None:
    first, fifth, lower, median, upper, ninety_fifth, last = xs
    canvas.line([(first, y), (last, y)], width=1)
    canvas.line([(fifth, y), (ninety_fifth, y)], width=2.6)
    canvas.box(lower, y - 5, upper - lower, 10, Look(PAPER), edge=INK)
    canvas.line([(median, y - 5), (median, y + 5)], width=2.4)
    for x in (first, last):
        canvas.line([(x, y - 4), (x, y + 4)], width=1)
