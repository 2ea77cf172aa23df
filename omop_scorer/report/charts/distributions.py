"""Charts of distributions: pyramids, histograms, dots and ranges.

A count or share of None is not shown; it is hatched and never drawn as zero.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from omop_scorer.report.charts.bars import SITE, Entry, draw_legend, legend_height
from omop_scorer.report.charts.canvas import (
    ACCENT,
    ACCENT_PALE,
    INK,
    LINE,
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
    unit: str = ""
    is_share: bool = False


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
    legend = [Entry(compared_title, shape="-")] if compared else []
    start, row = legend_height(legend) + 0.22, 0.195
    canvas = Canvas(start + row * len(age_groups) + 0.3)
    draw_legend(canvas, legend)
    centre, half = WIDTH / 2, 0.44
    reach = WIDTH / 2 - half - 0.25
    known = [n for n in (*women, *men) if n is not None]
    known += [math.ceil(n) for side in compared or () for n in side]
    top = max([*known, 1])
    step = round_step(top / 4)
    bottom = start + row * len(age_groups)
    for sign, title in ((-1, "Women"), (1, "Men")):
        canvas.text(
            centre + sign * (half + 0.02),
            start - 0.12,
            title,
            align="right" if sign < 0 else "left",
            bold=True,
            size=SMALL,
        )
        for i in range(int(top / step + 1e-9) + 1):
            x = centre + sign * (half + i * step / top * reach)
            canvas.rule([x, x], [start, bottom], colour=RULE if i else SOFT)
            name = f"{i * step:,.0f}" if i or sign > 0 else "0"
            canvas.text(x, bottom + 0.13, name, align="center", size=SMALL, colour=SOFT)
    for i, age_group in enumerate(age_groups):
        y = bottom - (i + 1) * row
        canvas.text(centre, y + row / 2, age_group, align="center", size=8.6)
        for sign, counts in ((-1, women), (1, men)):
            n = counts[i]
            wide = 0.24 if n is None else n / top * reach
            x = centre + sign * half - (wide if sign < 0 else 0)
            if n is None:
                canvas.hidden(x, y + 0.02, wide, row - 0.04)
            elif n:
                canvas.box(x, y + 0.02, wide, row - 0.04, SITE if sign < 0 else Look(ACCENT_PALE))
    for sign, side in zip((-1, 1), compared or (), strict=False):
        xs, ys = [], []
        for i, scaled in enumerate(side):
            xs += [centre + sign * (half + scaled / top * reach)] * 2
            ys += [bottom - i * row, bottom - (i + 1) * row]
        canvas.line(xs, ys, width=1.3)
    return canvas.picture(shows=any((*women, *men)))


def histograms(
    panels: Sequence[Panel], legend: Sequence[Entry] = (), *, is_one_scale: bool
) -> Picture:
    """Draw histograms one above the other, with `is_one_scale` on the same axes."""
    heights = [1.22 + (0.3 if panel.percentiles else 0) for panel in panels]
    start = legend_height(legend)
    canvas = Canvas(start + sum(heights))
    draw_legend(canvas, legend)
    ends = [_ends(panel) for panel in panels]
    if is_one_scale:
        ends = [(min(low for low, _ in ends), max(high for _, high in ends))] * len(panels)
    shares = [
        value
        for panel in panels
        for each in panel.bins
        for value in each.heights
        if value is not None
    ]
    y = start
    for panel, (low, high), height in zip(panels, ends, heights, strict=True):
        own = [v for each in panel.bins for v in each.heights if v is not None]
        highest = max(shares if is_one_scale else own, default=1) or 1
        _draw_panel(canvas, panel, (low, high), highest, y)
        y += height
    is_shown = [each.share is not None for panel in panels for each in panel.bins]
    return canvas.picture(shows=any(is_shown))


def _ends(panel: Panel) -> tuple[float, float]:
    values = [each.low for each in panel.bins] + [each.high for each in panel.bins]
    values += list(panel.percentiles or ())
    return (min(values), max(values)) if values else (0.0, 1.0)


def _draw_panel(
    canvas: Canvas, panel: Panel, ends: tuple[float, float], highest: float, top: float
) -> None:
    low, high = ends
    left, width, tall = 0.26, WIDTH - 0.52, 0.68
    base = top + 0.24 + tall

    def x_of(value: float) -> float:
        return left + (value - low) / (high - low) * width

    canvas.text(0.0, top + 0.1, panel.title, bold=True, size=SMALL)
    for each in panel.bins:
        x, wide = x_of(each.low), x_of(each.high) - x_of(each.low)
        height, expected = each.heights
        if height is None:
            canvas.hidden(x, base - 0.11, wide, 0.11)
        elif height:
            tallness = height / highest * tall
            canvas.box(x, base - tallness, wide, tallness, panel.look, edge="#ffffff")
        if expected is not None:
            y = base - expected / highest * tall
            canvas.line([x, x + wide], [y, y], width=1.8)
    canvas.line([left, left + width], [base, base], colour=SOFT, width=0.8)
    if panel.percentiles:
        _draw_strip(canvas, [x_of(value) for value in panel.percentiles], base + 0.15)
        base += 0.3
    step = round_step((high - low) / 5)
    for i in range(math.ceil(low / step - 1e-9), int(high / step + 1e-9) + 1):
        value = i * step
        canvas.line([x_of(value)] * 2, [base, base + 0.04], colour=SOFT, width=0.8)
        name = (f"{value:.0%}" if panel.is_share else f"{value:,.6g}").replace("-", "−")
        canvas.text(x_of(value), base + 0.14, name, align="center", size=SMALL, colour=SOFT)


def _draw_strip(canvas: Canvas, xs: Sequence[float], y: float) -> None:
    first, fifth, lower, median, upper, ninety_fifth, last = xs
    canvas.line([first, last], [y, y], width=0.8)
    canvas.line([fifth, ninety_fifth], [y, y], width=2.2)
    canvas.box(lower, y - 0.055, upper - lower, 0.11, Look("#ffffff"), edge=INK)
    canvas.line([median, median], [y - 0.055, y + 0.055], width=2)
    for x in (first, last):
        canvas.line([x, x], [y - 0.04, y + 0.04], width=0.8)


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
    legend = list(series)
    labels = [wrap(row.label, 1.55, SMALL) for row in rows]
    left = max((text_width(t, SMALL) for lines in labels for t in lines), default=0) + 0.2
    right = max((text_width(row.text, SMALL) for row in rows), default=0) + 0.2
    start = legend_height(legend)
    heights = [max(0.27, LINE * len(lines) + 0.08) for lines in labels]
    canvas = Canvas(start + sum(heights) + 0.28)
    draw_legend(canvas, legend)
    known = [v for row in rows for v in row.values if v is not None and not math.isnan(v)]
    step = round_step((max([*known, *bands, 0.01]) - min([*known, *bands, 0])) / 4)
    low = math.floor(min([*known, *bands, 0]) / step + 1e-9) * step
    high = math.ceil(max([*known, *bands, step]) / step - 1e-9) * step
    width = WIDTH - left - right

    def x_of(value: float) -> float:
        return left + (value - low) / (high - low) * width

    bottom = start + sum(heights)
    for i in range(round((high - low) / step) + 1):
        value = low + i * step
        is_zero = abs(value) < step / 1000
        canvas.rule([x_of(value)] * 2, [start, bottom], colour=SOFT if is_zero else RULE)
        name = f"{abs(value):.0%}" if is_share else f"{0 if is_zero else value:g}"
        canvas.text(
            x_of(value),
            bottom + 0.13,
            name.replace("-", "−"),
            align="center",
            size=SMALL,
            colour=SOFT,
        )
    for value in bands:
        canvas.line([x_of(value)] * 2, [start, bottom], colour=INK, width=1, style=":")
    y = start
    for row, lines, height in zip(rows, labels, heights, strict=True):
        middle = y + height / 2
        for i, text in enumerate(lines):
            line = middle + LINE * (i - (len(lines) - 1) / 2)
            canvas.text(left - 0.18, line, text, align="right", size=SMALL)
        canvas.rule([left, left + width], [middle, middle])
        _draw_dots(canvas, row, series, middle, x_of)
        canvas.text(WIDTH, middle, row.text, align="right", size=SMALL, colour=SOFT)
        y += height
    return canvas.picture(shows=bool(known))


def _draw_dots(
    canvas: Canvas, row: Dots, series: Sequence[Entry], y: float, x_of: Callable[[float], float]
) -> None:
    n_hidden = 0
    # The first series is drawn last, so that its dot is visible inside the other's square.
    for value, entry in reversed(list(zip(row.values, series, strict=False))):
        if value is None:
            canvas.hidden(x_of(0) + 0.04 + 0.2 * n_hidden, y - 0.06, 0.16, 0.12)
            n_hidden += 1
        elif entry.shape is not None and not math.isnan(value):
            canvas.mark(x_of(value), y, entry.shape, filled=entry.filled, colour=entry.colour)


def ranges(rows: Sequence[Range], unit: str) -> Picture:
    """Draw the quartiles of each row as a line, with a mark at the median."""
    left = max((text_width(row.label, SMALL) for row in rows), default=0) + 0.15
    right = max((text_width(row.text, SMALL) for row in rows), default=0) + 0.12
    row_height = 0.29
    canvas = Canvas(row_height * len(rows) + 0.36)
    high = max((row.quartiles[2] for row in rows if row.quartiles), default=1.0)
    step = round_step(high / 4)
    top = max(1, math.ceil(high / step - 1e-9)) * step
    width = WIDTH - left - right

    def x_of(value: float) -> float:
        return left + value / top * width

    bottom = row_height * len(rows)
    for i in range(round(top / step) + 1):
        canvas.rule([x_of(i * step)] * 2, [0, bottom], colour=RULE if i else SOFT)
        canvas.text(
            x_of(i * step),
            bottom + 0.11,
            f"{i * step:,.0f}",
            align="center",
            size=SMALL,
            colour=SOFT,
        )
    canvas.text(left + width / 2, bottom + 0.27, unit, align="center", size=SMALL, colour=SOFT)
    for i, row in enumerate(rows):
        y = (i + 0.5) * row_height
        canvas.text(left - 0.1, y, row.label, align="right", size=SMALL)
        if row.quartiles is None:
            canvas.hidden(x_of(0), y - 0.06, 0.4, 0.12)
        else:
            first, median, third = row.quartiles
            canvas.line([x_of(first), x_of(third)], [y, y], colour=ACCENT, width=3.5)
            canvas.mark(x_of(median), y, "o", colour=ACCENT, filled=False)
        canvas.text(WIDTH, y, row.text, align="right", size=SMALL)
    return canvas.picture(shows=any(row.quartiles for row in rows))


def round_step(wanted: float) -> float:
    """Return 1, 2 or 5 times a power of ten, at least as large as the wanted step."""
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(power * each for each in (1, 2, 5, 10) if power * each >= wanted * (1 - 1e-9))
