"""Removal of small counts, and of the figures that reveal them, from the tables of a run."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from omop_scorer.disclosure import coded
from omop_scorer.disclosure.bins import merge_bins
from omop_scorer.disclosure.cells import Cell, Figures, Hidden
from omop_scorer.disclosure.identities import (
    N_COHORT,
    N_SCORED,
    Tables,
    cells_of,
    count_columns,
    scored,
)
from omop_scorer.disclosure.identities_change import (
    CAUSE,
    CHANGED,
    IN,
    OUT,
    contradicts_previous_report,
    flow_cell,
    known_before,
    link_change,
)
from omop_scorer.disclosure.identities_cohort import (
    is_alone_on_top,
    link_cohort,
    persons,
    whole,
)
from omop_scorer.disclosure.identities_covariates import link_covariates, no, yes
from omop_scorer.disclosure.identities_groups import GROUPS, PROFILE
from omop_scorer.disclosure.identities_now import NOW, link_now, link_years
from omop_scorer.disclosure.identities_treatment import link_treatment
from omop_scorer.disclosure.leaving import COLUMNS
from omop_scorer.disclosure.listed import listed_rows, listed_run, with_texts
from omop_scorer.disclosure.populations import rounded_mean
from omop_scorer.disclosure.profile import hide_profile
from omop_scorer.disclosure.protected_run import QUARTERS, ReportData
from omop_scorer.disclosure.site_texts import SiteTexts
from omop_scorer.disclosure.trend import shown_trend
from omop_scorer.disclosure.true_run import Change, RunTables
from omop_scorer.model.load import shipped_models
from omop_scorer.terms import (
    ALL,
    FIRST_BIOLOGIC,
    POPULATIONS,
    RECORDED,
    SCORED,
    WOMEN_50_AND_OVER,
)

_MOMENTS = ("mean", "standard_deviation", "standardised_mean_difference")

_QUARTILES = ("first_quartile_days", "median_days", "third_quartile_days")


#: Columns that reveal a count of their row and are hidden with it.
_REVEALING = ("share", "ci_low", "ci_high", *_MOMENTS, *_QUARTILES)

#: A whole number or a percentage in a warning, unless it is a known kind of number: of a run, an
#: attempt or a concept, of days and the like. Every other one may count persons.
_COUNTED = re.compile(
    r"(?<![\w.,:/=-])(?<!run )(?<!attempt )(?<!instead of )"
    r"(?!\d{6,}\b)(?:\d[\d,]*(?:\.\d+)?%|\d[\d,]*(?![\w.:/-]*\d))(?![\w/])"
    r"(?! (?:days?|hours?|minutes?|seconds?|s|months?|years?|different)\b)"
)

_CONCEPTS = "concept_set_member"

#: Tables of preference groups.
_BY_GROUP = (GROUPS, PROFILE, NOW)


def protect_run(run: RunTables, minimum: int) -> ReportData:
    """Return the figures of a run that may be shown.

    Parameters
    ----------
    run
        The run with its true counts.
    minimum
        The smallest count above zero that is printed. If the minimum configured for the run is
        greater, that one applies.
    """
    given = (run.run["config"] or {}).get("minimum_cell_count")
    own = given if isinstance(given, int) else minimum
    minimum = max(minimum, own)
    frames = {n: rows for n, rows in run.frames.items() if n in COLUMNS and n != _CONCEPTS}
    if run.card is None:
        frames = _without_classes(frames)
    if "histogram" in frames:
        frames["histogram"] = _typed(merge_bins(frames["histogram"], minimum, run.card))
    tables, change = Tables(frames, Figures(), run.config, run.card), run.change
    link(tables, run.run, change)
    needed = _needed_most(tables)
    hidden = tables.figures.hide(minimum, needed)
    if own < minimum:
        # A reader may have both reports, so cells hidden by the run's own minimum stay hidden.
        hidden |= tables.figures.hide(own, needed)
    shown = {name: _hide(name, rows, hidden) for name, rows in frames.items()}
    if "covariate_summary" in shown:
        shown["covariate_summary"] = _hide_moments(
            shown["covariate_summary"], frames["covariate_summary"], hidden, minimum
        )
    if PROFILE in shown:
        shown[PROFILE] = hide_profile(shown[PROFILE], frames[PROFILE], hidden, minimum)
    if "next_treatment_time" in shown:
        shown["next_treatment_time"] = _hide_quartiles(shown["next_treatment_time"], minimum)
    if _CONCEPTS in run.frames:
        shown[_CONCEPTS] = _hide_few(run.frames[_CONCEPTS], "n_records", minimum)
    texts = SiteTexts(_set_names(run), run.run["config"])
    about = {
        **run.run,
        "n_cohort": _count(run.run["n_cohort"], N_COHORT, hidden),
        "n_scored": _count(run.run["n_scored"], N_SCORED, hidden),
        "message": _without_counts(run.run["message"]),
    }
    return ReportData(
        run=listed_run(about, texts),
        classes=_classes(run, texts),
        minimum_cell_count=minimum,
        tables={name: listed_rows(name, rows, texts) for name, rows in shown.items()},
        change=None if change is None else _change(change, tables, hidden, minimum, texts),
        trend=None if run.trend is None else shown_trend(run.trend, minimum),
    )


def _without_classes(frames: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the tables without the counts by class, group and label together.

    Without a card the labels of a class are not known, so these counts cannot be linked.
    """
    left = {name: rows for name, rows in frames.items() if name not in _BY_GROUP}
    if "prevalence" in left:
        is_linked = ~left["prevalence"]["measure"].map(is_alone_on_top).astype(bool)
        left["prevalence"] = left["prevalence"][is_linked].reset_index(drop=True)
    if "subgroup_summary" in left:
        by_group = [coded.PREFERENCE_GROUP, coded.RULED_OUT_CLASS]
        is_linked = ~left["subgroup_summary"]["stratum"].isin(by_group)
        left["subgroup_summary"] = left["subgroup_summary"][is_linked].reset_index(drop=True)
    return left


def _set_names(run: RunTables) -> list[str]:
    rows = run.frames.get(_CONCEPTS)
    return [] if rows is None else [str(name) for name in rows["concept_set"].unique()]


def link(tables: Tables, run: Mapping[str, Any], change: Change | None) -> None:
    """Add every printed count and the counts that a reader can calculate from them."""
    for cell, name in ((N_COHORT, "n_cohort"), (N_SCORED, "n_scored")):
        if run[name] is not None:
            tables.figures.add(cell, run[name])
    tables.add_counts()
    link_cohort(tables)
    link_treatment(tables)
    link_now(tables)
    link_years(tables)
    link_covariates(tables)
    if change is not None and change.patients is not None:
        link_change(tables, change.earlier, change.patients)


def _needed_most(tables: Tables) -> list[Cell]:
    populations = [whole(each) for each in POPULATIONS]
    return [
        *(known_before(label) for label in (ALL, *tables.labels)),
        *(N_COHORT, N_SCORED, *populations),
        *(persons(each, WOMEN_50_AND_OVER) for each in POPULATIONS),
        *(scored(ALL, ALL, label) for label in tables.labels),
        *(("attrition", "n_excluded", step) for step in tables.values("attrition", "step")),
        *(
            ("next_treatment", "n_persons", population, FIRST_BIOLOGIC, ALL, next_class)
            for population in (ALL, WOMEN_50_AND_OVER)
            for next_class in tables.values("next_treatment", "next_class")
        ),
    ]


def _hide(table: str, rows: pd.DataFrame, hidden: Hidden) -> pd.DataFrame:
    """Return a table without its hidden counts and the columns that reveal them."""
    rows = rows.copy()
    is_revealed = pd.Series(data=False, index=rows.index)
    for column in count_columns(table):
        is_hidden = pd.Series(
            [cell in hidden for cell in cells_of(table, column, rows)], rows.index
        )
        is_revealed |= is_hidden
        rows[column] = rows[column].mask(is_hidden.astype(bool))
    for column in rows.columns.intersection(list(_REVEALING)):
        rows[column] = rows[column].mask(is_revealed)
    return rows


def _hide_moments(
    rows: pd.DataFrame, true_rows: pd.DataFrame, hidden: Hidden, minimum: int
) -> pd.DataFrame:
    """Hide means that reveal a hidden count or the values of a few patients.

    The mean of a yes/no covariate reveals how many are yes. The mean of all scored patients
    combines the recorded values with one imputed value: it reveals the mean of the recorded values
    and, together with that mean, the number of imputed values, or the imputed value. The latter
    may be the median of the cohort. So of few recorded values neither mean is shown.
    """
    is_few = true_rows["n_persons"].between(1, QUARTERS * minimum - 1)
    few = set(true_rows["covariate"][is_few.fillna(value=True).astype(bool)])
    is_revealed = [
        covariate in few
        or any(
            cell in hidden
            for cell in (
                yes(covariate),
                no(covariate),
                ("covariate_summary", "n_persons", covariate, RECORDED),
                ("covariate_summary", "n_persons", covariate, SCORED),
            )
        )
        for covariate in rows["covariate"]
    ]
    for column in _MOMENTS:
        # With all digits, the moments of two nights would reveal the value of one added patient.
        rows[column] = rows[column].mask(pd.Series(is_revealed, rows.index, dtype=bool))
        rows[column] = rows[column].map(rounded_mean, na_action="ignore").astype("Float64")
    return rows


def _hide_quartiles(rows: pd.DataFrame, minimum: int) -> pd.DataFrame:
    """Hide quartiles with fewer persons than the minimum between two of them."""
    rows = rows.copy()
    is_few = (rows["n_persons"] < QUARTERS * minimum).fillna(value=True).astype(bool)
    for column in rows.columns.intersection(list(_QUARTILES)):
        rows[column] = rows[column].mask(is_few)
    return rows


def _hide_few(rows: pd.DataFrame, column: str, minimum: int) -> pd.DataFrame:
    """Hide small counts that are linked with no other count."""
    is_few = rows[column].between(1, minimum - 1).fillna(value=False)
    return rows.assign(**{column: rows[column].mask(is_few.astype(bool))})


def _count(n: int | None, cell: Cell, hidden: Hidden) -> int | None:
    return None if n is None or cell in hidden else n


def _without_counts(message: str | None) -> str | None:
    """Replace the counts in a run's warnings; the tables show those that may be shown."""
    if message is None:
        return None
    text = _COUNTED.sub("some", message).replace(" (some)", "")
    text = re.sub(r"\bsome of some (?=\w)", "some of the ", text)
    return re.sub(r"\bsome (\w+)\(s\)", r"some \1s", text)


def _classes(run: RunTables, texts: SiteTexts) -> list[dict[str, Any]]:
    if run.card is not None:
        # A card of the site holds texts of the site.
        is_shipped = run.card.id in shipped_models()
        text: Callable[[str], str] = str if is_shipped else texts.name
        return [
            {
                "key": text(e.key),
                "label": text(e.label),
                "title": text(e.title),
                "drugs": [text(drug) for drug in e.drugs],
            }
            for e in run.card.classes
        ]
    rows = run.frames.get("next_treatment")
    found = [] if rows is None else dict.fromkeys(map(texts.name, rows["index_class"]))
    keys = [key for key in found if key != ALL]
    return [{"key": key, "label": key, "title": key, "drugs": []} for key in keys]


def _change(
    change: Change, tables: Tables, hidden: Hidden, minimum: int, texts: SiteTexts
) -> dict[str, Any]:
    previous = {
        "previous_run_id": change.earlier.run_id,
        "previous_as_of_date": change.earlier.as_of_date,
    }
    patients = change.patients
    if patients is None:
        counts: dict[str, int | None] = dict.fromkeys(("n_in", "n_out", "n_changed"))
        return {
            **previous,
            **counts,
            "causes": _listed([], "cause"),
            "flows": _listed([], "from", "to"),
        }
    hides_all = contradicts_previous_report(tables, hidden, minimum)

    def shown(n: int, cell: Cell) -> int | None:
        return None if n and (hides_all or cell in hidden) else n

    return {
        **previous,
        "n_in": shown(patients.n_in, IN),
        "n_out": shown(patients.n_out, OUT),
        "n_changed": shown(patients.n_changed, CHANGED),
        "causes": with_texts(
            _listed(
                [(e.cause, shown(e.n_persons, (*CAUSE, e.cause))) for e in patients.causes],
                "cause",
            ),
            texts,
        ),
        "flows": with_texts(
            _listed(
                [(e.earlier, e.later, shown(e.n_persons, flow_cell(e))) for e in patients.changes],
                *("from", "to"),
            ),
            texts,
        ),
    }


def _listed(rows: list[tuple[Any, ...]], *keys: str) -> pd.DataFrame:
    """Return counts by key, the largest first and hidden ones last, sorted by key."""
    rows = sorted(rows, key=lambda row: (row[-1] is None, -(row[-1] or 0), row[:-1]))
    return _typed(pd.DataFrame(rows, columns=[*keys, "n_persons"]))


def _typed(rows: pd.DataFrame) -> pd.DataFrame:
    types = {"n_persons": "Int64", "bin_low": "Float64", "bin_high": "Float64"}
    types["expected_share"] = "Float64"
    return rows.astype({name: kind for name, kind in types.items() if name in rows})
