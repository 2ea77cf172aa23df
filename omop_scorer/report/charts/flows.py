"""Flow charts: exclusions step by step, and the class given after each index class."""

from collections.abc import Sequence
from dataclasses import dataclass

from omop_scorer.report.charts.canvas import (
    ACCENT,
    HIDDEN_LINE,
    INK,
    LINE,
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
class Step:
    """A step at which persons are excluded; a number of None is not shown."""

    remaining: str
    n_persons: int | None
    reason: str
    n_excluded: int | None


@dataclass(frozen=True)
class Node:
    """A node of a flow; a size of None is not shown."""

    label: str
    size: int | None
    look: Look
    text: str


def attrition(steps: Sequence[Step]) -> Picture:
    """Draw the persons who remain from top to bottom, and those excluded to the right."""
    tall, gap = 0.46, 0.36
    canvas = Canvas(tall * len(steps) + gap * (len(steps) - 1) + 0.04)
    left = 2.1
    for i, step in enumerate(steps):
        y = 0.02 + i * (tall + gap)
        is_end = i in (0, len(steps) - 1)
        look = Look(ACCENT if is_end else "#efedf7")
        canvas.box(0.01, y, left, tall, look, edge=ACCENT)
        text = "not shown" if step.n_persons is None else f"{step.n_persons:,}"
        canvas.text(left / 2, y + 0.15, text, align="center", bold=True, colour=look.ink, size=10)
        canvas.text(left / 2, y + 0.33, step.remaining, align="center", size=SMALL, colour=look.ink)
        if i == 0:
            continue
        middle = y - gap / 2
        canvas.arrow(left / 2, y - gap, left / 2, y - 0.01)
        canvas.line([left / 2, left + 0.2], [middle, middle], colour=SOFT, width=1.1)
        canvas.arrow(left / 2, middle, left + 0.25, middle)
        number = "not shown" if step.n_excluded is None else f"{step.n_excluded:,}"
        canvas.text(left + 0.33, middle, number, bold=True, colour=INK if step.n_excluded else SOFT)
        offset = left + 0.33 + text_width(number, bold=True) + 0.1
        lines = wrap(step.reason, WIDTH - offset, SMALL)
        for k, text in enumerate(lines):
            line = middle + LINE * (k - (len(lines) - 1) / 2)
            canvas.text(offset, line, text, size=SMALL, colour=SOFT)
    numbers = [n for step in steps for n in (step.n_persons, step.n_excluded)]
    return canvas.picture(shows=any(n is not None for n in numbers))


def flow(
    sources: Sequence[Node], targets: Sequence[Node], links: Sequence[Sequence[int | None]]
) -> Picture:
    """Draw bands from sources (left) to targets (right), as thick as their number of persons.

    `links` has one row per source with one number per target. A number of None is drawn as a dotted
    line.
    """
    left = max((_label_width(node) for node in sources), default=0.5) + 0.1
    right = WIDTH - max((_label_width(node) for node in targets), default=0.5) - 0.1
    thin, least = 0.13, 0.06
    # Every node needs room for two lines of text, however small it is.
    room = 0.42
    columns = list(zip(*links, strict=True))
    # A node whose size is not shown is at least as large as its bands.
    sizes = [
        [
            max(node.size or 0, sum(filter(None, through)))
            for node, through in zip(*side, strict=True)
        ]
        for side in ((sources, links), (targets, columns))
    ]
    scale = 2.5 / max(1, *(sum(side) for side in sizes))
    talls = [[max(least, size * scale) for size in side] for side in sizes]
    stacks = [_stack(side, room) for side in talls]
    height = max(end for _, end in stacks) + 0.04
    canvas = Canvas(height)
    # The shorter side is centred.
    tops = [[y + (height - end) / 2 for y in ys] for ys, end in stacks]
    taken = [list(tops[0]), list(tops[1])]
    for i, source in enumerate(sources):
        for j in range(len(targets)):
            n = links[i][j]
            if n is None:
                ends = [tops[0][i] + least / 2, tops[1][j] + least / 2]
                canvas.line(
                    [left + thin, right - thin], ends, colour=HIDDEN_LINE, width=0.8, style=":"
                )
            elif n:
                thick = n * scale
                begin, end = taken[0][i], taken[1][j]
                canvas.band(
                    (left + thin, begin, begin + thick),
                    (right - thin, end, end + thick),
                    source.look,
                )
                taken[0][i] += thick
                taken[1][j] += thick
    for side, x, sign in ((0, left, -1), (1, right - thin, 1)):
        nodes = (sources, targets)[side]
        for node, y, tall in zip(nodes, tops[side], talls[side], strict=True):
            if node.size is None:
                canvas.hidden(x, y, thin, tall)
            else:
                canvas.box(x, y, thin, tall, node.look)
            edge = x - 0.07 if sign < 0 else x + thin + 0.07
            align = "right" if sign < 0 else "left"
            lines = [*_lines(node), node.text]
            middle = max(y + tall / 2, 0.1 + LINE / 2 * (len(lines) - 1))
            for k, text in enumerate(lines):
                canvas.text(
                    edge,
                    middle + LINE * (k - (len(lines) - 1) / 2),
                    text,
                    align=align,
                    size=SMALL,
                    colour=SOFT if k == len(lines) - 1 else INK,
                    bold=k < len(lines) - 1,
                )
    return canvas.picture(shows=any(node.size is not None for node in (*sources, *targets)))


def _lines(node: Node) -> list[str]:
    return wrap(node.label, 1.25, SMALL)


def _label_width(node: Node) -> float:
    return max(
        *(text_width(text, SMALL, bold=True) for text in _lines(node)),
        text_width(node.text, SMALL),
    )


def _stack(talls: Sequence[float], room: float) -> tuple[list[float], float]:
    """Return the top of each node, one below the other, and the bottom of the last one."""
    tops, y = [], 0.06
    for tall in talls:
        slack = max(0.0, room - tall)
        tops.append(y + slack / 2)
        y += tall + slack + 0.1
    return tops, y - 0.1 + 0.06
