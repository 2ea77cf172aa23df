"""Choice of the printed counts to hide, so that no small count can be calculated from the others.

A count is small if it is at least 1 and below the minimum. A zero is not small and is always
printed. All small counts are hidden, and as many others as are needed to protect the small ones.
All hidden cells look the same, so a reader cannot tell which of them are small.

Knowledge of the attacker
-------------------------
- Every printed count, every identity `total = sum of members`, the minimum, and these rules.
- Counts are whole numbers. A hidden cell is at least 1, because a zero is never hidden. A virtual
  cell, which no report prints, is at least 0.

A small cell is protected if some table that agrees with this knowledge has the minimum or more in
the cell. The true table agrees too, so at least two values are possible, and one is not small.
Such a table is a proof that addition alone can check. Every small cell has one: the solver only
proposes tables, and each is checked in whole numbers before it is used. An error of the solver can
therefore hide too much, but never too little.

Not covered: a sum or difference of printed counts that is not a cell (add it as a virtual cell);
two reports on the same persons (at two dates, or with two minima, one may print what the other
hides); and a reader who applies these rules to every possible table to find those that lead to
this choice of hidden cells.

The method is cell suppression in linked tables by linear programming, with the absolute change of
a cell as its cost (M. Fischetti and J. J. Salazar, Management Science 2001;47:1008-27; A. Hundepool
and others, Statistical Disclosure Control, Wiley 2012, chapter 4), but in whole numbers.
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

#: A cell in `keep` is hidden only if this saves cells that cost this many times as much.
_KEPT = 100.0

#: A hidden cell can change at almost no cost; a small cost keeps the changes few.
_HIDDEN = 1e-3

#: The solver stops after this many nodes, because a time limit would not be deterministic.
_MAXIMUM_NODES = 2000


@dataclass
class _Table:
    """Cells that are linked through identities.

    Attributes
    ----------
    cells
        Index of each cell in the order of all counts, ascending; shape (c,).
    identities
        1 for the total, -1 for each member; shape (identities, c).
    values, printed, small, prices
        True count; whether the cell is printed, not virtual; whether it is small; cost of hiding
        it; shape (c,) each.
    """

    cells: NDArray[np.intp]
    identities: sparse.csr_array
    values: NDArray[np.int64]
    printed: NDArray[np.bool_]
    small: NDArray[np.bool_]
    prices: NDArray[np.float64]

    def part(self, chosen: NDArray[np.intp]) -> "_Table":
        """Return the table of the chosen cells; the others are taken as unable to change."""
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
    """Return the cells to hide, so that no small count can be calculated from the printed ones.

    The same arguments in the same order give the same cells. Few cells with small counts are
    preferred; among equal cells, those given later.

    Parameters
    ----------
    counts
        True count of every cell, printed or virtual.
    sums
        Identities that a reader knows: a total and its members. A cell may be in several, and a
        total may be a member of another.
    virtual
        Cells that are never printed, such as complements and differences of nested populations.
        Their small counts are protected as well.
    minimum
        The smallest count above zero that is printed; 1 hides nothing.
    keep
        Cells that readers need most, the most needed first. They are hidden last, but protection
        always comes first.

    Raises
    ------
    ValueError
        The minimum is below 1; a cell has no count, or one that is negative or not whole; or an
        identity does not hold (the message names its total). No message contains a count.
    """
    table = _table(counts, sums, virtual, minimum, keep)
    hidden = [
        index
        for linked in _linked(table)
        for index in linked.cells[_hide(linked, minimum)].tolist()
    ]
    names = list(counts)
    return frozenset(names[index] for index in hidden)


def _table(
    counts: Mapping[CellT, int],
    sums: Sequence[tuple[CellT, Sequence[CellT]]],
    virtual: AbstractSet[CellT],
    minimum: int,
    keep: Sequence[CellT],
) -> _Table:
    """Return the whole table after checking the arguments."""
    if minimum < 1:
        raise ValueError(f"minimum: found {minimum}; allowed: 1 or more")
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
    index = {cell: i for i, cell in enumerate(counts)}
    entries = [
        (row, index[cell], sign)
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
        _prices(values, [index[cell] for cell in keep]),
    )


def _prices(values: NDArray[np.int64], keep: Sequence[int]) -> NDArray[np.float64]:
    """Return the cost of hiding each cell: the log of its count, multiplied if it is in `keep`."""
    later_is_cheaper = 1 - 1e-4 * np.arange(len(values)) / max(1, len(values))
    prices = np.log1p(values) * later_is_cheaper
    for rank, kept in enumerate(dict.fromkeys(keep)):
        prices[kept] *= _KEPT * (2 - rank / len(keep))
    return prices


def _linked(table: _Table) -> Iterator[_Table]:
    """Yield the parts of a table that have a small cell and share no identity with each other.

    A printed zero links nothing, because it never changes.
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
    """Return the cells of one linked table to hide, as a mask of shape (c,).

    For each small cell, the smallest first, find the cheapest change of the table that raises the
    cell to the minimum, and hide every cell that it changes. One change may protect several cells.
    Hiding more cells keeps earlier changes possible, so each cell is visited once.
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
    """Return the cheapest change of a table's counts that raises a cell to the minimum.

    The rise and the fall of each cell are two variables of at least 0. Printed cells keep a count
    of at least 1.
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
    # Without the integer constraint the solver is fast, and its result is nearly always whole.
    for is_whole in (False, True):
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
    # This change is always possible: the identities hold for every multiple of the table.
    return table.values * (minimum - 1)


def _is_possible(table: _Table, change: NDArray[np.int64]) -> bool:
    """Return True if all identities and lower bounds hold after a change, in whole numbers."""
    return bool(
        not (table.identities @ change).any()
        and (table.values + change >= table.printed.astype(np.int64)).all()
    )
