"""Tables of a run without their hidden counts and the figures that reveal them."""

from collections.abc import Mapping

import pandas as pd

from omop_scorer.disclosure.cells import Bounds, Cell, Figures, Hidden
from omop_scorer.disclosure.coarser import with_shares
from omop_scorer.disclosure.digits import rounded_mean
from omop_scorer.disclosure.identities import cells_of, count_columns
from omop_scorer.disclosure.linked import rounded
from omop_scorer.disclosure.protected_run import QUARTERS
from omop_scorer.disclosure.rules_covariates import no, yes
from omop_scorer.terms import RECORDED, SCORED

_MOMENTS = ("mean", "standard_deviation", "standardised_mean_difference")

_QUARTILES = ("first_quartile_days", "median_days", "third_quartile_days")

#: Columns that reveal a count of their row and are hidden with it.
_REVEALING = ("share", "ci_low", "ci_high", *_MOMENTS, *_QUARTILES)

#: The count of which `share` is a share.
_WHOLES = ("n_population", "n_stratum")


def without_hidden(table: str, rows: pd.DataFrame, hidden: Hidden) -> pd.DataFrame:
    """Return a table without its hidden counts and the columns that reveal them."""
    rows = rows.copy()
    is_revealed = pd.Series(data=False, index=rows.index)
    for column in count_columns(table):
        is_hidden = pd.Series(
            [cell in hidden for cell in cells_of(table, column, rows)], rows.index, dtype=bool
        )
        is_revealed |= is_hidden
        rows[column] = rows[column].mask(is_hidden)
    for column in rows.columns.intersection(list(_REVEALING)):
        rows[column] = rows[column].mask(is_revealed)
    return rows


def without_few(rows: pd.DataFrame, column: str, minimum: int) -> pd.DataFrame:
    """Return rows without small counts; they are linked with no other count."""
    is_few = rows[column].between(1, minimum - 1).fillna(value=False)
    return rows.assign(**{column: rows[column].mask(is_few.astype(bool))})


def without_revealing_moments(
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


def without_few_quartiles(rows: pd.DataFrame, minimum: int) -> pd.DataFrame:
    """Hide quartiles with fewer persons than the minimum between two of them."""
    rows = rows.copy()
    is_few = (rows["n_persons"] < QUARTERS * minimum).fillna(value=True).astype(bool)
    for column in rows.columns.intersection(list(_QUARTILES)):
        rows[column] = rows[column].mask(is_few)
    return rows


def rounded_rows(table: str, rows: pd.DataFrame, rounding: int) -> pd.DataFrame:
    """Return a table with rounded counts, and with shares and intervals of the rounded counts."""
    if rounding == 1:
        return rows
    rows = rows.copy()
    for column in rows.columns.intersection(list(count_columns(table))):
        is_known = rows[column].notna()
        values = rows[column][is_known].to_numpy("int64")
        rows.loc[is_known, column] = rounded(values, rounding)
    total = next((name for name in _WHOLES if name in rows), None)
    if "share" in rows and total is not None:
        is_known = rows["share"].notna()
        new = with_shares(rows, total)
        shares = ("share", "ci_low", "ci_high")
        return rows.assign(**{name: new[name].where(is_known) for name in shares})
    return rows


def bounds_frame(
    table: str,
    rows: pd.DataFrame,
    hidden: Hidden,
    figures: Figures,
    bounds: Mapping[Cell, Bounds],
) -> pd.DataFrame:
    """Return the bounds of each hidden count and share of a table that may be shown.

    Parameters
    ----------
    table, rows
        Name of a table, and its rows as they are shown.
    hidden, figures
        The hidden cells, among all cells.
    bounds
        The bounds that may be shown, by cell.

    Returns
    -------
    pandas.DataFrame
        A row per row of the table: `<count>_low` and `<count>_high` (Int64) for each of its counts,
        `share_low` and `share_high` (Float64); NA where a figure is shown, or has no bounds.
    """
    found = pd.DataFrame(index=rows.index)
    for column in rows.columns.intersection(list(count_columns(table))):
        ends = [
            bounds.get(figures.name(cell), (None, None)) if cell in hidden else (None, None)
            for cell in cells_of(table, column, rows)
        ]
        for at, name in enumerate(("low", "high")):
            found[f"{column}_{name}"] = pd.array([each[at] for each in ends], "Int64")
    if "share" in rows and "n_persons" in rows:
        whole = rows[next(name for name in _WHOLES if name in rows)]
        whole = whole.where(whole != 0)
        for name in ("low", "high"):
            found[f"share_{name}"] = (found[f"n_persons_{name}"] / whole).astype("Float64")
        found["share_high"] = found["share_high"].clip(upper=1.0)
    return found
