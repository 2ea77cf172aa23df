"""Means and deviations that tell no more than rounded counts do."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from omop_scorer.disclosure.identities import Tables
from omop_scorer.disclosure.linked import rounded
from omop_scorer.disclosure.populations import rounded_mean
from omop_scorer.disclosure.rules_covariates import is_yes_no, yes
from omop_scorer.terms import RECORDED

_MOMENTS = ("mean", "standard_deviation", "standardised_mean_difference")


def moments_of_rounded(rows: pd.DataFrame, tables: Tables, rounding: int) -> pd.DataFrame:
    """Return a covariate summary whose moments tell no count more exactly than it is printed.

    The mean of a yes or no is that of the rounded counts. The mean of all scored patients, with
    that of the recorded values, reveals how many were imputed; if any were, it is not shown.
    """
    records: list[dict[str, Any]] = rows.to_dict("records")
    has_same = {
        name: own["n_persons"].nunique() == 1
        for name, own in tables.frames["covariate_summary"].groupby("covariate")
    }
    changed = [
        _moments(row, tables, rounding, is_complete=has_same[row["covariate"]]) for row in records
    ]
    return rows.assign(
        **{name: pd.array([row[name] for row in changed], "Float64") for name in _MOMENTS}
    )


def _moments(
    row: Mapping[str, Any], tables: Tables, rounding: int, *, is_complete: bool
) -> Mapping[str, Any]:
    """Return the mean, the deviation and the difference of one row that may be shown."""
    nothing = dict.fromkeys(_MOMENTS)
    if row["population"] != RECORDED and not is_complete:
        return nothing
    covariate, n = row["covariate"], row["n_persons"]
    if not is_yes_no(tables, covariate) or pd.isna(row["mean"]):
        return row
    if pd.isna(n) or n < 2:
        return nothing
    share = int(rounded(tables.figures.count(yes(covariate)), rounding)) / int(n)
    share = min(1.0, share)
    deviation = math.sqrt(share * (1 - share) * n / (n - 1))
    pooled = math.sqrt((deviation**2 + row["trial_standard_deviation"] ** 2) / 2)
    difference = (share - row["trial_mean"]) / pooled if pooled else None
    return {
        "mean": rounded_mean(share),
        "standard_deviation": rounded_mean(deviation),
        "standardised_mean_difference": None if difference is None else rounded_mean(difference),
    }
