"""Search for a table that looks the same in print and in which a small cell is not small."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from omop_scorer.disclosure.linked import Linked

Change = NDArray[np.int64]
"""Difference of each count of a table from the true one; shape (c,)."""

#: A hidden cell can change at almost no cost; a small cost keeps the changes few.
_HIDDEN = 1e-3

#: The solver stops after this many nodes, because a time limit would not be deterministic.
_MAXIMUM_NODES = 200


def cheapest_change(
    table: Linked,
    hidden: NDArray[np.bool_],
    near: NDArray[np.intp],
    cell: int,
    minimum: int,
) -> Change | None:
    """Return the cheapest change of some cells that raises one of them to the minimum.

    Parameters
    ----------
    table
        The linked cells.
    hidden
        True for each cell that is hidden; shape (c,).
    near
        The cells that may change, ascending; all others keep their counts.
    cell
        The cell to raise, one of `near`.
    minimum
        The count that it must reach.

    Returns
    -------
    Change or None
        A change that is possible in whole numbers; None if the search finds none.
    """
    part = table.part(near)
    moves = _moves(part, hidden[near], int(np.searchsorted(near, cell)), minimum)
    identities = part.identities[:, moves.cells] @ sparse.diags_array(moves.signs)
    # Without the integer constraint the solver is fast, and its result is nearly always whole.
    for is_whole in (False, True):
        found = milp(
            moves.prices,
            integrality=np.full(len(moves.prices), is_whole),
            bounds=Bounds(moves.lowest, moves.highest),
            constraints=LinearConstraint(identities, 0, 0) if identities.shape[0] else None,
            options={"presolve": is_whole, "node_limit": _MAXIMUM_NODES},
        )
        if found.x is None:
            if not is_whole:
                return None
            continue
        change = np.zeros(len(table.cells), np.int64)
        np.add.at(change, near[moves.cells], (np.rint(found.x) * moves.signs).astype(np.int64))
        if table.values[cell] + change[cell] >= minimum and is_possible(table, change):
            return change
    return None


@dataclass(frozen=True)
class _Moves:
    """Possible rises and falls of cells; shape (moves,) each.

    Attributes
    ----------
    cells, signs
        The cell that moves; 1 if it rises, -1 if it falls.
    lowest, highest
        How far it must and may move, in persons.
    prices
        Cost of each person.
    """

    cells: NDArray[np.intp]
    signs: NDArray[np.float64]
    lowest: NDArray[np.float64]
    highest: NDArray[np.float64]
    prices: NDArray[np.float64]


def _moves(part: Linked, hidden: NDArray[np.bool_], cell: int, minimum: int) -> _Moves:
    """Return the moves of a table's cells.

    A hidden or virtual cell rises and falls at almost no cost, and so does a rounded cell as far as
    it is printed as the same number. Beyond that, a printed cell pays. Printed cells keep a count
    of at least 1.
    """
    n = len(part.cells)
    is_free = hidden | ~part.printed
    largest_fall = (part.values - part.printed).astype(np.float64)
    free_rise = np.where(is_free, np.inf, part.high - part.values)
    free_fall = np.where(is_free, largest_fall, part.values - part.low)
    paid_rise = np.where(is_free, 0, np.inf)
    paid_fall = largest_fall - free_fall
    lowest = np.zeros(4 * n)
    lowest[cell] = minimum - part.values[cell]
    free_rise[cell], free_fall[cell], paid_rise[cell], paid_fall[cell] = np.inf, 0, 0, 0
    highest = np.concatenate([free_rise, free_fall, paid_rise, paid_fall])
    signs = np.repeat([1.0, -1.0, 1.0, -1.0], n)
    cheap = np.full(n, _HIDDEN)
    prices = np.concatenate([cheap, cheap, part.prices, part.prices])
    used = highest > 0
    cells = np.tile(np.arange(n), 4)
    return _Moves(cells[used], signs[used], lowest[used], highest[used], prices[used])


def is_possible(table: Linked, change: Change) -> bool:
    """Return True if all identities and lower bounds hold after a change, in whole numbers."""
    return bool(
        not (table.identities @ change).any()
        and (table.values + change >= table.printed.astype(np.int64)).all()
    )
