"""Links of the curves of persistence: between days, curves of a family, and index treatments.

The columns of `persistence` are no plain sums: between two days, persons at risk become fewer by
those who stopped and those who were censored. Curves by preference have no counts to link.
"""

from collections.abc import Sequence
from itertools import pairwise

from omop_scorer.disclosure.cells import Cell
from omop_scorer.disclosure.identities import Tables
from omop_scorer.disclosure.persistence import CURVES
from omop_scorer.terms import ALL, FIRST_BIOLOGIC


def link_persistence(tables: Tables) -> None:
    """Link the curves of everybody and of the classes."""
    classes = [each for each in tables.values(CURVES, "drug_class", preference=ALL) if each != ALL]
    days = tables.values(CURVES, "days")
    for curve in ((ALL, ALL), *((each, ALL) for each in classes)):
        _link_days(tables, curve, days)
    for day in days:
        for column in ("n_at_risk", "n_stopped"):
            total = _cell(column, (ALL, ALL), day)
            parts = [_cell(column, (each, ALL), day) for each in classes]
            _link_parts(tables, (column, "class", day), total, parts)
    figures = tables.figures
    for given in (ALL, *classes):
        indexed = ("~indexed", ALL, FIRST_BIOLOGIC, given)
        figures.add_rest(("too recent", given), indexed, [_cell("n_at_risk", (given, ALL), "0")])


def _cell(column: str, curve: tuple[str, str], day: str) -> Cell:
    return (CURVES, column, ALL, FIRST_BIOLOGIC, *curve, day)


def _link_days(tables: Tables, curve: tuple[str, str], days: Sequence[str]) -> None:
    """Link persons at risk with those who stopped and were censored since the day before."""
    figures = tables.figures
    known = [day for day in days if _cell("n_at_risk", curve, day) in figures]
    for before, day in pairwise(sorted(known, key=int)):
        stopped = ("stopped", *curve, before, day)
        figures.add_rest(
            stopped, _cell("n_stopped", curve, day), [_cell("n_stopped", curve, before)]
        )
        gone = ("censored", *curve, before, day)
        parts = [_cell("n_at_risk", curve, day), stopped]
        figures.add_rest(gone, _cell("n_at_risk", curve, before), parts)


def _link_parts(tables: Tables, name: Cell, total: Cell, parts: Sequence[Cell]) -> None:
    if all(part in tables.figures for part in parts):
        tables.figures.add_rest(("in no curve", *name), total, parts)
