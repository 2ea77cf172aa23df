"""Removal of means of preference groups that reveal a count, or the values of a few patients."""

import pandas as pd

from omop_scorer.disclosure.cells import Cell, Hidden
from omop_scorer.disclosure.coded import NO, YES
from omop_scorer.disclosure.digits import rounded_mean
from omop_scorer.disclosure.protected_run import QUARTERS
from omop_scorer.disclosure.rules_profile import PROFILE, no_of, of_group, yes_of
from omop_scorer.terms import ALL, COVARIATE, RECORDED, SCORED

_MOMENTS = ("mean", "standard_deviation", "ci_low", "ci_high")

_KEY = ["measure", "category"]


def hide_profile(
    rows: pd.DataFrame, true_rows: pd.DataFrame, hidden: Hidden, minimum: int
) -> pd.DataFrame:
    """Return the profile of the groups without the means that must not be shown.

    Of few recorded values no mean is shown, as in `covariate_summary`. The mean of all groups and
    those of all but one give that one, so the groups without a mean are together never few: if
    they were, the smallest other groups lose theirs too. Means have the digits that are printed.

    Parameters
    ----------
    rows, true_rows
        The table `preference_profile` with hidden counts, and with all counts.
    hidden
        The cells that are not printed.
    minimum
        The smallest count above zero that is printed.
    """
    few = QUARTERS * minimum
    without: set[tuple[str, str, str]] = set()
    # Means of values as used tell those of the recorded ones, so these decide for both.
    is_recorded = true_rows["population"] == RECORDED
    deciding = true_rows[is_recorded | (true_rows["measure"] != COVARIATE)]
    for names, own in deciding.groupby(_KEY, sort=False):
        measure, category = map(str, names)
        counts = dict(zip(own["preference_group"], own["n_persons"].astype(int), strict=True))
        left = {
            group
            for group, n in counts.items()
            if 0 < n < few or any(cell in hidden for cell in _cells(group, measure, category))
        }
        if ALL not in left:
            _join(left, counts, few)
        without |= {(group, measure, category) for group in left}
    keys = rows[["preference_group", *_KEY]].itertuples(index=False, name=None)
    is_hidden = pd.Series([key in without for key in keys], rows.index, dtype=bool)
    rows = rows.copy()
    for column in _MOMENTS:
        rows[column] = rows[column].mask(is_hidden)
        rows[column] = rows[column].map(rounded_mean, na_action="ignore").astype("Float64")
    return rows


def _cells(group: str, measure: str, category: str) -> list[Cell]:
    """Return the cells that a mean reveals."""
    if measure != COVARIATE:
        return [(PROFILE, "n_persons", group, measure, category, SCORED)]
    counted = [of_group(group, category, each) for each in (SCORED, RECORDED)]
    if group == ALL:
        return [*counted, (YES, category), (NO, category)]
    return [*counted, yes_of(group, category), no_of(group, category)]


def _join(left: set[str], counts: dict[str, int], few: int) -> None:
    """Add the smallest groups with persons to those without a mean, until they are not few."""
    others = sorted(
        (n, group) for group, n in counts.items() if n and group != ALL and group not in left
    )
    while others and 0 < sum(counts[group] for group in left) < few:
        left.add(others.pop(0)[1])
