"""Choice of the printed counts to hide, so that no small count can be calculated from the others.

A count is small if it is at least 1 and below the minimum. A zero is not small and is always
printed. All small counts are hidden, and as many others as are needed to protect the small ones.
All hidden cells look the same, so a reader cannot tell which of them are small.

Knowledge of the attacker
-------------------------
- Every printed count, every identity `total = sum of members`, the minimum, and these rules.
- Counts are whole numbers. A hidden cell is at least 1, because a zero is never hidden. A virtual
  cell, which no report prints, is at least 0. If counts are rounded, a printed count is any of
  those that are rounded to it.

A small cell is protected if some table that agrees with this knowledge has the minimum or more in
the cell. The true table agrees too, so at least two values are possible, and one is not small.
Such a table is a proof that addition alone can check. Every small cell has one: the solver only
proposes tables, and each is checked in whole numbers before it is used. An error of the solver can
therefore hide too much, but never too little.

Which cells are hidden for the sake of others
---------------------------------------------
Cells below 100 that are not in `keep` come first. Others are hidden only if no table can be found
without them, large ones before those in `keep`, and the first of these last. At the end every cell
that is no longer needed is printed again. The work is bounded by the size of each search, never by
the clock, so the same cells are hidden on every machine.

Not covered: a sum or difference of printed counts that is not a cell (add it as a virtual cell);
two reports on the same persons at two dates; and a reader who applies these rules to every
possible table to find those that lead to this choice of hidden cells.

The method is cell suppression in linked tables by linear programming, with the absolute change of
a cell as its cost (M. Fischetti and J. J. Salazar, Management Science 2001;47:1008-27; A. Hundepool
and others, Statistical Disclosure Control, Wiley 2012, chapter 4), but in whole numbers.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

import numpy as np
from numpy.typing import NDArray

from omop_scorer.disclosure.linked import CellT, Linked, linked
from omop_scorer.disclosure.witness import Change, cheapest_change

#: Cells from this count on are hidden only if smaller ones cannot protect a small cell.
LARGE = 100

#: A first search looks at so many of the cells nearest to the one to be protected.
_NEAR = 250


def protect(
    counts: Mapping[CellT, int],
    sums: Sequence[tuple[CellT, Sequence[CellT]]],
    virtual: AbstractSet[CellT],
    minimum: int,
    keep: Sequence[CellT] = (),
    rounding: int = 1,
    n_last: int = 0,
) -> frozenset[CellT]:
    """Return the cells to hide, so that no small count can be calculated from the printed ones.

    The same arguments in the same order give the same cells.

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
    rounding
        Counts are printed to the nearest multiple of this number; 1 prints them as they are.
    n_last
        So many of the first cells of `keep` are hidden only if no others protect a small count.

    Raises
    ------
    ValueError
        The minimum or the rounding is below 1; a cell has no count, or one that is negative or not
        whole; or an identity does not hold (the message names its total). No message contains a
        count.
    """
    table = linked(counts, sums, virtual, minimum, keep, rounding, n_last)
    hidden = [
        index for part in table.apart() for index in part.cells[_hide(part, minimum)].tolist()
    ]
    names = list(counts)
    return frozenset(names[index] for index in hidden)


def _hide(table: Linked, minimum: int) -> NDArray[np.bool_]:
    """Return the cells of one linked table to hide, as a mask of shape (c,).

    For each small cell, the smallest first, find the cheapest change of the table that raises the
    cell to the minimum, and hide every cell that it changes. One change may protect several cells.
    Hiding more cells keeps earlier changes possible, so each cell is visited once.
    """
    hidden = table.small & table.printed
    proofs: dict[int, Change] = {}
    for cell in np.argsort(table.values, kind="stable").tolist():
        if table.small[cell] and cell not in proofs:
            change = _change(table, hidden, cell, minimum)
            hidden |= table.printed & _is_beyond(table, change)
            raised = np.flatnonzero(table.small & (table.values + change >= minimum))
            for each in raised.tolist():
                proofs.setdefault(each, change)
    _print_again(table, hidden, proofs, minimum)
    return hidden


def _change(table: Linked, hidden: NDArray[np.bool_], cell: int, minimum: int) -> Change:
    """Return a change that raises a cell to the minimum, with as little to hide as can be found."""
    for open_ in _searches(table, hidden):
        for at_most in (_NEAR, len(table.cells)):
            near = table.around(cell, open_, at_most)
            change = cheapest_change(table, hidden, near, cell, minimum)
            if change is not None:
                return change
            if len(near) < at_most:
                break
    # This change is always possible: the identities hold for every multiple of the table.
    return table.values * (minimum - 1)


def _searches(table: Linked, hidden: NDArray[np.bool_]) -> Iterator[NDArray[np.bool_]]:
    """Yield the cells that may change: first without large and needed ones, at last all."""
    free = hidden | ~table.printed | (table.low < table.high)
    yield free | ((table.kept == 0) & (table.values < LARGE))
    yield free | (table.kept == 0)
    if table.kept.max(initial=0) > 1:
        yield free | (table.kept < 2)
    yield np.ones_like(hidden)


def _print_again(
    table: Linked, hidden: NDArray[np.bool_], proofs: dict[int, Change], minimum: int
) -> None:
    """Print every cell again, the dearest first, without which all small cells have a proof."""
    candidates = np.flatnonzero(hidden & ~table.small)
    order = np.lexsort((candidates, -table.prices[candidates], -table.kept[candidates]))
    for cell in candidates[order].tolist():
        hidden[cell] = False
        found = _proofs_without(table, hidden, cell, proofs, minimum)
        if found is None:
            hidden[cell] = True
        else:
            proofs |= found


def _proofs_without(
    table: Linked,
    hidden: NDArray[np.bool_],
    cell: int,
    proofs: Mapping[int, Change],
    minimum: int,
) -> dict[int, Change] | None:
    """Return new proofs of the small cells whose proof changes a cell; None if one has none."""
    found: dict[int, Change] = {}
    open_ = hidden | ~table.printed | (table.low < table.high)
    for small, proof in proofs.items():
        if proof[cell] and _is_beyond(table, proof)[cell] and small not in found:
            near = table.around(small, open_, _NEAR)
            change = cheapest_change(table, hidden, near, small, minimum)
            if change is None or (_is_beyond(table, change) & table.printed & ~hidden).any():
                return None
            found[small] = change
    return found


def _is_beyond(table: Linked, change: Change) -> NDArray[np.bool_]:
    """Return True for each cell that a change would print as another count."""
    changed = table.values + change
    return (changed < table.low) | (changed > table.high)
