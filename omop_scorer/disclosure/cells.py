"""Cells of a report and the identities between them, from which suppression is worked out.

A cell is a count under a name: the table, the column and the key of the row. Two names for the same
persons are one cell. An identity says that a cell is the sum of others. A virtual cell is a sum or
a difference that is not printed, but that a reader can calculate.
"""

from collections.abc import Iterable, Sequence

from omop_scorer.disclosure.suppression import protect

Cell = tuple[str, ...]


class Figures:
    """The cells of a report and the identities between them.

    An identity is kept only if it holds. The configuration of a run, or a table of an older
    release, can break one; a reader cannot calculate with it then. `broken` names those left out.
    """

    def __init__(self) -> None:
        self._counts: dict[Cell, int] = {}
        self._printed: set[Cell] = set()
        self._sums: list[tuple[Cell, tuple[Cell, ...]]] = []
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

    def declare_sum(self, total: Cell, members: Iterable[Cell]) -> None:
        """Declare that a cell is the sum of others.

        A member that is not known is a row without persons. If the total is not known, nothing is
        declared.
        """
        if total not in self:
            return
        known = [member for member in members if member in self]
        if self[total] != sum(self[member] for member in known):
            self.broken.append(total)
        elif known:
            self._sums.append((total, tuple(known)))

    def add_sum(self, name: Cell, members: Iterable[Cell]) -> Cell:
        """Add the sum of cells as a virtual cell and return its name."""
        known = [member for member in members if member in self]
        if known:
            self.add(name, sum(self[member] for member in known), is_printed=False)
            self.declare_sum(name, known)
        return name

    def add_rest(self, name: Cell, total: Cell, members: Iterable[Cell]) -> Cell:
        """Add a cell minus some of its parts as a virtual cell and return its name.

        A rest below 0 means that the others are not parts of the cell; then nothing is added.
        """
        if total in self:
            known = [member for member in members if member in self]
            rest = self[total] - sum(self[member] for member in known)
            if rest < 0:
                self.broken.append(name)
            elif known:
                self.add(name, rest, is_printed=False)
                self.declare_sum(total, (*known, name))
        return name

    def hide(self, minimum: int, keep: Sequence[Cell] = ()) -> "Hidden":
        """Return the cells that must not be printed.

        Parameters
        ----------
        minimum
            The smallest count above zero that is printed.
        keep
            The cells that readers need most, the most needed first.
        """
        self._join_single_members()
        sums: dict[tuple[Cell, tuple[Cell, ...]], None] = {}
        for total, members in self._sums:
            names = (self.name(total), tuple(map(self.name, members)))
            if names[1] != (names[0],):
                sums[names] = None
        hidden = protect(
            self._counts,
            list(sums),
            self._counts.keys() - self._printed,
            minimum,
            list(dict.fromkeys(self.name(cell) for cell in keep if cell in self)),
        )
        return Hidden(self, hidden)

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
    """The cells that must not be printed, found under any of their names."""

    def __init__(self, figures: Figures, cells: frozenset[Cell]) -> None:
        self._figures = figures
        self._cells = cells

    def __contains__(self, cell: Cell) -> bool:
        return self._figures.name(cell) in self._cells

    def __or__(self, other: "Hidden") -> "Hidden":
        return Hidden(self._figures, self._cells | other._cells)
