"""Cells that are linked through sums, as arrays, and parts of them that stand by themselves."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import breadth_first_order, connected_components

CellT = TypeVar("CellT", bound=Hashable)

#: No cell costs more, so that prices stay within the digits of the solver.
_HIGHEST_PRICE = 1e5


@dataclass(frozen=True)
class Linked:
    """Cells that are linked through identities.

    Attributes
    ----------
    cells
        Index of each cell in the order of all counts, ascending; shape (c,).
    identities
        1 for the total, -1 for each member; shape (identities, c).
    values, printed, small
        True count; if the cell is printed, not virtual; if it is small; shape (c,) each.
    low, high
        Lowest and highest count that a reader takes a printed cell for; shape (c,) each. Both are
        the count itself, unless counts are rounded.
    prices
        Cost of hiding a cell; shape (c,).
    kept
        1 for the cells that are hidden last, 2 for the very last of them, 0 for others; shape (c,).
    """

    cells: NDArray[np.intp]
    identities: sparse.csr_array
    values: NDArray[np.int64]
    printed: NDArray[np.bool_]
    small: NDArray[np.bool_]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    prices: NDArray[np.float64]
    kept: NDArray[np.int8]

    def part(self, chosen: NDArray[np.intp]) -> "Linked":
        """Return the table of the chosen cells; the others are taken as unable to change."""
        columns = self.identities[:, chosen]
        return Linked(
            self.cells[chosen],
            columns[np.flatnonzero(np.diff(columns.indptr))],
            self.values[chosen],
            self.printed[chosen],
            self.small[chosen],
            self.low[chosen],
            self.high[chosen],
            self.prices[chosen],
            self.kept[chosen],
        )

    def around(self, cell: int, open_: NDArray[np.bool_], at_most: int) -> NDArray[np.intp]:
        """Return the cells nearest to one of them, ascending, through cells that may change.

        Parameters
        ----------
        cell
            The cell.
        open_
            True for each cell that may change; shape (c,).
        at_most
            The largest number of cells.
        """
        chosen = np.flatnonzero(open_)
        graph = _graph(self.identities[:, chosen])
        start = int(np.searchsorted(chosen, cell))
        order = breadth_first_order(graph, start, directed=False, return_predecessors=False)
        found = order[order < len(chosen)][:at_most]
        nearest: NDArray[np.intp] = np.sort(chosen[found])
        return nearest

    def apart(self) -> Iterator["Linked"]:
        """Yield the parts with a small cell that share no identity with each other.

        A printed zero links nothing, because it never changes.
        """
        table = self.part(np.flatnonzero((self.values > 0) | ~self.printed))
        number, groups = connected_components(_graph(table.identities), directed=False)
        has_small = np.zeros(number, np.bool_)
        has_small[groups[: len(table.cells)][table.small]] = True
        for group in np.flatnonzero(has_small):
            yield table.part(np.flatnonzero(groups[: len(table.cells)] == group))


def _graph(identities: sparse.csr_array) -> sparse.csr_array:
    """Return the graph of the cells, first, and the identities that hold them."""
    rows, columns = identities.nonzero()
    n = identities.shape[1]
    size = n + identities.shape[0]
    return sparse.csr_array((np.ones(len(rows)), (columns, n + rows)), shape=(size, size))


def linked(
    counts: Mapping[CellT, int],
    sums: Sequence[tuple[CellT, Sequence[CellT]]],
    virtual: AbstractSet[CellT],
    minimum: int,
    keep: Sequence[CellT],
    rounding: int,
    n_last: int,
) -> Linked:
    """Return cells as arrays after checking them; the arguments are those of `protect`.

    Raises
    ------
    ValueError
        As in `protect`.
    """
    _check(counts, sums, virtual, minimum, keep, rounding)
    index = {cell: i for i, cell in enumerate(counts)}
    entries = [
        (row, index[cell], sign)
        for row, (total, members) in enumerate(sums)
        for cell, sign in ((total, 1), *((member, -1) for member in members))
    ]
    rows, columns, signs = np.array(entries, np.int64).reshape(-1, 3).T
    values = np.fromiter(counts.values(), np.int64, len(counts))
    printed = np.array([cell not in virtual for cell in counts], np.bool_)
    low, high = rounded_ends(values, minimum, rounding)
    kept = [index[cell] for cell in dict.fromkeys(keep)]
    level = np.zeros(len(counts), np.int8)
    level[kept] = 1
    level[kept[:n_last]] = 2
    return Linked(
        np.arange(len(counts)),
        sparse.csr_array((signs, (rows, columns)), shape=(len(sums), len(counts))),
        values,
        printed,
        (values > 0) & (values < minimum),
        low,
        high,
        _prices(values, kept),
        level,
    )


def rounded(values: NDArray[np.int64], rounding: int) -> NDArray[np.int64]:
    """Return counts as they are printed: to the nearest multiple of `rounding`, halves upward."""
    return (values + rounding // 2) // rounding * rounding


def rounded_count(n: int, rounding: int) -> int:
    """Return a count as it is printed."""
    return (n + rounding // 2) // rounding * rounding


def rounded_ends(
    values: NDArray[np.int64], minimum: int, rounding: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the lowest and the highest count that is printed as each of these counts is.

    A zero is printed as it is, and no other count below the minimum is printed.
    """
    low = rounded(values, rounding) - rounding // 2
    high = low + rounding - 1
    is_zero = values == 0
    return (
        np.where(is_zero, 0, np.minimum(values, np.maximum(low, minimum))),
        np.where(is_zero, 0, high),
    )


def _check(
    counts: Mapping[CellT, int],
    sums: Sequence[tuple[CellT, Sequence[CellT]]],
    virtual: AbstractSet[CellT],
    minimum: int,
    keep: Sequence[CellT],
    rounding: int,
) -> None:
    for name, number in (("minimum", minimum), ("rounding", rounding)):
        if number < 1:
            raise ValueError(f"{name}: found {number}; allowed: 1 or more")
    for cell, count in counts.items():
        if count < 0 or count != int(count):
            raise ValueError(f"the count of {cell!r} must be a whole number of 0 or more")
    for argument, cells in (("virtual", virtual), ("keep", keep)):
        if any(cell not in counts for cell in cells):
            raise ValueError(f"{argument} names a cell that has no count")
    for total, members in sums:
        if any(cell not in counts for cell in (total, *members)):
            raise ValueError(f"the sum for {total!r} names a cell that has no count")
        if counts[total] != sum(counts[member] for member in members):
            raise ValueError(f"the sum for {total!r} does not hold")


def _prices(values: NDArray[np.int64], kept: Sequence[int]) -> NDArray[np.float64]:
    """Return the cost of hiding each cell: its count, up to a limit; more if it is kept."""
    later_is_cheaper = 1 - 1e-4 * np.arange(len(values)) / max(1, len(values))
    prices: NDArray[np.float64] = np.minimum(values + 5.0, _HIGHEST_PRICE) * later_is_cheaper
    for rank, cell in enumerate(kept):
        prices[cell] *= 2 - rank / len(kept)
    return prices
