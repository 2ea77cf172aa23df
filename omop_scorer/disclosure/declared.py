"""Sums and parts between the cells of a run, built from the declarations of the data model."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from omop_scorer.disclosure.cells import Cell
from omop_scorer.disclosure.declarations import Declaration, Target, declarations
from omop_scorer.disclosure.identities import Tables, key_columns

Keys = Mapping[str, str]
"""The word of each key of a cell."""


@dataclass
class _Declared:
    """The cells of a run by the names that declarations have for them."""

    tables: Tables
    rows: dict[str, list[tuple[Cell, Keys]]] = field(default_factory=dict)
    """The known cells of each source, with their keys."""

    def cell(self, target: Target, keys: Keys) -> Cell:
        """Return the cell of a target for rows that share some keys."""
        words = {
            key: keys[word[1:]] if word.startswith("$") else word
            for key, word in target.keys.items()
        }
        if target.is_virtual:
            return (target.name, *words.values())
        table, _, column = target.name.partition(".")
        return (table, column, *({**keys, **words}[key] for key in key_columns(table)))

    def is_ready(self, each: Declaration) -> bool:
        """Return True if the cells that a declaration is about are known."""
        return each.needs <= self.rows.keys()

    def remember(self, target: Target, cell: Cell) -> None:
        """Make a virtual cell known as a source of further declarations."""
        rows = self.rows.setdefault(target.name, [])
        if all(cell != known for known, _ in rows) and cell in self.tables.figures:
            rows.append((cell, dict(zip(target.keys, cell[1:], strict=True))))


def link_declared(tables: Tables) -> None:
    """Link the cells of a run's tables as the data model declares.

    A declaration waits until every virtual cell that it is about has been made.
    """
    declared = _Declared(tables, dict(_rows_of_tables(tables)))
    waiting = _possible(
        declared,
        [each for each in declarations() if each.condition is None or tables.holds(each.condition)],
    )
    while ready := _next(declared, waiting):
        for each in ready:
            _link(declared, each)
        waiting = [each for each in waiting if all(each is not one for one in ready)]


def _possible(declared: _Declared, found: Sequence[Declaration]) -> list[Declaration]:
    """Return the declarations that are about tables of this run, or cells that these make."""
    while True:
        known = declared.rows.keys() | {name for each in found for name in each.makes}
        left = [each for each in found if each.needs <= known]
        if len(left) == len(found):
            return left
        found = left


def _next(declared: _Declared, waiting: Sequence[Declaration]) -> list[Declaration]:
    """Return the declarations to link next: those for which no other one makes a further cell.

    If each waits for another, it is the first of which some cells are known.
    """
    ready = [each for each in waiting if declared.is_ready(each)]
    complete = [
        each
        for each in ready
        if not any(each.needs & other.makes for other in waiting if other is not each)
    ]
    return complete or ready[:1]


def _rows_of_tables(tables: Tables) -> Iterator[tuple[str, list[tuple[Cell, Keys]]]]:
    """Yield each count of the data model with its cells and their keys."""
    for (table, column), cells in tables.counted_cells():
        names = key_columns(table)
        yield (
            f"{table}.{column}",
            [(cell, dict(zip(names, cell[2:], strict=True))) for cell in cells],
        )


def _link(declared: _Declared, each: Declaration) -> None:
    if each.target is None:
        return
    for keys, members in _groups(declared, each).items():
        shared = dict(keys)
        total = declared.cell(each.target, shared)
        if each.is_part:
            rest = _rest(declared, each, shared, total, members)
            if each.rest is not None:
                declared.remember(each.rest, rest)
        else:
            _sum(declared, each, total, members)


def _groups(
    declared: _Declared, each: Declaration
) -> dict[tuple[tuple[str, str], ...], list[Cell]]:
    """Return the cells that meet the conditions, by the keys over which they are not summed."""
    groups: dict[tuple[tuple[str, str], ...], list[Cell]] = {}
    for cell, keys in declared.rows.get(each.source, ()):
        if all(words.hold(keys[key]) for key, words in each.where.items()):
            shared = tuple((key, word) for key, word in keys.items() if key not in each.summed)
            groups.setdefault(shared, []).append(cell)
    return groups


def _sum(declared: _Declared, each: Declaration, total: Cell, members: list[Cell]) -> None:
    figures, target = declared.tables.figures, each.target
    if target is not None and target.is_virtual and total not in figures:
        figures.add_sum(total, members)
        declared.remember(target, total)
    if each.summed:
        figures.declare_sum(total, members)
    else:
        figures.declare_same(total, *members)


def _rest(
    declared: _Declared, each: Declaration, keys: Keys, total: Cell, members: list[Cell]
) -> Cell:
    name: Cell
    if each.rest is not None:
        name = declared.cell(each.rest, keys)
    else:
        name = ("rest", each.source, *total, *(word for pair in keys.items() for word in pair))
    return declared.tables.figures.add_rest(name, total, members)
