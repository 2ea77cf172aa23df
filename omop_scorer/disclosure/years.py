"""Years of first biologics, one by one or several together."""

from collections.abc import Iterator
from datetime import date

import pandas as pd

from omop_scorer.disclosure import coded

_TO = " to "


def years_of(value: str) -> tuple[int, int]:
    """Return the first and the last year of a value of the stratum, such as `2010 to 2013`."""
    first, _, last = value.partition(_TO)
    return int(first), int(last or first)


def with_joined_years(rows: pd.DataFrame, minimum: int, since: date | None) -> pd.DataFrame:
    """Return the counts of preference groups with years joined until no row of one is small.

    Parameters
    ----------
    rows
        The table `preference_summary`.
    minimum
        The smallest count above zero that is printed.
    since
        Years are not joined across this date, nor with the year that it divides.
    """
    is_year = (rows["stratum"] == coded.FIRST_BIOLOGIC_YEAR) & (rows["stratum_value"] != coded.NONE)
    if not rows[is_year]["n_persons"].between(1, minimum - 1).any():
        return rows
    by_year = {
        int(str(year)): [int(n) for n in own["n_persons"]]
        for year, own in rows[is_year].groupby("stratum_value")
    }
    names = {
        str(year): f"{years[0]}{_TO}{years[-1]}"
        for years in _joined(by_year, minimum, since)
        for year in years
        if len(years) > 1
    }
    values = rows["stratum_value"].where(~is_year, rows["stratum_value"].replace(names))
    rows = rows.assign(stratum_value=values)
    keys = ["stratum", "stratum_value", "preference_group"]
    return rows.groupby(keys, sort=False, as_index=False)[["n_persons", "n_stratum"]].sum()


def _joined(by_year: dict[int, list[int]], minimum: int, since: date | None) -> Iterator[list[int]]:
    """Yield years that are printed together, the earliest first."""
    edges = set() if since is None else {since.year, since.year + 1}
    period: list[list[int]] = []
    for year in sorted(by_year):
        if period and any(edge <= year and period[0][0] < edge for edge in edges):
            yield from _without_small(period, by_year, minimum)
            period = []
        period.append([year])
    yield from _without_small(period, by_year, minimum)


def _without_small(
    period: list[list[int]], by_year: dict[int, list[int]], minimum: int
) -> list[list[int]]:
    """Return the years of a period, joined with a neighbour until no count of theirs is small."""

    def is_small(years: list[int]) -> bool:
        counts = map(sum, zip(*(by_year[year] for year in years), strict=True))
        return any(0 < n < minimum for n in counts)

    while len(period) > 1:
        at = next((i for i, years in enumerate(period) if is_small(years)), None)
        if at is None:
            break
        first = min(at, len(period) - 2)
        period = [*period[:first], period[first] + period[first + 1], *period[first + 2 :]]
    return period
