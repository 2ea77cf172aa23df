"""Identities of the preference groups: labels, patients with a value, and what quartiles change."""

import pandas as pd

from omop_scorer.disclosure import coded
from omop_scorer.disclosure.cells import Cell
from omop_scorer.disclosure.coded import ALL, IMPUTED, NO, WITHIN_TRIAL_RANGE, YES
from omop_scorer.disclosure.identities import Tables, scored
from omop_scorer.model.subgroups import preference_group
from omop_scorer.terms import COVARIATE, EFFECT, RECORDED, SCORED

GROUPS, PROFILE = "preference_summary", "preference_profile"

_SENSITIVITY = "imputation_sensitivity"


def link_groups(tables: Tables) -> None:
    """Link each preference group with its labels, and the groups with each other."""
    figures = tables.figures
    labels: dict[str, list[str]] = {}
    for label in tables.labels if tables.groups else ():
        labels.setdefault(preference_group(label, tables.classes), []).append(label)
    for stratum in tables.values(GROUPS, "stratum"):
        for value in tables.values(GROUPS, "stratum_value", stratum=stratum):
            total = scored(stratum, value, None)
            figures.declare_same(total, (GROUPS, "n_stratum", stratum, value))
            figures.declare_sum(total, [scored(stratum, value, each) for each in tables.groups])
            for group in tables.groups:
                members = [scored(stratum, value, label) for label in labels.get(group, [])]
                figures.declare_sum(scored(stratum, value, group), members)
    ruled_out = {**tables.stratum(coded.RULED_OUT_CLASS, None)}
    ruled_out.pop(coded.NONE, None)
    if tables.config is not None and ruled_out:
        measure = (tables.config.uncertainty, coded.WORST_CLASS_RULED_OUT)
        figures.declare_sum(("label_check", "n_persons", *measure), ruled_out.values())


def of_group(group: str, covariate: str, population: str) -> Cell:
    """Return the cell of the persons of a group (or ALL) with a value of a covariate."""
    return (PROFILE, "n_persons", group, COVARIATE, covariate, population)


def yes_of(group: str, covariate: str) -> Cell:
    """Return the cell of the persons of a group recorded with yes: the mean reveals it."""
    return (YES, covariate, group)


def no_of(group: str, covariate: str) -> Cell:
    """Return the cell of the persons of a group recorded with no: the mean reveals it."""
    return (NO, covariate, group)


def link_profile(
    tables: Tables, yes_no: list[str], *, has_left_out: bool, activity: str | None
) -> None:
    """Link the persons of each group who have a value with the group and with all groups.

    Parameters
    ----------
    tables
        The figures of a run.
    yes_no
        Covariates that are a yes or no.
    has_left_out
        True if a covariate was left out of the model, instead of imputed, for a patient.
    activity
        The covariate of disease activity.
    """
    figures = tables.figures
    groups = [each for each in tables.values(PROFILE, "preference_group") if each != ALL]
    for covariate in tables.values(PROFILE, "category", measure=COVARIATE):
        for population in (SCORED, RECORDED):
            whole = of_group(ALL, covariate, population)
            figures.declare_same(("covariate_summary", "n_persons", covariate, population), whole)
            figures.declare_sum(whole, [of_group(each, covariate, population) for each in groups])
        for group in groups:
            _with_value(tables, group, covariate, has_left_out=has_left_out)
        if covariate in yes_no:
            _yes_and_no(tables, groups, covariate)
    for group in groups:
        for drug_class in tables.values(PROFILE, "category", measure=EFFECT):
            cell = (PROFILE, "n_persons", group, EFFECT, drug_class, SCORED)
            figures.declare_same(scored(ALL, ALL, group), cell)
        if activity is not None:
            _activity(tables, group, activity)
    for drug_class in tables.values(PROFILE, "category", measure=EFFECT):
        cell = (PROFILE, "n_persons", ALL, EFFECT, drug_class, SCORED)
        figures.declare_same(scored(ALL, ALL, None), cell)


def _with_value(tables: Tables, group: str, covariate: str, *, has_left_out: bool) -> None:
    figures, members = tables.figures, scored(ALL, ALL, group)
    used, recorded = (of_group(group, covariate, each) for each in (SCORED, RECORDED))
    figures.add_rest(("imputed", covariate, group), used, [recorded])
    if has_left_out:
        figures.add_rest(("left out", covariate, group), members, [used])
        return
    figures.declare_same(members, used)
    nothing = scored(IMPUTED, NO, group)
    figures.add_rest(("recorded, something else imputed", covariate, group), recorded, [nothing])
    imputed = scored(IMPUTED, YES, group)
    figures.add_rest(
        ("something else imputed", covariate, group), imputed, [("imputed", covariate, group)]
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
            figures.declare_same(scored(covariate, YES, group), yes_of(group, covariate))
            if covariate == "male":
                male = scored(coded.SEX, coded.MALE, group)
                figures.declare_same(male, yes_of(group, covariate))
    figures.declare_sum((YES, covariate), [yes_of(group, covariate) for group in groups])
    figures.declare_sum((NO, covariate), [no_of(group, covariate) for group in groups])


def _activity(tables: Tables, group: str, activity: str) -> None:
    figures = tables.figures
    figures.add_rest(
        ("outside, of known activity", group),
        of_group(group, activity, RECORDED),
        [scored(WITHIN_TRIAL_RANGE, YES, group)],
    )
    not_recorded = figures.add_rest(
        ("not recorded", activity, group),
        scored(ALL, ALL, group),
        [of_group(group, activity, RECORDED)],
    )
    figures.add_rest(
        ("outside, of unknown activity", group),
        not_recorded,
        [scored(WITHIN_TRIAL_RANGE, coded.UNKNOWN, group)],
    )


def link_quartiles(tables: Tables, covariate: str) -> None:
    """Add the patients whose label one quartile alone changes, and those whose label both do."""
    figures = tables.figures
    first, third, either = (
        (_SENSITIVITY, "n_changed", covariate, each)
        for each in (coded.FIRST_QUARTILE, coded.THIRD_QUARTILE, coded.EITHER_QUARTILE)
    )
    if either not in figures:
        return
    only_first = figures.add_rest(("by the first quartile alone", covariate), either, [third])
    only_third = figures.add_rest(("by the third quartile alone", covariate), either, [first])
    both = figures.add_rest(("by both quartiles", covariate), first, [only_first])
    figures.declare_sum(third, (both, only_third))
