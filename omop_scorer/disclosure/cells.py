"""Cells of a report and the identities between them, from which suppression is worked out.

A cell is a count under a name: the table, the column and the key of the row. Two names for the same
persons are one cell. An identity says that a cell is the sum of others. A virtual cell is a sum or
a difference that is not printed, but that a reader can calculate.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from omop_scorer.disclosure.bounds import bounds_of, shown_bounds
from omop_scorer.disclosure.linked import rounded_ends
from omop_scorer.disclosure.suppression import protect

Cell = tuple[str, ...]

Bounds = tuple[int, int]
"""The lowest and the highest count that a hidden cell may have."""


class Figures:
    """The cells of a report and the identities between them.

    An identity is kept only if it holds. The configuration of a run, or a table of an older
    release, can break one; a reader cannot calculate with it then. `broken` names those left out.
    """

    def __init__(self) -> None:
        self._counts: dict[Cell, int] = {}
        self._printed: set[Cell] = set()
        self._sums: list[tuple[Cell, tuple[Cell, ...]]] = []
        self._uncertain: set[tuple[Cell, tuple[Cell, ...]]] = set()
        self._alias: dict[Cell, Cell] = {}
        self.broken: list[Cell] = []

    def __contains__(self, cell: Cell) -> bool:
        return self.name(cell) in self._counts

    def __getitem__(self, cell: Cell) -> int:
        return self._counts[self.name(cell)]

    def count(self, cell: Cell) -> int:
        """Return the count of a cell; 0 if the cell is not known."""
        return self._counts.get(self.name(cell), 0)

    def add(self, cell: Cell, count: int, *, is_printed: bool = True) -> Cell:
        """Add a count and return its name; a cell that is already known keeps its count."""
        name = self.name(cell)
        self._counts.setdefault(name, count)
        if is_printed:
            self._printed.add(name)
        return cell

    def declare_same(self, *cells: Cell) -> None:
        """Declare that several names count the same persons; names not known are ignored."""
        known = [cell for cell in cells if cell in self]
        for cell in known[1:]:
            first, other = self.name(known[0]), self.name(cell)
            if first == other:
                continue
            if self._counts[first] != self._counts[other]:
                self.broken.append(cell)
                continue
            self._alias[other] = first
            del self._counts[other]
            if other in self._printed:
                self._printed.remove(other)
                self._printed.add(first)

    def declare_sum(self, total: Cell, members: Iterable[Cell], *, is_certain: bool = True) -> None:
        """Declare that a cell is the sum of others.

        A member that is not known is a row without persons. If the total is not known, nothing is
        declared. `is_certain` is False for a sum that holds in this run, as a reader may guess, but
        need not hold: no bounds are worked out from it.
        """
        if total not in self:
            return
        known = [member for member in members if member in self]
        if self[total] != sum(self[member] for member in known):
            self.broken.append(total)
        elif known:
            self._sums.append((total, tuple(known)))
            if not is_certain:
                self._uncertain.add(self._sums[-1])

    def add_sum(self, name: Cell, members: Iterable[Cell]) -> Cell:
        """Add the sum of cells as a virtual cell and return its name."""
        known = [member for member in members if member in self]
        if known:
            self.add(name, sum(self[member] for member in known), is_printed=False)
            self.declare_sum(name, known)
        return name

    def add_rest(
        self, name: Cell, total: Cell, members: Iterable[Cell], *, is_certain: bool = True
    ) -> Cell:
        """Add a cell minus some of its parts as a virtual cell and return its name.

        A rest below 0 means that the others are not parts of the cell; then nothing is added.
        `is_certain` is that of `declare_sum`.
        """
        if total in self:
            known = [member for member in members if member in self]
            rest = self[total] - sum(self[member] for member in known)
            if rest < 0:
                self.broken.append(name)
            elif known:
                self.add(name, rest, is_printed=False)
                self.declare_sum(total, (*known, name), is_certain=is_certain)
        return name

    def hide(
        self,
        minimum: int,
        keep: Sequence[Cell] = (),
        rounding: int = 1,
        followed: Sequence[Cell] = (),
    ) -> "Hidden":
        """Return the cells that must not be printed.

        Parameters
        ----------
        minimum
            The smallest count above zero that is printed.
        keep
            The cells that readers need most, the most needed first.
        rounding
            Counts are printed to the nearest multiple of this number.
        followed
            The cells that are needed even more: their shares are followed over runs.
        """
        self._join_single_members()
        last = dict.fromkeys(self.name(cell) for cell in followed if cell in self)
        kept = dict.fromkeys(self.name(cell) for cell in keep if cell in self)
        hidden = protect(
            self._counts,
            self._named_sums(),
            self._counts.keys() - self._printed,
            minimum,
            list(last | kept),
            rounding,
            len(last),
        )
        return Hidden((self, hidden))

    def bounds(self, hidden: "Hidden", minimum: int, rounding: int = 1) -> dict[Cell, Bounds]:
        """Return the bounds of the hidden cells that may be shown, by the names of `name`."""
        self._join_single_members()
        unseen = {cell for cell in self._printed if cell in hidden}
        seen = [cell for cell in self._counts if cell in self._printed and cell not in unseen]
        values = np.array([self._counts[cell] for cell in seen], np.int64)
        ends = zip(*rounded_ends(values, minimum, rounding), strict=True)
        found = bounds_of(
            {cell: (int(low), int(high)) for cell, (low, high) in zip(seen, ends, strict=True)},
            unseen,
            self._counts.keys() - self._printed,
            self._named_sums(is_certain=True),
        )
        return shown_bounds(found.items(), minimum)

    def _named_sums(self, *, is_certain: bool = False) -> list[tuple[Cell, tuple[Cell, ...]]]:
        """Return the sums by the names of `name`, each once."""
        sums: dict[tuple[Cell, tuple[Cell, ...]], None] = {}
        for each in self._sums:
            if not (is_certain and each in self._uncertain):
                total, members = self.name(each[0]), tuple(map(self.name, each[1]))
                if members != (total,):
                    sums[total, members] = None
        return list(sums)

    def _join_single_members(self) -> None:
        """Treat a sum and its only member as one cell if all other members are printed zeros."""
        has_changed = True
        while has_changed:
            has_changed = False
            for total, members in self._sums:
                rest = [m for m in members if self[m] or self.name(m) not in self._printed]
                if len(rest) == 1 and self.name(rest[0]) != self.name(total):
                    self.declare_same(total, rest[0])
                    has_changed = True

    def cells(self) -> list[Cell]:
        """Return every cell, each under one of its names."""
        return list(self._counts)

    def name(self, cell: Cell) -> Cell:
        """Return the name under which a cell is kept, given any of its names."""
        while cell in self._alias:
            cell = self._alias[cell]
        return cell


class Hidden:
    """The cells that must not be printed, found under any of their names.

    Parameters
    ----------
    parts
        Hidden cells, each time with the cells among which they have their names.
    """

    def __init__(self, *parts: tuple[Figures, frozenset[Cell]]) -> None:
        self._parts = parts

    def __contains__(self, cell: Cell) -> bool:
        return any(figures.name(cell) in cells for figures, cells in self._parts)

    def __or__(self, other: "Hidden") -> "Hidden":
        return Hidden(*self._parts, *other._parts)
