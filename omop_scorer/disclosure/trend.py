"""Shares over the runs of a year, in steps too wide to tell a small count.

A reader may have the reports of many nights. So there is one run a month, a figure is left out of
a run in which few stand beside it, and shares are rounded to steps of at least twice as many
persons as the smallest count that is printed. A run keeps its own minimum, and a greater one rounds
what that one shows, so reports with several minima tell no more than the one.

A share would tell of a hidden count, so the report of a run hides its followed counts only if
nothing else protects a small count.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any

import pandas as pd

from omop_scorer import sql, terms
from omop_scorer.disclosure.cells import Cell
from omop_scorer.disclosure.coded import ALL, N_IMPUTED, WOMEN_50_AND_OVER
from omop_scorer.disclosure.identities import Tables
from omop_scorer.disclosure.protected_run import QUARTERS
from omop_scorer.disclosure.rules_covariates import state
from omop_scorer.disclosure.rules_labels import grouped
from omop_scorer.results.history import Run
from omop_scorer.stores.base import ResultsReader

_YEAR = timedelta(days=366)

#: Steps of rounded shares, in percent.
_STEPS = (1, 2, 5, 10)

#: What is followed: a measure, its table, the rows of the table, and the column of its items.
_FOLLOWED = (
    ("preference_group", "preference_summary", "stratum = 'all'", "preference_group"),
    (
        *(WOMEN_50_AND_OVER, "prevalence"),
        f"measure = '{WOMEN_50_AND_OVER}' AND population = '{terms.COHORT}'",
        "population",
    ),
    ("imputed", "covariate_quality", f"measure = '{N_IMPUTED}'", "covariate"),
)

_COLUMNS = ("run_id", "as_of_date", "minimum", "measure", "item", "n_persons", "n_population")


def followed(tables: Tables) -> list[Cell]:
    """Return the cells whose shares are followed over runs."""
    groups = tables.values("preference_summary", "preference_group", stratum=ALL)
    covariates = tables.values("covariate_quality", "covariate", measure=N_IMPUTED)
    return [
        *(grouped(ALL, ALL, group) for group in groups),
        ("prevalence", "n_persons", terms.COHORT, WOMEN_50_AND_OVER),
        *(state(covariate, N_IMPUTED) for covariate in covariates),
    ]


def runs_of_year(run: Run, runs: Sequence[Run]) -> list[Run]:
    """Return the last run of each month up to a run, of the same models, oldest first."""
    alike = [
        each
        for each in runs
        if each.is_complete
        and (each.model_sha256, each.uncertainty) == (run.model_sha256, run.uncertainty)
        and run.as_of_date - _YEAR < each.as_of_date <= run.as_of_date
        and (each.as_of_date, each.run_id) <= (run.as_of_date, run.run_id)
    ]
    months: dict[tuple[int, int], Run] = {}
    for each in sorted(alike, key=lambda each: (each.as_of_date, each.run_id)):
        months[each.as_of_date.year, each.as_of_date.month] = each
    return list(months.values())


def read_trend(reader: ResultsReader, run: Run, runs: Sequence[Run]) -> pd.DataFrame:
    """Return the true counts of the figures that are followed, of each month up to a run.

    Returns
    -------
    pandas.DataFrame
        run_id, as_of_date, minimum (that of the run itself), measure, item, n_persons and
        n_population; empty for a first run.
    """
    months = {each.run_id: each for each in runs_of_year(run, runs)}
    rows: list[tuple[Any, ...]] = []
    if len(months) > 1:
        present = reader.tables()
        for measure, table, condition, item in _FOLLOWED:
            if table in present:
                found = _read(reader, table, condition, list(months))
                rows += list(_rows(found, months, measure, item))
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def _read(
    reader: ResultsReader, table: str, condition: str, run_ids: Sequence[int]
) -> list[dict[str, Any]]:
    query = sql.parse(
        f"SELECT * FROM results.{table} WHERE {condition} "  # noqa: S608
        "AND run_id BETWEEN :first_id AND :last_id"
    )
    ends = {"first_id": min(run_ids), "last_id": max(run_ids)}
    rows: list[dict[str, Any]] = reader.read(query, ends).to_pylist()
    return rows


def _rows(
    found: Sequence[dict[str, Any]], months: dict[int, Run], measure: str, item: str
) -> Iterator[tuple[Any, ...]]:
    for row in found:
        run = months.get(row["run_id"])
        if run is not None:
            n = row["n"] if "n" in row else row["n_persons"]
            of = row.get("n_stratum", row.get("n_population", run.n_scored))
            if n is not None and of is not None:
                about = (run.run_id, run.as_of_date, _minimum(run))
                yield (*about, measure, str(row[item]), n, of)


def _minimum(run: Run) -> int:
    """Return the minimum that a run has in its own configuration; 1 if it has none."""
    config = json.loads(run.config_json)
    found = config.get("minimum_cell_count") if isinstance(config, dict) else None
    return found if isinstance(found, int) else 1


def shown_trend(rows: pd.DataFrame, minimum: int) -> pd.DataFrame:
    """Return the shares that may be shown, rounded.

    Parameters
    ----------
    rows
        The true counts, as `read_trend` returns them.
    minimum
        The smallest count above zero that is printed.

    Returns
    -------
    pandas.DataFrame
        as_of_date, measure, item and share (Float64; NA if it may not be shown).
    """
    shown = []
    for names, family in rows.groupby(["run_id", "measure"], sort=False):
        as_of: date = family["as_of_date"].iloc[0]
        own = int(family["minimum"].iloc[0])
        is_safe = not any(
            0 < part < QUARTERS * max(own, minimum)
            for n, of in zip(family["n_persons"], family["n_population"], strict=True)
            for part in (n, of - n)
        )
        for item, n, of in family[["item", "n_persons", "n_population"]].itertuples(
            index=False, name=None
        ):
            share = _share(n, of, own, minimum) if is_safe else None
            shown.append((as_of, str(names[1]), item, share))
    found = pd.DataFrame(shown, columns=["as_of_date", "measure", "item", "share"])
    return found.astype({"share": "Float64"})


def _share(n: int, of: int, own: int, minimum: int) -> float | None:
    """Return a share as a run itself shows it, or that share rounded for a greater minimum."""
    share = rounded_share(n, of, own)
    step = _step(of, max(own, minimum))
    return None if share is None or step is None else _rounded(share, step)


def rounded_share(n: int, of: int, minimum: int) -> float | None:
    """Return a share rounded to a step of at least twice the minimum; None of too few persons."""
    step = _step(of, minimum)
    return None if step is None or not of else _rounded(n / of, step)


def _step(of: int, minimum: int) -> int | None:
    """Return the first step, in percent, of at least twice as many persons as the minimum."""
    found = (step for step in _STEPS if minimum <= 1 or of * step >= 200 * minimum)
    return next(found, None)


def _rounded(share: float, step: int) -> float:
    return round(100 * share / step) * step / 100
