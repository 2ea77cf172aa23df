"""Identities of the records that belong to concept sets by a mapping or by their source concept."""

from collections.abc import Callable

from omop_scorer.disclosure import coded
from omop_scorer.disclosure.cells import Cell
from omop_scorer.disclosure.identities import N_COHORT, Tables
from omop_scorer.terms import COHORT, MAPPING_MEASURES

_QUALITY = "covariate_quality"

#: Shipped concept sets that together are another one.
_PARTS = {"biologic_anti_tnf": ("adalimumab", "infliximab", "certolizumab_pegol")}


def link_mapped(tables: Tables, state: Callable[[str, str], Cell]) -> None:
    """Link the persons with the others of the cohort, and a concept set with its parts.

    A reader of `exact` numbers can subtract them. The persons of the disease itself are not only
    those of the cohort. Parts that overlap add up to no figure that is printed.

    Parameters
    ----------
    tables
        The figures of a run.
    state
        Function that returns the cell of a measure of `covariate_quality`.
    """
    figures = tables.figures
    for name in tables.values(_QUALITY, "covariate", measure=coded.N_PERSONS_MAPPED):
        persons = state(name, coded.N_PERSONS_MAPPED)
        figures.add_rest(
            ("further records by a mapping", name),
            state(name, coded.N_RECORDS_MAPPED),
            [persons],
        )
        if name != COHORT:
            figures.add_rest(("no record by a mapping", name), N_COHORT, [persons])
    for whole, parts in _PARTS.items():
        for measure in MAPPING_MEASURES:
            members = [state(part, measure) for part in parts]
            total = state(whole, measure)
            if total in figures and figures[total] == sum(
                figures[member] for member in members if member in figures
            ):
                figures.declare_sum(total, members)
