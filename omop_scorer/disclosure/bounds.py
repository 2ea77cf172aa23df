"""Bounds of hidden counts, worked out from nothing but what is printed.

A reader who knows the identities can calculate these bounds, so to print them tells nothing new:
they are the same for every run that prints the same counts. They are worked out by addition alone:
a member of a sum is at most what the least possible others leave of it, and so on until nothing
gets narrower. They may be wider than what a reader finds with linear programming, never narrower.

Bounds are shown if they are wide enough to be safe:
- if a small count is possible, every small count and the minimum must be possible;
- otherwise they must be at least as wide as the minimum.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

import numpy as np
from numpy.typing import NDArray

from omop_scorer.disclosure.linked import CellT

#: Rounds of narrowing; each can use what the one before found.
_ROUNDS = 12

_NO_END = np.int64(2**40)


def bounds_of(
    printed: Mapping[CellT, tuple[int, int]],
    hidden: AbstractSet[CellT],
    virtual: AbstractSet[CellT],
    sums: Sequence[tuple[CellT, Sequence[CellT]]],
) -> dict[CellT, tuple[int, int | None]]:
    """Return the lowest and the highest possible count of each hidden cell; None without end.

    Parameters
    ----------
    printed
        Lowest and highest count that each printed cell may have: twice the same, unless rounded.
    hidden, virtual
        Cells that are at least 1, and cells that are at least 0.
    sums
        Identities that a reader is sure of: a total and its members.
    """
    cells = [*printed, *hidden, *virtual]
    index = {cell: i for i, cell in enumerate(cells)}
    low = np.array([*(p[0] for p in printed.values()), *[1] * len(hidden), *[0] * len(virtual)])
    high = np.array(
        [*(p[1] for p in printed.values()), *[_NO_END] * (len(hidden) + len(virtual))], np.int64
    )
    groups = [
        (index[total], np.array([index[each] for each in members]))
        for total, members in sums
        if any(high[index[each]] > low[index[each]] for each in (total, *members))
    ]
    for _ in range(_ROUNDS):
        before = low.sum(), high.sum()
        for total, members in groups:
            _narrow(low, high, total, members)
        if (low.sum(), high.sum()) == before:
            break
    return {cell: _ends(low, high, index[cell]) for cell in hidden}


def _narrow(
    low: NDArray[np.int64], high: NDArray[np.int64], total: int, members: NDArray[np.int64]
) -> None:
    """Narrow the bounds of a total by those of its members, and theirs by it and each other."""
    least, most = low[members].sum(), min(high[members].sum(), _NO_END)
    low[total], high[total] = max(low[total], least), min(high[total], most)
    if most < _NO_END:
        low[members] = np.maximum(low[members], low[total] - (most - high[members]))
    high[members] = np.minimum(high[members], high[total] - (least - low[members]))


def _ends(low: NDArray[np.int64], high: NDArray[np.int64], cell: int) -> tuple[int, int | None]:
    return int(low[cell]), None if high[cell] >= _NO_END else int(high[cell])


def is_wide(low: int, high: int | None, minimum: int) -> bool:
    """Return True if bounds are wide enough to be shown."""
    if high is None:
        return False
    if low < minimum:
        return low <= 1 and high >= minimum
    return high - low >= minimum


def shown_bounds(
    bounds: Iterable[tuple[CellT, tuple[int, int | None]]], minimum: int
) -> dict[CellT, tuple[int, int]]:
    """Return the bounds that are wide enough to be shown."""
    return {
        cell: (low, high)
        for cell, (low, high) in bounds
        if high is not None and is_wide(low, high, minimum)
    }
