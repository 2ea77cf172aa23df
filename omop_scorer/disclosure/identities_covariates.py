"""Identities of the covariates: states, imputed values, both uncertainties, bins and records."""

from itertools import combinations

import pandas as pd

from omop_scorer import terms
from omop_scorer.disclosure import coded
from omop_scorer.disclosure.cells import Cell
from omop_scorer.disclosure.coded import ALL, IMPUTED, NO, WITHIN_TRIAL_RANGE, YES
from omop_scorer.disclosure.identities import N_COHORT, N_SCORED, Tables, ages_of, scored
from omop_scorer.disclosure.identities_groups import link_profile, link_quartiles
from omop_scorer.disclosure.identities_mapped import link_mapped
from omop_scorer.model.contradictions import ends
from omop_scorer.terms import COHORT, COVARIATE, DISTANCE, NOTHING_IMPUTED, RECORDED, SCORED

QUALITY, SUMMARY, SENSITIVITY = "covariate_quality", "covariate_summary", "imputation_sensitivity"

_RECORDED = (coded.N_OBSERVED, coded.N_COMPUTED, coded.N_ABSENT)

_REJECTED = (coded.N_REJECTED_VALUE, coded.N_REJECTED_UNIT, coded.N_REJECTED_LIMIT)

_PERSONS_BY_DEATH = (
    *(coded.N_DEATHS_WITHOUT_DATE, coded.N_DEATH_CONTRADICTED, coded.N_DEATH_BEFORE_BIRTH),
    coded.N_DEATHS_OF_TWO_DATES,
)

_UNIT = (coded.N_UNIT_FROM_TEXT, coded.N_UNIT_MISSING)


def link_covariates(tables: Tables) -> None:
    """Link states, means, imputed values, labels by uncertainty, histograms and records."""
    for covariate in tables.values(SUMMARY, "covariate") or _with_states(tables):
        _states(tables, covariate)
        _yes_and_no(tables, covariate)
    link_profile(
        tables,
        [each for each in tables.values(SUMMARY, "covariate") if is_yes_no(tables, each)],
        has_left_out=has_left_out(tables),
        activity=None if tables.card is None else tables.card.activity_covariate,
    )
    _imputations(tables)
    _trial_range(tables)
    _uncertainties(tables)
    _histograms(tables)
    _records(tables)


def _with_states(tables: Tables) -> list[str]:
    return tables.values(QUALITY, "covariate", measure=coded.N_IMPUTED)


def state(covariate: str, measure: str) -> Cell:
    """Return the cell of a measure of `covariate_quality`."""
    return (QUALITY, "n", covariate, measure)


def has_left_out(tables: Tables) -> bool:
    """Return True if a covariate was left out of the model, instead of imputed, for a patient."""
    return any(
        tables.figures.count(state(covariate, coded.N_LEFT_OUT))
        for covariate in _with_states(tables)
    )


def _states(tables: Tables, covariate: str) -> None:
    figures = tables.figures
    recorded = (RECORDED, covariate)
    if state(covariate, coded.N_OBSERVED) in figures:
        measures = terms.STATUS_MEASURES
        figures.declare_sum(N_SCORED, [state(covariate, measure) for measure in measures])
        figures.add_sum(recorded, [state(covariate, measure) for measure in _RECORDED])
        # Patients with a value, recorded or imputed.
        with_value = ("with a value", covariate)
        figures.add_sum(with_value, [recorded, state(covariate, coded.N_IMPUTED)])
        figures.declare_same(with_value, (SUMMARY, "n_persons", covariate, SCORED))
        figures.declare_same(recorded, (SUMMARY, "n_persons", covariate, RECORDED))
        figures.add_rest(("not recorded", covariate), N_SCORED, [recorded])
        if not figures.count(state(covariate, coded.N_LEFT_OUT)):
            figures.declare_same(N_SCORED, with_value)
        if not has_left_out(tables):
            nothing = scored(IMPUTED, NO, None)
            figures.add_rest(("recorded, something else imputed", covariate), recorded, [nothing])
    figures.declare_same(state(covariate, coded.N_IMPUTED), (SENSITIVITY, "n_imputed", covariate))


def yes(covariate: str) -> Cell:
    """Return the cell of the patients recorded with yes: the mean reveals it."""
    return (YES, covariate)


def no(covariate: str) -> Cell:
    """Return the cell of the patients recorded with no: the mean reveals it."""
    return (NO, covariate)


def _yes_and_no(tables: Tables, covariate: str) -> None:
    """Add the patients recorded with yes and with no: the mean of 0 and 1 reveals both."""
    n, mean = _recorded_mean(tables, covariate)
    if n is None or mean is None or not is_yes_no(tables, covariate):
        return
    figures = tables.figures
    figures.add(yes(covariate), round(n * mean))
    figures.add(no(covariate), n - round(n * mean))
    recorded = (SUMMARY, "n_persons", covariate, RECORDED)
    figures.declare_sum(recorded, (yes(covariate), no(covariate)))
    if covariate == "male":
        figures.declare_same(scored(coded.SEX, coded.MALE, None), yes(covariate))
    figures.declare_same(scored(covariate, YES, None), yes(covariate))
    absent = state(covariate, coded.N_ABSENT)
    if absent in figures and figures[absent] == figures[no(covariate)]:
        figures.declare_same(absent, no(covariate))
        figures.declare_same(state(covariate, coded.N_OBSERVED), yes(covariate))


def _recorded_mean(tables: Tables, covariate: str) -> tuple[int | None, float | None]:
    rows = tables.frames.get(SUMMARY)
    if rows is not None:
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


def _imputations(tables: Tables) -> None:
    """Add the patients whose label would not change, and those who lack several covariates."""
    figures = tables.figures
    sets = tables.values(SENSITIVITY, "covariate")
    for covariates in sets:
        imputed = (SENSITIVITY, "n_imputed", covariates)
        figures.add_rest(("not imputed", covariates), N_SCORED, [imputed])
        for assumption in tables.values(SENSITIVITY, "assumption", covariate=covariates):
            changed = (SENSITIVITY, "n_changed", covariates, assumption)
            figures.add_rest(("not changed", covariates, assumption), imputed, [changed])
        link_quartiles(tables, covariates)
    several = [each for each in sets if terms.TOGETHER in each]
    names = list(dict.fromkeys(name for each in several for name in each.split(terms.TOGETHER)))
    found = {frozenset(each.split(terms.TOGETHER)): each for each in sets}
    subsets = [frozenset(c) for n in range(1, len(names) + 1) for c in combinations(names, n)]
    if several and all(subset in found for subset in subsets):
        _exactly(tables, names, {subset: found[subset] for subset in subsets})
    for each in several:
        for part in sets:
            if set(part.split(terms.TOGETHER)) < set(each.split(terms.TOGETHER)):
                figures.add_rest(
                    ("imputed, but not all of", part, each),
                    (SENSITIVITY, "n_imputed", part),
                    [(SENSITIVITY, "n_imputed", each)],
                )
    if not has_left_out(tables):
        for covariate in sets:
            figures.add_rest(
                ("something else imputed", covariate),
                scored(IMPUTED, YES, None),
                [(SENSITIVITY, "n_imputed", covariate)],
            )


def _exactly(tables: Tables, names: list[str], found: dict[frozenset[str], str]) -> None:
    """Add the patients in whom exactly these covariates are imputed, for every subset of them.

    A reader can calculate them by inclusion and exclusion.
    """
    figures = tables.figures
    counts = {subset: figures[SENSITIVITY, "n_imputed", each] for subset, each in found.items()}
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
        figures.declare_sum((SENSITIVITY, "n_imputed", each), members)
    figures.declare_sum(N_SCORED, cells.values())
    if not has_left_out(tables):
        nothing = scored(IMPUTED, NO, None)
        figures.add_rest(("another imputed alone",), cells[frozenset()], [nothing])


def _trial_range(tables: Tables) -> None:
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
            for (start, end), cell in _bins(tables, COVARIATE, covariate.name).items()
            if start > high or end <= low
        ]
        figures.add_rest(
            ("outside, not by", covariate.name),
            scored(stratum, NO, None),
            [figures.add_sum(("outside by", covariate.name), beyond)],
        )
    activity = tables.card.activity_covariate
    if activity is None:
        return
    if not has_left_out(tables):
        # The activity of a patient whose range is unknown was imputed.
        for label in (None, *tables.labels, *tables.groups):
            figures.add_rest(
                ("imputed, range known", label or ALL),
                scored(IMPUTED, YES, label),
                [scored(stratum, coded.UNKNOWN, label)],
            )
    figures.add_rest(
        ("outside, of known activity",), (RECORDED, activity), [scored(stratum, YES, None)]
    )
    figures.add_rest(
        ("outside, of unknown activity",),
        ("not recorded", activity),
        [scored(stratum, coded.UNKNOWN, None)],
    )


def _outside_by_age(tables: Tables, low: float, high: float) -> None:
    """Link the age groups beyond the range with the patients outside it: every age is known."""
    for label in (None, *tables.labels, *tables.groups):
        beyond = [
            cell
            for group, cell in tables.stratum(coded.AGE_GROUP, label).items()
            if (ages := ages_of(group)) is not None and (ages[0] > high or ages[1] < low)
        ]
        tables.figures.add_rest(
            ("outside the range at another age", label or ALL),
            scored(WITHIN_TRIAL_RANGE, NO, label),
            [tables.figures.add_sum(("outside the range by age", label or ALL), beyond)],
        )


def _uncertainties(tables: Tables) -> None:
    """Link the labels by each uncertainty with the label checks and with the run's own labels."""
    figures, table = tables.figures, "uncertainty_comparison"
    rows = tables.frames.get(table)
    pairs = (
        []
        if rows is None
        else list(
            rows[["subgroup_bootstrap", "subgroup_analytic"]].itertuples(index=False, name=None)
        )
    )
    measures = tables.values("label_check", "measure")
    for index, uncertainty in enumerate((coded.BOOTSTRAP, coded.ANALYTIC)):
        margins: dict[str, Cell] = {}
        for label in dict.fromkeys(pair[index] for pair in pairs):
            margins[label] = ("labelled", uncertainty, label)
            cells = [(table, "n_persons", *pair) for pair in pairs if pair[index] == label]
            figures.add_sum(margins[label], cells)
            if tables.config is not None and tables.config.uncertainty == uncertainty:
                figures.declare_same(scored(ALL, ALL, label), margins[label])
        if pairs:
            figures.declare_sum(N_SCORED, margins.values())
            checked = ("label_check", "n_population", uncertainty)
            ordered = [cell for label, cell in margins.items() if " > " in label]
            equal = [cell for label, cell in margins.items() if " > " not in label]
            figures.declare_sum((*checked, coded.ORDER_NOT_SIGNIFICANT), ordered)
            figures.declare_sum((*checked, coded.WORST_CLASS_RULED_OUT), equal)
        for measure in measures:
            key = (uncertainty, measure)
            total = ("label_check", "n_population", *key)
            figures.add_rest(("not", *key), total, [("label_check", "n_persons", *key)])
        figures.declare_same(
            N_SCORED, ("label_check", "n_population", uncertainty, coded.BEST_RESPONSE_ELSEWHERE)
        )


def _histograms(tables: Tables) -> None:
    """Link the bins of each histogram with the patients it counts."""
    figures = tables.figures
    for measure in tables.values("histogram", "measure"):
        for category in tables.values("histogram", "category", measure=measure):
            bins = _bins(tables, measure, category)
            if measure == COVARIATE:
                figures.declare_sum((RECORDED, category), bins.values())
                if category == "age":
                    _age_groups(tables, bins)
            elif measure != DISTANCE:
                figures.declare_sum(N_SCORED, bins.values())
    _distances(tables)


def _bins(tables: Tables, measure: str, category: str) -> dict[tuple[float, float], Cell]:
    rows = tables.frames.get("histogram")
    if rows is None:
        return {}
    rows = rows[(rows["measure"] == measure) & (rows["category"] == category)]
    return {
        (low, high): ("histogram", "n_persons", measure, category, str(low))
        for low, high in rows[["bin_low", "bin_high"]].itertuples(index=False, name=None)
    }


def _age_groups(tables: Tables, bins: dict[tuple[float, float], Cell]) -> None:
    """Link age groups with the bins that hold them: every bin ends where an age group does."""
    groups = tables.stratum(coded.AGE_GROUP, None)
    before = float("-inf")
    for (_, high), cell in bins.items():
        held = [
            group
            for name, group in groups.items()
            if (ages := ages_of(name)) is not None and before <= ages[0] < high
        ]
        before = high
        if held:
            tables.figures.declare_sum(cell, held)


def _distances(tables: Tables) -> None:
    """Link the patients with nothing imputed with all patients, bin by bin."""
    figures = tables.figures
    everyone, complete = (
        _bins(tables, DISTANCE, category) for category in (SCORED, NOTHING_IMPUTED)
    )
    # A patient who lacks a covariate has no distance.
    with_distance = figures.add_sum(("with a distance",), everyone.values())
    lacking = figures.add_rest(("something left out",), N_SCORED, [with_distance])
    for covariate in _with_states(tables):
        figures.add_rest(
            ("something else left out", covariate), lacking, [state(covariate, coded.N_LEFT_OUT)]
        )
    figures.add_sum(("with a distance, nothing imputed",), complete.values())
    if complete and not has_left_out(tables):
        figures.declare_sum(scored(IMPUTED, NO, None), complete.values())
    for edges, cell in everyone.items():
        if edges in complete:
            figures.add_rest(("distance, imputed", str(edges[0])), cell, [complete[edges]])


def _records(tables: Tables) -> None:
    """Link rejected, converted and usable records, and the persons counted with the cohort."""
    figures = tables.figures
    for quantity in tables.values(QUALITY, "covariate", measure=coded.N_RECORDS):
        usable = figures.add_rest(
            ("usable", quantity),
            state(quantity, coded.N_RECORDS),
            [state(quantity, measure) for measure in _REJECTED],
        )
        figures.add_rest(
            ("with a unit concept", quantity), usable, [state(quantity, each) for each in _UNIT]
        )
        for measure in (coded.N_CONVERTED, coded.N_CENSORED):
            figures.add_rest(("usable, not", quantity, measure), usable, [state(quantity, measure)])
    link_mapped(tables, state)
    disease = figures.add_sum(
        ("with the disease",), [N_COHORT, state(COHORT, coded.N_EXCLUDED_CONDITION)]
    )
    figures.add_rest(
        ("without colitis",), disease, [state(COHORT, coded.N_WITH_ULCERATIVE_COLITIS)]
    )
    for measure in _PERSONS_BY_DEATH:
        figures.add_rest(("not", measure), N_COHORT, [state(COHORT, measure)])
