"""Disclosure control: which of the printed counts must be hidden so that no small one leaks.

A count is small when it is at least 1 and below the minimum; a zero is not small and is always
printed. Small counts are hidden, and so are as many others as it takes that none of the small
ones can be recalculated. One mark stands for every hidden cell, so a reader cannot tell which.

What the attacker knows
-----------------------
- Every printed count, every identity `total = sum of members`, the minimum, and these rules.
- Counts are whole numbers. A hidden cell is at least 1, because a zero is never hidden. A virtual
  cell, which no report prints, is at least 0.

A small cell is protected when some table that agrees with all of this has the minimum or more in
it. The true table agrees too, so at least two values are then possible, one of them not small.
Such a table is a proof that can be checked by addition alone, and here every small cell has one:
the solver only proposes tables, and none counts before it was checked in whole numbers. A solver
that errs can therefore hide too much, never too little.

Not covered: a sum or a difference of printed counts that is not a cell (add it as a virtual one),
two reports on the same persons (at two dates, or with two minima, what one hides the other may
print), and a reader who runs these rules on every possible table to see which of them gives this
very choice of hidden cells.

The method is the linear one for linked tables with the cost of a cell's absolute change
(M. Fischetti and J. J. Salazar, Management Science 2001;47:1008-27; A. Hundepool and others,
Statistical Disclosure Control, Wiley 2012, chapter 4), but in whole numbers.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse.csgraph import connected_components

CellT = TypeVar("CellT", bound=Hashable)

#: A kept cell is hidden only if that spares cells of this many times its cost.
_KEPT = 100.0

#: A hidden cell may change almost for nothing; the little keeps changes short.
_HIDDEN = 1e-3

#: The solver's search ends after so many nodes: a limit on time would not be deterministic.
_MAXIMUM_NODES = 2000


@dataclass
class _Table:
    """Cells that are linked through identities.

    Attributes
    ----------
    cells
        Where the cells stand in the order of all counts, ascending (c).
    identities
        1 for the total, -1 for each member; identities x cells.
    values, printed, small, prices
        True count; whether the cell is one to print; whether it is small; what hiding it costs (c).
    """

    cells: NDArray[np.intp]
    identities: sparse.csr_array
    values: NDArray[np.int64]
    printed: NDArray[np.bool_]
    small: NDArray[np.bool_]
    prices: NDArray[np.float64]

    def part(self, chosen: NDArray[np.intp]) -> "_Table":
        """Return the table of the chosen cells only; the others cannot change."""
        columns = self.identities[:, chosen]
        return _Table(
            self.cells[chosen],
            columns[np.flatnonzero(np.diff(columns.indptr))],
            self.values[chosen],
            self.printed[chosen],
            self.small[chosen],
            self.prices[chosen],
        )


def protect(
    counts: Mapping[CellT, int],
    sums: Sequence[tuple[CellT, Sequence[CellT]]],
    virtual: AbstractSet[CellT],
    minimum: int,
    keep: Sequence[CellT] = (),
) -> frozenset[CellT]:
    """Return the cells to hide so that no small count can be recalculated from what is printed.

    The same arguments in the same order give the same cells. The choice is for few cells, of small
    counts, and among equals for those given later.

    Parameters
    ----------
    counts
        True count of every cell, printed or virtual.
    sums
        Identities that a reader knows: a total and its members. A cell may be in many, and a total
        may be a member of another.
    virtual
        Cells that are never printed, such as complements and differences of nested populations;
        their small counts must not be recalculable either.
    minimum
        The smallest count above zero that is printed; 1 hides nothing.
    keep
        Cells that readers need most, the most needed first: hidden last, but never printed at the
        cost of protection.

    Raises
    ------
    ValueError
        A minimum below 1; a cell without a count, or whose count is negative or not whole; an
        identity that does not hold, named by its total. No message holds a count.
    """
    table = _table(counts, sums, virtual, minimum, keep)
    hidden = [
        place
        for linked in _linked(table)
        for place in linked.cells[_hide(linked, minimum)].tolist()
    ]
    names = list(counts)
    return frozenset(names[place] for place in hidden)


def _table(
    counts: Mapping[CellT, int],
    sums: Sequence[tuple[CellT, Sequence[CellT]]],
    virtual: AbstractSet[CellT],
    minimum: int,
    keep: Sequence[CellT],
) -> _Table:
    """Return the whole table, its identities checked."""
    if minimum < 1:
        raise ValueError(f"minimum {minimum}; allowed: 1 or more")
    for cell, count in counts.items():
        if count < 0 or count != int(count):
            raise ValueError(f"cell {cell!r} has no whole number of at least 0")
    for what, named in (("virtual", virtual), ("keep", keep)):
        if any(cell not in counts for cell in named):
            raise ValueError(f"{what} names a cell that has no count")
    for total, members in sums:
        if any(cell not in counts for cell in (total, *members)):
            raise ValueError(f"the sum for {total!r} names a cell that has no count")
        if counts[total] != sum(counts[member] for member in members):
            raise ValueError(f"the sum for {total!r} does not hold")
    place = {cell: i for i, cell in enumerate(counts)}
    entries = [
        (row, place[cell], sign)
        for row, (total, members) in enumerate(sums)
        for cell, sign in ((total, 1), *((member, -1) for member in members))
    ]
    rows, columns, signs = np.array(entries, np.int64).reshape(-1, 3).T
    values = np.fromiter(counts.values(), np.int64, len(counts))
    return _Table(
        np.arange(len(counts)),
        sparse.csr_array((signs, (rows, columns)), shape=(len(sums), len(counts))),
        values,
        np.array([cell not in virtual for cell in counts], np.bool_),
        (values > 0) & (values < minimum),
        _prices(values, [place[cell] for cell in keep]),
    )


def _prices(values: NDArray[np.int64], keep: Sequence[int]) -> NDArray[np.float64]:
    """Return what hiding a cell costs: its size on a log scale, many times more if kept."""
    later_is_cheaper = 1 - 1e-4 * np.arange(len(values)) / max(1, len(values))
    prices = np.log1p(values) * later_is_cheaper
    for rank, kept in enumerate(dict.fromkeys(keep)):
        prices[kept] *= _KEPT * (2 - rank / len(keep))
    return prices


def _linked(table: _Table) -> Iterator[_Table]:
    """Yield the parts of a table that have a small cell and share no identity with each other.

    A printed zero links nothing: it never changes.
    """
    table = table.part(np.flatnonzero((table.values > 0) | ~table.printed))
    rows, columns = table.identities.nonzero()
    size = len(table.cells) + table.identities.shape[0]
    links = sparse.csr_array(
        (np.ones(len(rows)), (columns, len(table.cells) + rows)), shape=(size, size)
    )
    number, groups = connected_components(links, directed=False)
    for group in range(number):
        linked = table.part(np.flatnonzero(groups[: len(table.cells)] == group))
        if linked.small.any():
            yield linked


def _hide(table: _Table, minimum: int) -> NDArray[np.bool_]:
    """Return which cells of one linked table to hide.

    Cell by cell, the smallest first, the cheapest change of the table that lifts a small cell to
    the minimum is looked for, and what it changes is hidden. One change may lift many cells.
    Hiding more takes nothing away from what was possible before, so no cell is looked at twice.
    """
    hidden = table.small & table.printed
    protected = ~table.small
    for cell in np.argsort(table.values, kind="stable"):
        if not protected[cell]:
            change = _cheapest_change(table, hidden, int(cell), minimum)
            hidden |= (change != 0) & table.printed
            protected |= table.values + change >= minimum
    return hidden


def _cheapest_change(
    table: _Table, hidden: NDArray[np.bool_], cell: int, minimum: int
) -> NDArray[np.int64]:
    """Return the cheapest change of a table's counts after which a cell has the minimum.

    Each cell's rise and fall are two variables that are at least 0. Printed cells keep at least 1.
    """
    lowest_rise = np.zeros(len(table.values))
    highest_fall = (table.values - table.printed).astype(np.float64)
    lowest_rise[cell], highest_fall[cell] = minimum - table.values[cell], 0
    prices = np.where(hidden | ~table.printed, _HIDDEN, table.prices)
    bounds = Bounds(
        np.concatenate([lowest_rise, np.zeros(len(prices))]),
        np.concatenate([np.full(len(prices), np.inf), highest_fall]),
    )
    identities = sparse.hstack([table.identities, -table.identities], format="csr")
    for is_whole in (False, True):  # without whole numbers it is fast, and nearly always whole
        found = milp(
            np.tile(prices, 2),
            integrality=np.full(2 * len(prices), is_whole),
            bounds=bounds,
            constraints=LinearConstraint(identities, 0, 0),
            options={"presolve": is_whole, "node_limit": _MAXIMUM_NODES},
        )
        if found.x is not None:
            rise, fall = np.split(np.rint(found.x).astype(np.int64), 2)
            change: NDArray[np.int64] = rise - fall
            if change[cell] >= lowest_rise[cell] and _is_possible(table, change):
                return change
    # Always possible: the identities hold for every multiple of the table.
    return table.values * (minimum - 1)


def _is_possible(table: _Table, change: NDArray[np.int64]) -> bool:
    """Return whether all identities and lower bounds hold after a change, in whole numbers."""
    return bool(
        not (table.identities @ change).any()
        and (table.values + change >= table.printed.astype(np.int64)).all()
    )
