"""Shares over the runs of a year, in steps too wide to tell a small count.

A reader may have the reports of many nights. So there is one run a month, a figure is left out of
a run in which a small count stands beside it, and shares are rounded to steps of at least twice as
many persons as the smallest count that is printed.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any

import pandas as pd

from omop_scorer import sql, terms
from omop_scorer.results.history import Run
from omop_scorer.stores.base import ResultsReader

_YEAR = timedelta(days=366)

#: Steps of rounded shares, in percent.
_STEPS = (1, 2, 5, 10)

#: What is followed: a measure, its table, the rows of the table, and the column of its items.
_FOLLOWED = (
    ("preference_group", "preference_summary", "stratum = 'all'", "preference_group"),
    (terms.WOMEN_50_AND_OVER, "prevalence", f"measure = '{terms.WOMEN_50_AND_OVER}'", "population"),
    ("imputed", "covariate_quality", "measure = 'n_imputed'", "covariate"),
)

_COLUMNS = ("run_id", "as_of_date", "measure", "item", "n_persons", "n_population")


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
        run_id, as_of_date, measure, item, n_persons and n_population; empty for a first run.
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
                yield (run.run_id, run.as_of_date, measure, str(row[item]), n, of)


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
        is_safe = not any(
            0 < part < minimum
            for n, of in zip(family["n_persons"], family["n_population"], strict=True)
            for part in (n, of - n)
        )
        for item, n, of in family[["item", "n_persons", "n_population"]].itertuples(
            index=False, name=None
        ):
            share = rounded_share(n, of, minimum) if is_safe else None
            shown.append((as_of, str(names[1]), item, share))
    found = pd.DataFrame(shown, columns=["as_of_date", "measure", "item", "share"])
    return found.astype({"share": "Float64"})


def rounded_share(n: int, of: int, minimum: int) -> float | None:
    """Return a share rounded to a step of at least twice the minimum; None of too few persons."""
    for step in _STEPS:
        if minimum <= 1 or of * step >= 200 * minimum:
            return round(100 * n / (step * of)) * step / 100 if of else None
    return None
