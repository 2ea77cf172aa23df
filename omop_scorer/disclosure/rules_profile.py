"""Links of the preference groups' profiles that are no plain sums over columns of the results."""

import pandas as pd

from omop_scorer.disclosure import coded
from omop_scorer.disclosure.cells import Cell
from omop_scorer.disclosure.coded import ALL, IMPUTED, NO, WITHIN_TRIAL_RANGE, YES
from omop_scorer.disclosure.identities import Tables
from omop_scorer.disclosure.rules_covariates import is_yes_no
from omop_scorer.disclosure.rules_labels import grouped
from omop_scorer.terms import COVARIATE, RECORDED

PROFILE, _SENSITIVITY = "preference_profile", "imputation_sensitivity"


def of_group(group: str, covariate: str, population: str) -> Cell:
    """Return the cell of the persons of a group (or ALL) with a value of a covariate."""
    return (PROFILE, "n_persons", group, COVARIATE, covariate, population)


def yes_of(group: str, covariate: str) -> Cell:
    """Return the cell of the persons of a group recorded with yes: the mean reveals it."""
    return (YES, covariate, group)


def no_of(group: str, covariate: str) -> Cell:
    """Return the cell of the persons of a group recorded with no: the mean reveals it."""
    return (NO, covariate, group)


def link_values_by_group(tables: Tables) -> None:
    """Link the persons of each group who have a value with those of whom nothing is imputed."""
    groups = [each for each in tables.values(PROFILE, "preference_group") if each != ALL]
    activity = None if tables.card is None else tables.card.activity_covariate
    for covariate in tables.values(PROFILE, "category", measure=COVARIATE):
        for group in groups if not tables.has_left_out else ():
            tables.figures.add_rest(
                ("recorded, something else imputed", covariate, group),
                of_group(group, covariate, RECORDED),
                [grouped(IMPUTED, NO, group)],
            )
        if is_yes_no(tables, covariate):
            _yes_and_no(tables, groups, covariate)
    for group in groups if activity is not None else ():
        for whole, value in (
            (of_group(group, str(activity), RECORDED), YES),
            (("~not_recorded_of_group", group, str(activity)), coded.UNKNOWN),
        ):
            tables.figures.add_rest(
                ("outside, of another activity", value, group),
                whole,
                [grouped(WITHIN_TRIAL_RANGE, value, group)],
            )


def _yes_and_no(tables: Tables, groups: list[str], covariate: str) -> None:
    """Add the persons of each group recorded with yes and with no, whom the mean reveals."""
    figures, rows = tables.figures, tables.frames[PROFILE]
    rows = rows[(rows["category"] == covariate) & (rows["population"] == RECORDED)]
    columns = rows[["preference_group", "n_persons", "mean"]]
    for group, n, mean in columns.itertuples(index=False, name=None):
        if group in groups and not pd.isna(mean):
            figures.add(yes_of(group, covariate), round(n * mean))
            figures.add(no_of(group, covariate), int(n) - round(n * mean))
            recorded = of_group(group, covariate, RECORDED)
            figures.declare_sum(recorded, (yes_of(group, covariate), no_of(group, covariate)))
            figures.declare_same(grouped(covariate, YES, group), yes_of(group, covariate))
            if covariate == "male":
                male = grouped(coded.SEX, coded.MALE, group)
                figures.declare_same(male, yes_of(group, covariate))
    figures.declare_sum((YES, covariate), [yes_of(group, covariate) for group in groups])
    figures.declare_sum((NO, covariate), [no_of(group, covariate) for group in groups])


def link_changes_by_quartiles(tables: Tables) -> None:
    """Add the patients whose label one quartile alone changes, and those whose label both do."""
    figures = tables.figures
    for covariate in tables.values(_SENSITIVITY, "covariate"):
        first, third, either = (
            (_SENSITIVITY, "n_changed", covariate, each)
            for each in (coded.FIRST_QUARTILE, coded.THIRD_QUARTILE, coded.EITHER_QUARTILE)
        )
        if either in figures:
            only_first = figures.add_rest(
                ("by the first quartile alone", covariate), either, [third]
            )
            only_third = figures.add_rest(
                ("by the third quartile alone", covariate), either, [first]
            )
            both = figures.add_rest(("by both quartiles", covariate), first, [only_first])
            figures.declare_sum(third, (both, only_third))
