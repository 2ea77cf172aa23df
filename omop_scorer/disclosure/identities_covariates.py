"""In which state the covariates are, what hangs on imputed ones, and how numbers are spread."""

from itertools import combinations

import pandas as pd

from omop_scorer.disclosure.cells import Cell
from omop_scorer.disclosure.identities import N_COHORT, N_SCORED, STATES, Tables, lowest_age, scored
from omop_scorer.disclosure.identities_cohort import ALL
from omop_scorer.model.contradictions import ends

QUALITY, SUMMARY, SENSITIVITY = "covariate_quality", "covariate_summary", "imputation_sensitivity"

_JOINED = " + "

_RECORDED = ("n_observed", "n_computed", "n_absent")

_REJECTED = ("n_rejected_value", "n_rejected_unit", "n_rejected_limit")

_UNIT = ("n_unit_from_text", "n_unit_missing")


def link_covariates(tables: Tables) -> None:
    """Link states, means, imputations, labels by uncertainty, and histograms."""
    for covariate in tables.values(SUMMARY, "covariate") or _with_states(tables):
        _states(tables, covariate)
        _yes_and_no(tables, covariate)
    _imputations(tables)
    _trial_range(tables)
    _uncertainties(tables)
    _histograms(tables)
    _records(tables)


def _with_states(tables: Tables) -> list[str]:
    return tables.values(QUALITY, "covariate", measure="n_imputed")


def state(covariate: str, measure: str) -> Cell:
    """Return the cell of a covariate's state, or of what became of its records."""
    return (QUALITY, "n", covariate, measure)


def has_left_out(tables: Tables) -> bool:
    """Say whether covariates were left out of the model, instead of imputed, for anybody."""
    return any(
        tables.figures.count(state(covariate, "n_left_out")) for covariate in _with_states(tables)
    )


def _states(tables: Tables, covariate: str) -> None:
    figures = tables.figures
    recorded = ("recorded", covariate)
    if state(covariate, "n_observed") in figures:
        figures.is_sum(N_SCORED, [state(covariate, measure) for measure in STATES])
        figures.sum(recorded, [state(covariate, measure) for measure in _RECORDED])
        # Together with the states: who has a value, recorded or put in its place.
        figures.sum(("with a value", covariate), [recorded, state(covariate, "n_imputed")])
        figures.same(("with a value", covariate), (SUMMARY, "n_persons", covariate, "scored"))
        figures.same(recorded, (SUMMARY, "n_persons", covariate, "recorded"))
        figures.rest(("not recorded", covariate), N_SCORED, [recorded])
        if not figures.count(state(covariate, "n_left_out")):
            figures.same(N_SCORED, ("with a value", covariate))
        if not has_left_out(tables):
            nothing = scored("imputed", "no", None)
            figures.rest(("recorded, something else imputed", covariate), recorded, [nothing])
    figures.same(state(covariate, "n_imputed"), (SENSITIVITY, "n_imputed", covariate))


def yes(covariate: str) -> Cell:
    """Return the cell of those recorded with yes: their mean tells it."""
    return ("yes", covariate)


def no(covariate: str) -> Cell:
    """Return the cell of those recorded with no."""
    return ("no", covariate)


def _yes_and_no(tables: Tables, covariate: str) -> None:
    """Add those recorded with yes and with no: the mean of 0 and 1 prints both."""
    n, mean = _recorded_mean(tables, covariate)
    if n is None or mean is None or not is_yes_no(tables, covariate):
        return
    figures = tables.figures
    figures.add(yes(covariate), round(n * mean))
    figures.add(no(covariate), n - round(n * mean))
    recorded = (SUMMARY, "n_persons", covariate, "recorded")
    figures.is_sum(recorded, (yes(covariate), no(covariate)))
    if covariate == "male":
        figures.same(scored("sex", "male", None), yes(covariate))
    figures.same(scored(covariate, "yes", None), yes(covariate))
    absent = state(covariate, "n_absent")
    if absent in figures and figures[absent] == figures[no(covariate)]:
        figures.same(absent, no(covariate))
        figures.same(state(covariate, "n_observed"), yes(covariate))


def _recorded_mean(tables: Tables, covariate: str) -> tuple[int | None, float | None]:
    rows = tables.frames.get(SUMMARY)
    if rows is not None:
        rows = rows[(rows["covariate"] == covariate) & (rows["population"] == "recorded")]
        for n, mean in rows[["n_persons", "mean"]].itertuples(index=False, name=None):
            return int(n), None if pd.isna(mean) else float(mean)
    return None, None


def is_yes_no(tables: Tables, covariate: str) -> bool:
    """Say whether a covariate is a yes or no; without a card, whether its means are shares."""
    if tables.card is not None:
        return any(
            each.name == covariate and each.kind == "yes_no" for each in tables.card.covariates
        )
    rows = tables.frames[SUMMARY]
    rows = rows[rows["covariate"] == covariate]
    return bool(rows["mean"].between(0, 1).all() and rows["trial_mean"].between(0, 1).all())


def _imputations(tables: Tables) -> None:
    """Add who would not change, and who lacks several covariates at once."""
    figures = tables.figures
    sets = tables.values(SENSITIVITY, "covariate")
    for covariates in sets:
        imputed = (SENSITIVITY, "n_imputed", covariates)
        figures.rest(("not imputed", covariates), N_SCORED, [imputed])
        for assumption in tables.values(SENSITIVITY, "assumption", covariate=covariates):
            changed = (SENSITIVITY, "n_changed", covariates, assumption)
            figures.rest(("not changed", covariates, assumption), imputed, [changed])
    several = [each for each in sets if _JOINED in each]
    names = list(dict.fromkeys(name for each in several for name in each.split(_JOINED)))
    found = {frozenset(each.split(_JOINED)): each for each in sets}
    subsets = [frozenset(c) for n in range(1, len(names) + 1) for c in combinations(names, n)]
    if several and all(subset in found for subset in subsets):
        _exactly(tables, names, {subset: found[subset] for subset in subsets})
    for each in several:
        for part in sets:
            if set(part.split(_JOINED)) < set(each.split(_JOINED)):
                figures.rest(
                    ("imputed, but not all of", part, each),
                    (SENSITIVITY, "n_imputed", part),
                    [(SENSITIVITY, "n_imputed", each)],
                )
    if not has_left_out(tables):
        for covariate in sets:
            figures.rest(
                ("something else imputed", covariate),
                scored("imputed", "yes", None),
                [(SENSITIVITY, "n_imputed", covariate)],
            )


def _exactly(tables: Tables, names: list[str], found: dict[frozenset[str], str]) -> None:
    """Add those in whom exactly some of the covariates are imputed, and no other of them.

    A reader gets them by counting in and out.
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
        figures.is_sum((SENSITIVITY, "n_imputed", each), members)
    figures.is_sum(N_SCORED, cells.values())
    if not has_left_out(tables):
        nothing = scored("imputed", "no", None)
        figures.rest(("another imputed alone",), cells[frozenset()], [nothing])


def _trial_range(tables: Tables) -> None:
    """Find who is outside the range by age or by a bin, and whose activity is not known."""
    if tables.card is None:
        return
    figures, stratum = tables.figures, "within_trial_range"
    for covariate in tables.card.covariates:
        low, high = ends(covariate.within_trial_range)
        if covariate.name == "age":
            _outside_by_age(tables, low, high)
        beyond = [
            cell
            for (start, end), cell in _bins(tables, "covariate", covariate.name).items()
            if start > high or end <= low
        ]
        figures.rest(
            ("outside, not by", covariate.name),
            scored(stratum, "no", None),
            [figures.sum(("outside by", covariate.name), beyond)],
        )
    activity = tables.card.activity_covariate
    if activity is None:
        return
    if not has_left_out(tables):
        # Where the range is not known, the activity was imputed.
        for label in (None, *tables.labels):
            figures.rest(
                ("imputed, range known", label or ALL),
                scored("imputed", "yes", label),
                [scored(stratum, "unknown", label)],
            )
    figures.rest(
        ("outside, of known activity",), ("recorded", activity), [scored(stratum, "yes", None)]
    )
    figures.rest(
        ("outside, of unknown activity",),
        ("not recorded", activity),
        [scored(stratum, "unknown", None)],
    )


def _outside_by_age(tables: Tables, low: float, high: float) -> None:
    """Find everybody of the age groups beyond the range among those outside it: age is known."""
    for label in (None, *tables.labels):
        beyond = [
            cell
            for group, cell in tables.stratum("age_group", label).items()
            if (lowest := lowest_age(group)) is not None and (lowest > high or lowest + 4 < low)
        ]
        tables.figures.rest(
            ("outside the range at another age", label or ALL),
            scored("within_trial_range", "no", label),
            [tables.figures.sum(("outside the range by age", label or ALL), beyond)],
        )


def _uncertainties(tables: Tables) -> None:
    """Link labels by one uncertainty and by the other, and the checks of each."""
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
    for place, uncertainty in enumerate(("bootstrap", "analytic")):
        margins: dict[str, Cell] = {}
        for label in dict.fromkeys(pair[place] for pair in pairs):
            margins[label] = ("labelled", uncertainty, label)
            cells = [(table, "n_persons", *pair) for pair in pairs if pair[place] == label]
            figures.sum(margins[label], cells)
            if tables.config is not None and tables.config.uncertainty == uncertainty:
                figures.same(scored(ALL, ALL, label), margins[label])
        if pairs:
            figures.is_sum(N_SCORED, margins.values())
            checked = ("label_check", "n_population", uncertainty)
            ordered = [cell for label, cell in margins.items() if " > " in label]
            equal = [cell for label, cell in margins.items() if " > " not in label]
            figures.is_sum((*checked, "order_not_significant"), ordered)
            figures.is_sum((*checked, "worst_class_ruled_out"), equal)
        for measure in measures:
            key = (uncertainty, measure)
            total = ("label_check", "n_population", *key)
            figures.rest(("not", *key), total, [("label_check", "n_persons", *key)])
        figures.same(
            N_SCORED, ("label_check", "n_population", uncertainty, "best_response_elsewhere")
        )


def _histograms(tables: Tables) -> None:
    """Sum the bins of a histogram to those it is drawn of."""
    figures = tables.figures
    for measure in tables.values("histogram", "measure"):
        for category in tables.values("histogram", "category", measure=measure):
            bins = _bins(tables, measure, category)
            if measure == "covariate":
                figures.is_sum(("recorded", category), bins.values())
                if category == "age":
                    _age_groups(tables, bins)
            elif measure != "trial_distance":
                figures.is_sum(N_SCORED, bins.values())
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
    """Sum age groups to the bins that hold them: their ends are the same."""
    groups = tables.stratum("age_group", None)
    before = float("-inf")
    for (_, high), cell in bins.items():
        held = [
            group
            for name, group in groups.items()
            if (lowest := lowest_age(name)) is not None and before <= lowest < high
        ]
        before = high
        if held:
            tables.figures.is_sum(cell, held)


def _distances(tables: Tables) -> None:
    """Find those with nothing imputed in all, bin by bin."""
    figures = tables.figures
    everybody, complete = (
        _bins(tables, "trial_distance", category) for category in ("scored", "nothing_imputed")
    )
    # Who lacks a covariate has no distance.
    with_distance = figures.sum(("with a distance",), everybody.values())
    lacking = figures.rest(("something left out",), N_SCORED, [with_distance])
    for covariate in _with_states(tables):
        figures.rest(
            ("something else left out", covariate), lacking, [state(covariate, "n_left_out")]
        )
    figures.sum(("with a distance, nothing imputed",), complete.values())
    if complete and not has_left_out(tables):
        figures.is_sum(scored("imputed", "no", None), complete.values())
    for edges, cell in everybody.items():
        if edges in complete:
            figures.rest(("distance, imputed", str(edges[0])), cell, [complete[edges]])


def _records(tables: Tables) -> None:
    """Link records refused, converted and kept, and persons with something else."""
    figures = tables.figures
    for quantity in tables.values(QUALITY, "covariate", measure="n_records"):
        usable = figures.rest(
            ("usable", quantity),
            state(quantity, "n_records"),
            [state(quantity, measure) for measure in _REJECTED],
        )
        figures.rest(
            ("with a unit concept", quantity), usable, [state(quantity, each) for each in _UNIT]
        )
        for measure in ("n_converted", "n_censored"):
            figures.rest(("usable, not", quantity, measure), usable, [state(quantity, measure)])
    disease = figures.sum(
        ("with the disease",), [N_COHORT, state("crohns_disease", "n_excluded_condition")]
    )
    figures.rest(
        ("without colitis",), disease, [state("crohns_disease", "n_with_ulcerative_colitis")]
    )
    figures.rest(
        ("no undated death",), N_COHORT, [state("crohns_disease", "n_deaths_without_date")]
    )
