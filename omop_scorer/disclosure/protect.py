"""Take from a run's tables what must not leave the warehouse: small counts, and what tells them."""

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

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
    flow_cell,
    gives_change_away,
    known_before,
    link_change,
)
from omop_scorer.disclosure.identities_cohort import (
    ALL,
    ALONE_ON_TOP,
    POPULATIONS,
    WOMEN_FROM_50,
    link_cohort,
    persons,
    whole,
)
from omop_scorer.disclosure.identities_covariates import link_covariates, no, yes
from omop_scorer.disclosure.identities_treatment import link_treatment
from omop_scorer.disclosure.protected_run import ReportData
from omop_scorer.disclosure.true_run import Change, RunTables

_MOMENTS = ("mean", "standard_deviation", "standardised_mean_difference")

_QUARTILES = ("first_quartile_days", "median_days", "third_quartile_days")

_QUARTERS = 4

#: Columns that tell a count of their row: hidden with it.
_TELLING = ("share", "ci_low", "ci_high", *_MOMENTS, *_QUARTILES)

#: Significant digits of a mean that leaves the warehouse.
_DIGITS = 4

#: A count in a warning, by the word that follows it.
_COUNTED = re.compile(r"(?<![\w.,-])\d[\d,]*(?= (?:person|patient|record|value|death|row)\b)")

_CONCEPTS = "concept_set_member"


def protect_run(run: RunTables, minimum: int) -> ReportData:
    """Return what may be shown of a run.

    Parameters
    ----------
    run
        With its true counts.
    minimum
        The smallest count, above zero, that is printed; the run's own configured minimum holds
        where it is greater.
    """
    given = (run.run["config"] or {}).get("minimum_cell_count")
    own = given if isinstance(given, int) else minimum
    minimum = max(minimum, own)
    frames = {name: rows for name, rows in run.frames.items() if name != _CONCEPTS}
    if "prevalence" in frames and run.card is None:
        # Which labels they add up from is not known, so neither is what they would tell.
        rows = frames["prevalence"]
        is_told = ~rows["measure"].str.endswith(ALONE_ON_TOP)
        frames["prevalence"] = rows[is_told].reset_index(drop=True)
    if "histogram" in frames:
        frames["histogram"] = _typed(merge_bins(frames["histogram"], minimum, run.card))
    tables, change = Tables(frames, Figures(), run.config, run.card), run.change
    link(tables, run.run, change)
    needed = _needed_most(tables)
    hidden = tables.figures.hide(minimum, needed)
    if own < minimum:
        # What the run's own threshold hides stays hidden, lest the two reports tell it together.
        hidden |= tables.figures.hide(own, needed)
    shown = {name: _hide(name, rows, hidden) for name, rows in frames.items()}
    if "covariate_summary" in shown:
        shown["covariate_summary"] = _hide_moments(shown["covariate_summary"], hidden)
    if "next_treatment_time" in shown:
        shown["next_treatment_time"] = _hide_quartiles(shown["next_treatment_time"], minimum)
    if _CONCEPTS in run.frames:
        shown[_CONCEPTS] = _hide_few(run.frames[_CONCEPTS], "n_records", minimum)
    return ReportData(
        run={
            **run.run,
            "n_cohort": _count(run.run["n_cohort"], N_COHORT, hidden),
            "n_scored": _count(run.run["n_scored"], N_SCORED, hidden),
            "message": _without_counts(run.run["message"]),
        },
        classes=_classes(run),
        minimum_cell_count=minimum,
        tables=shown,
        change=None if change is None else _change(change, tables, hidden, minimum),
    )


def link(tables: Tables, run: Mapping[str, Any], change: Change | None) -> None:
    """Add every count that is printed, and what a reader can calculate from them."""
    for cell, name in ((N_COHORT, "n_cohort"), (N_SCORED, "n_scored")):
        if run[name] is not None:
            tables.figures.add(cell, run[name])
    tables.add_counts()
    link_cohort(tables)
    link_treatment(tables)
    link_covariates(tables)
    if change is not None and change.patients is not None:
        link_change(tables, change.earlier, change.patients)


def _needed_most(tables: Tables) -> list[Cell]:
    populations = [whole(each) for each in POPULATIONS]
    return [
        *(known_before(label) for label in (ALL, *tables.labels)),
        *(N_COHORT, N_SCORED, *populations),
        *(persons(each, WOMEN_FROM_50) for each in POPULATIONS),
        *(scored(ALL, ALL, label) for label in tables.labels),
        *(("attrition", "n_excluded", step) for step in tables.values("attrition", "step")),
        *(
            ("next_treatment", "n_persons", population, "first_biologic", ALL, next_class)
            for population in (ALL, WOMEN_FROM_50)
            for next_class in tables.values("next_treatment", "next_class")
        ),
    ]


def _hide(table: str, rows: pd.DataFrame, hidden: Hidden) -> pd.DataFrame:
    """Return a table without its hidden counts, and without what would tell them."""
    rows = rows.copy()
    is_told = pd.Series(data=False, index=rows.index)
    for column in count_columns(table):
        is_hidden = pd.Series(
            [cell in hidden for cell in cells_of(table, column, rows)], rows.index
        )
        is_told |= is_hidden
        rows[column] = rows[column].mask(is_hidden.astype(bool))
    for column in rows.columns.intersection(list(_TELLING)):
        rows[column] = rows[column].mask(is_told)
    return rows


def _hide_moments(rows: pd.DataFrame, hidden: Hidden) -> pd.DataFrame:
    """Hide means that tell a hidden count, or the mean of a few.

    The mean of a yes or no tells how many said yes. The mean of all the scored is that of those
    recorded and of a constant that is known: it tells the mean of few recorded, and beside the mean
    of the recorded how many are imputed.
    """
    is_told = [
        any(
            cell in hidden
            for cell in (
                yes(covariate),
                no(covariate),
                ("covariate_summary", "n_persons", covariate, "recorded"),
                ("covariate_summary", "n_persons", covariate, "scored"),
            )
        )
        for covariate in rows["covariate"]
    ]
    for column in _MOMENTS:
        # To all digits, the moments of two nights would tell the value of one patient more.
        rows[column] = rows[column].mask(pd.Series(is_told, rows.index, dtype=bool))
        rows[column] = rows[column].map(_rounded, na_action="ignore").astype("Float64")
    return rows


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _hide_quartiles(rows: pd.DataFrame, minimum: int) -> pd.DataFrame:
    """Hide the quartiles of few: between them there would be fewer than the minimum."""
    rows = rows.copy()
    is_few = (rows["n_persons"] < _QUARTERS * minimum).fillna(value=True).astype(bool)
    for column in rows.columns.intersection(list(_QUARTILES)):
        rows[column] = rows[column].mask(is_few)
    return rows


def _hide_few(rows: pd.DataFrame, column: str, minimum: int) -> pd.DataFrame:
    """Hide small counts that nothing else is calculated from."""
    is_few = rows[column].between(1, minimum - 1).fillna(value=False)
    return rows.assign(**{column: rows[column].mask(is_few.astype(bool))})


def _count(n: int | None, cell: Cell, hidden: Hidden) -> int | None:
    return None if n is None or cell in hidden else n


def _without_counts(message: str | None) -> str | None:
    """Take the counts out of a run's warnings: those that may be shown stand in its tables."""
    return None if message is None else _COUNTED.sub("some", message)


def _classes(run: RunTables) -> list[dict[str, Any]]:
    if run.card is not None:
        return [
            {"key": e.key, "label": e.label, "title": e.title, "drugs": list(e.drugs)}
            for e in run.card.classes
        ]
    rows = run.frames.get("next_treatment")
    keys = [] if rows is None else [key for key in dict.fromkeys(rows["index_class"]) if key != ALL]
    return [{"key": key, "label": key, "title": key, "drugs": []} for key in keys]


def _change(change: Change, tables: Tables, hidden: Hidden, minimum: int) -> dict[str, Any]:
    about = {
        "previous_run_id": change.earlier.run_id,
        "previous_as_of_date": change.earlier.as_of_date,
    }
    patients = change.patients
    if patients is None:
        counts: dict[str, int | None] = dict.fromkeys(("n_in", "n_out", "n_changed"))
        return {
            **about,
            **counts,
            "causes": _listed([], "cause"),
            "flows": _listed([], "from", "to"),
        }
    hides_all = gives_change_away(tables, hidden, minimum)

    def shown(n: int, cell: Cell) -> int | None:
        return None if n and (hides_all or cell in hidden) else n

    return {
        **about,
        "n_in": shown(patients.n_in, IN),
        "n_out": shown(patients.n_out, OUT),
        "n_changed": shown(patients.n_changed, CHANGED),
        "causes": _listed(
            [(e.cause, shown(e.n_persons, (*CAUSE, e.cause))) for e in patients.causes], "cause"
        ),
        "flows": _listed(
            [(e.earlier, e.later, shown(e.n_persons, flow_cell(e))) for e in patients.changes],
            *("from", "to"),
        ),
    }


def _listed(rows: list[tuple[Any, ...]], *keys: str) -> pd.DataFrame:
    """Return counts by key; those that are hidden stand last, in the order of their keys."""
    rows = sorted(rows, key=lambda row: (row[-1] is None, -(row[-1] or 0), row[:-1]))
    return _typed(pd.DataFrame(rows, columns=[*keys, "n_persons"]))


def _typed(rows: pd.DataFrame) -> pd.DataFrame:
    types = {"n_persons": "Int64", "bin_low": "Float64", "bin_high": "Float64"}
    types["expected_share"] = "Float64"
    return rows.astype({name: kind for name, kind in types.items() if name in rows})
