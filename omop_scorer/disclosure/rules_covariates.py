"""Links of covariates, records and bins that are no plain sums over columns of the results."""

from itertools import combinations

import pandas as pd

from omop_scorer import terms
from omop_scorer.disclosure import coded
from omop_scorer.disclosure.cells import Cell
from omop_scorer.disclosure.coded import ALL, IMPUTED, NO, WITHIN_TRIAL_RANGE, YES
from omop_scorer.disclosure.identities import N_COHORT, N_SCORED, Tables, ages_of, scored
from omop_scorer.model.contradictions import ends
from omop_scorer.terms import COHORT, COVARIATE, RECORDED

QUALITY, SUMMARY, SENSITIVITY = "covariate_quality", "covariate_summary", "imputation_sensitivity"

#: The tables of labels and of their groups, each with its column.
_LABELLED = (("subgroup_summary", "subgroup"), ("preference_summary", "preference_group"))

#: The covariate that comes first in saying whether the disease is active.
_CDAI = "cdai"

#: Shipped concept sets that together are another one.
_PARTS = {"biologic_anti_tnf": ("adalimumab", "infliximab", "certolizumab_pegol")}


def state(covariate: str, measure: str) -> Cell:
    """Return the cell of a measure of `covariate_quality`."""
    return (QUALITY, "n", covariate, measure)


def link_mapped_records(tables: Tables) -> None:
    """Link a concept set with its parts, and the disease with the persons it is not counted in.

    Parts that overlap add up to no figure that is printed.
    """
    figures = tables.figures
    for whole, parts in _PARTS.items():
        for measure in terms.MAPPING_MEASURES:
            members = [state(part, measure) for part in parts]
            if figures.count(state(whole, measure)) == sum(map(figures.count, members)):
                figures.declare_sum(state(whole, measure), members, is_certain=False)
    disease = figures.add_sum(
        ("with the disease",), [N_COHORT, state(COHORT, coded.N_EXCLUDED_CONDITION)]
    )
    figures.add_rest(
        ("without colitis",), disease, [state(COHORT, coded.N_WITH_ULCERATIVE_COLITIS)]
    )


def link_recorded_and_imputed(tables: Tables) -> None:
    """Link the patients with nothing imputed, and those with something left out, by covariate."""
    figures = tables.figures
    for covariate in tables.values(QUALITY, "covariate", measure=coded.N_IMPUTED):
        if not tables.has_left_out:
            figures.add_rest(
                ("recorded, something else imputed", covariate),
                ("~recorded", covariate),
                [scored(IMPUTED, NO, None)],
            )
        # A patient who lacks a covariate has no distance.
        with_distance = ("~with_distance",)
        lacking = figures.add_rest(("~something_left_out",), N_SCORED, [with_distance])
        figures.add_rest(
            ("something else left out", covariate), lacking, [state(covariate, coded.N_LEFT_OUT)]
        )


def yes(covariate: str) -> Cell:
    """Return the cell of the patients recorded with yes: the mean reveals it."""
    return (YES, covariate)


def no(covariate: str) -> Cell:
    """Return the cell of the patients recorded with no: the mean reveals it."""
    return (NO, covariate)


def link_yes_or_no(tables: Tables) -> None:
    """Add the patients recorded with yes and with no: the mean of 0 and 1 reveals both."""
    figures = tables.figures
    for covariate in tables.values(SUMMARY, "covariate"):
        n, mean = _recorded_mean(tables, covariate)
        if n is None or mean is None or not is_yes_no(tables, covariate):
            continue
        figures.add(yes(covariate), round(n * mean))
        figures.add(no(covariate), n - round(n * mean))
        recorded = (SUMMARY, "n_persons", covariate, RECORDED)
        figures.declare_sum(recorded, (yes(covariate), no(covariate)))
        if covariate == "male":
            figures.declare_same(scored(coded.SEX, coded.MALE, None), yes(covariate))
        figures.declare_same(scored(covariate, YES, None), yes(covariate))
        absent = state(covariate, coded.N_ABSENT)
        if absent in figures and figures[absent] == figures[no(covariate)]:
            observed = state(covariate, coded.N_OBSERVED)
            figures.declare_sum(absent, [no(covariate)], is_certain=False)
            figures.declare_sum(observed, [yes(covariate)], is_certain=False)


def _recorded_mean(tables: Tables, covariate: str) -> tuple[int | None, float | None]:
    rows = tables.frames[SUMMARY]
    rows = rows[(rows["covariate"] == covariate) & (rows["population"] == RECORDED)]
    for n, mean in rows[["n_persons", "mean"]].itertuples(index=False, name=None):
        return int(n), None if pd.isna(mean) else float(mean)
    return None, None


def is_yes_no(tables: Tables, covariate: str) -> bool:
    """Return True if a covariate is a yes or no; without a card, if its means can be shares."""
    if tables.card is not None:
        return any(
            each.name == covariate and each.kind == "yes_no" for each in tables.card.covariates
        )
    rows = tables.frames[SUMMARY]
    rows = rows[rows["covariate"] == covariate]
    return bool(rows["mean"].between(0, 1).all() and rows["trial_mean"].between(0, 1).all())


def link_imputed_together(tables: Tables) -> None:
    """Add the patients who lack several covariates, by what exactly they lack."""
    figures = tables.figures
    found = {
        frozenset(each.split(terms.TOGETHER)): each
        for each in tables.values(SENSITIVITY, "covariate")
    }
    together = [each for each in found if len(each) > 1]
    names = list(dict.fromkeys(name for each in found if each in together for name in sorted(each)))
    subsets = [frozenset(c) for n in range(1, len(names) + 1) for c in combinations(names, n)]
    if together and all(subset in found for subset in subsets):
        _exactly(tables, names, {subset: found[subset] for subset in subsets})
    for whole in together:
        for part, name in found.items():
            if part < whole:
                figures.add_rest(
                    ("imputed, but not all of", name, found[whole]),
                    ("~imputed", name),
                    [("~imputed", found[whole])],
                )


def _exactly(tables: Tables, names: list[str], found: dict[frozenset[str], str]) -> None:
    """Add the patients in whom exactly these covariates are imputed, for every subset of them.

    A reader can calculate them by inclusion and exclusion.
    """
    figures = tables.figures
    counts = {subset: figures[("~imputed", each)] for subset, each in found.items()}
    counts[frozenset()] = figures[N_SCORED]
    cells: dict[frozenset[str], Cell] = {}
    for subset in counts:
        n = sum(
            (-1) ** len(other - subset) * count
            for other, count in counts.items()
            if subset <= other
        )
        if n < 0:
            figures.broken.append(("exactly imputed", *sorted(subset)))
            return
        cells[subset] = ("exactly imputed", *(name for name in names if name in subset))
        figures.add(cells[subset], n, is_printed=False)
    for subset, each in found.items():
        members = [cell for other, cell in cells.items() if subset <= other]
        figures.declare_sum(("~imputed", each), members)
    figures.declare_sum(N_SCORED, cells.values())
    if not tables.has_left_out:
        nothing = scored(IMPUTED, NO, None)
        figures.add_rest(("another imputed alone",), cells[frozenset()], [nothing])


def link_trial_range(tables: Tables) -> None:
    """Link the trial range with age, with the bins outside it and with unknown activity."""
    if tables.card is None:
        return
    figures, stratum = tables.figures, WITHIN_TRIAL_RANGE
    for covariate in tables.card.covariates:
        low, high = ends(covariate.within_trial_range)
        if covariate.name == "age":
            _outside_by_age(tables, low, high)
        beyond = [
            cell
            for (start, end), cell in _bins(tables, covariate.name).items()
            if start > high or end <= low
        ]
        figures.add_rest(
            ("outside, not by", covariate.name),
            scored(stratum, NO, None),
            [figures.add_sum(("outside by", covariate.name), beyond)],
        )
    activity = tables.card.activity_covariate
    if activity is not None:
        for name, value in (("~recorded", YES), ("~not_recorded", coded.UNKNOWN)):
            figures.add_rest(
                ("outside, of another activity", value),
                (name, activity),
                [scored(stratum, value, None)],
            )


def _outside_by_age(tables: Tables, low: float, high: float) -> None:
    """Link the age groups beyond the range with the patients outside it: every age is known."""
    figures = tables.figures
    groups = [*tables.stratum(coded.AGE_GROUP, None)]
    outside: list[tuple[str, Cell, list[tuple[str, Cell]]]] = [
        (
            ALL,
            scored(WITHIN_TRIAL_RANGE, NO, None),
            [(group, scored(coded.AGE_GROUP, group, None)) for group in groups],
        )
    ]
    for table, column in _LABELLED:
        for label in tables.values(table, column):
            cells: list[tuple[str, Cell]] = [
                (group, (table, "n_persons", coded.AGE_GROUP, group, label)) for group in groups
            ]
            outside.append((label, (table, "n_persons", WITHIN_TRIAL_RANGE, NO, label), cells))
    for label, total, cells in outside:
        beyond = [
            cell
            for group, cell in cells
            if (ages := ages_of(group)) is not None and (ages[0] > high or ages[1] < low)
        ]
        figures.add_rest(
            ("outside the range at another age", label),
            total,
            [figures.add_sum(("outside the range by age", label), beyond)],
        )


def _bins(tables: Tables, covariate: str) -> dict[tuple[float, float], Cell]:
    rows = tables.frames.get("histogram")
    if rows is None:
        return {}
    rows = rows[(rows["measure"] == COVARIATE) & (rows["category"] == covariate)]
    return {
        (low, high): ("histogram", "n_persons", COVARIATE, covariate, str(low))
        for low, high in rows[["bin_low", "bin_high"]].itertuples(index=False, name=None)
    }


def link_ages_of_bins(tables: Tables) -> None:
    """Link age groups with the bins that hold them: every bin ends where an age group does."""
    groups = tables.stratum(coded.AGE_GROUP, None)
    before = float("-inf")
    for (_, high), cell in _bins(tables, "age").items():
        held = [
            group
            for name, group in groups.items()
            if (ages := ages_of(name)) is not None and before <= ages[0] < high
        ]
        before = high
        if held:
            tables.figures.declare_sum(cell, held)


def link_active_disease(tables: Tables) -> None:
    """Link active disease with the bins of the recorded CDAI that lie above the limit."""
    if tables.config is None:
        return
    limit = tables.config.audit.active_cdai
    bins = [cell for (low, _), cell in _bins(tables, _CDAI).items() if low >= limit]
    tables.figures.add_rest(
        ("active, not in these bins",),
        ("~now", coded.ACTIVE_DISEASE, ALL, ALL),
        [tables.figures.add_sum(("cdai bins of active disease",), bins)],
    )
