"""Links of the cohort that are no plain sums over columns of the results tables."""

from collections.abc import Iterator
from itertools import pairwise

from omop_scorer.disclosure import coded
from omop_scorer.disclosure.cells import Cell
from omop_scorer.disclosure.identities import N_COHORT, N_SCORED, Tables, ages_of


def link_attrition(tables: Tables) -> None:
    """Link each step of the attrition with the one before, and all of them with the scored."""
    figures = tables.figures
    reasons = tables.values("attrition", "reason")

    def left(reason: str) -> Cell:
        return ("attrition", "n_persons", reason)

    for before, reason in pairwise(reasons):
        figures.declare_sum(left(before), (left(reason), _excluded(reason)))
    if reasons:
        figures.declare_same(N_COHORT, left(reasons[0]))
        figures.declare_same(N_SCORED, left(reasons[-1]))
        name = figures.add_sum(("excluded",), [_excluded(reason) for reason in reasons[1:]])
        figures.add_rest(name, N_COHORT, [N_SCORED])


def _excluded(reason: str) -> Cell:
    return ("attrition", "n_excluded", reason)


def link_ages_that_are_scored(tables: Tables) -> None:
    """Link who is left out of the ages that are scored: only the dead and those of unknown sex."""
    figures = tables.figures
    reasons = figures.add_sum(
        ("dead or sex unknown",), [_excluded(coded.DECEASED), _excluded(coded.SEX_UNKNOWN)]
    )
    of_that_age = figures.add_sum(
        ("left out of the ages that are scored",),
        [("~left_out_of_age", group) for group in _scored_ages(tables)],
    )
    figures.add_rest(("dead or sex unknown, of another age",), reasons, [of_that_age])


def _scored_ages(tables: Tables) -> Iterator[str]:
    if tables.config is None:
        return
    cohort = tables.config.cohort
    for group in tables.values("age_sex_pyramid", "age_group"):
        ages = ages_of(group)
        if ages and cohort.age_minimum <= ages[0] and ages[1] <= cohort.age_maximum:
            yield group
