"""Means and deviations that tell no count more exactly than it is printed, if counts are rounded.

- The mean of a yes or no is that of the rounded counts.
- The mean of values as used, with that of the recorded ones, tells how many were imputed. If any
  were, it is not shown.
- Other means have three digits, so that those of groups and of all patients do not tell the sizes
  of the groups.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from omop_scorer.disclosure.cells import Cell
from omop_scorer.disclosure.identities import Tables
from omop_scorer.disclosure.linked import rounded_count
from omop_scorer.disclosure.rules_covariates import is_yes_no, yes
from omop_scorer.disclosure.rules_profile import yes_of
from omop_scorer.model.intervals import wilson_interval
from omop_scorer.terms import ALL, COVARIATE, RECORDED

_DIGITS = 3

Row = Mapping[str, Any]


def summary_of_rounded(rows: pd.DataFrame, tables: Tables, rounding: int) -> pd.DataFrame:
    """Return a covariate summary with the moments that rounded counts allow.

    Parameters
    ----------
    rows
        The table as it is shown, with rounded counts.
    tables
        The tables of the run, with true counts.
    rounding
        Counts are printed to the nearest multiple of this number.
    """
    return _changed(
        rows,
        ("mean", "standard_deviation", "standardised_mean_difference"),
        is_complete=_complete(tables, "covariate_summary", ["covariate"]),
        key=lambda row: (row["covariate"],),
        of_yes=lambda row: _yes_or_no(row, tables, rounding, row["covariate"], yes),
    )


def profile_of_rounded(rows: pd.DataFrame, tables: Tables, rounding: int) -> pd.DataFrame:
    """Return a profile of the groups with the moments that rounded counts allow.

    The parameters are those of `summary_of_rounded`.
    """

    def of_yes(row: Row) -> Row | None:
        if row["measure"] != COVARIATE:
            return None
        group = row["preference_group"]
        of: Callable[[str], Cell] = yes if group == ALL else lambda name: yes_of(group, name)
        return _yes_or_no(row, tables, rounding, row["category"], of)

    return _changed(
        rows,
        ("mean", "standard_deviation", "ci_low", "ci_high"),
        is_complete=_complete(
            tables, "preference_profile", ["preference_group", "measure", "category"]
        ),
        key=lambda row: (row["preference_group"], row["measure"], row["category"]),
        of_yes=of_yes,
    )


def _complete(tables: Tables, table: str, keys: list[str]) -> set[tuple[Any, ...]]:
    """Return the keys of which as many values are recorded as used."""
    found = tables.frames[table].groupby(keys)["n_persons"].nunique()
    return {key if isinstance(key, tuple) else (key,) for key in found.index[found == 1]}


def _changed(
    rows: pd.DataFrame,
    columns: tuple[str, ...],
    *,
    is_complete: set[tuple[Any, ...]],
    key: Callable[[Row], tuple[Any, ...]],
    of_yes: Callable[[Row], Row | None],
) -> pd.DataFrame:
    nothing: Row = dict.fromkeys(columns)
    found: list[Row] = []
    for record in rows.to_dict("records"):
        row = {str(name): value for name, value in record.items()}
        if pd.isna(row["mean"]) or (row["population"] != RECORDED and key(row) not in is_complete):
            found.append(nothing)
        else:
            found.append(of_yes(row) or row)
    return rows.assign(
        **{
            name: pd.array([_printed(row.get(name)) for row in found], "Float64")
            for name in columns
        }
    )


def _printed(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(f"{value:.{_DIGITS}g}")


def _yes_or_no(
    row: Row, tables: Tables, rounding: int, covariate: str, of: Callable[[str], Cell]
) -> Row | None:
    """Return the moments of a yes or no with rounded counts; None for another covariate."""
    if not is_yes_no(tables, covariate):
        return None
    n = row["n_persons"]
    if pd.isna(n) or n < 2:
        return {"mean": None}
    share = min(1.0, rounded_count(tables.figures.count(of(covariate)), rounding) / int(n))
    deviation = math.sqrt(share * (1 - share) * n / (n - 1))
    low, high = wilson_interval(share * n, n)
    found = {"mean": share, "standard_deviation": deviation}
    found |= {"ci_low": float(low), "ci_high": float(high)}
    if "trial_mean" in row:
        pooled = math.sqrt((deviation**2 + row["trial_standard_deviation"] ** 2) / 2)
        if pooled:
            found["standardised_mean_difference"] = (share - row["trial_mean"]) / pooled
    return found
