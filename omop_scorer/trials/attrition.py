"""Counts of a cleaning: rows left out by reason, values assumed, carried forward and imputed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

#: Fewest recorded values behind a median that is shown; the median of fewer tells of persons.
FEWEST_SHOWN = 5


@dataclass(frozen=True)
class Count:
    """A number of rows, and how many of them each arm has."""

    n: int
    by_arm: tuple[int, ...]
    """In the order of the arms; rows without a known arm are in none of them."""


@dataclass(frozen=True)
class Attrition:
    """The rows of a file, included or left out by reason; these add up to all rows."""

    arms: tuple[str, ...]
    """`placebo`, then the keys of the drug classes of the template."""
    rows: Count
    left_out: Mapping[str, Count]
    """Rows by the first reason to leave them out, in the order in which reasons are checked."""
    included: Count
    assumed: Mapping[str, Count]
    """Of the included, by `assumed_no_COLUMN` and `set_to_no_COLUMN`."""
    carried_forward: Mapping[int, Count]
    """Of the included, outcomes by the week of the visit that gives them, before the last week."""
    imputed: Mapping[str, Count]
    """Of the included, by the column of the covariate."""

    @property
    def n_rows(self) -> int:
        """Rows of the file."""
        return self.rows.n

    @property
    def n_included(self) -> int:
        """Included participants."""
        return self.included.n

    def as_json(self) -> dict[str, Any]:
        """Return the counts as JSON, in the order in which they arise."""
        carried = {f"from_week_{week}": each.n for week, each in self.carried_forward.items()}
        imputed = {f"imputed_{column}": each.n for column, each in self.imputed.items()}
        return {
            "rows": self.n_rows,
            **{reason: each.n for reason, each in self.left_out.items()},
            "included": self.n_included,
            **{key: each.n for key, each in self.assumed.items()},
            "carried_forward": carried,
            **imputed,
        }


@dataclass(frozen=True)
class Median:
    """The median of a covariate, and the number of recorded values behind it."""

    value: float
    n: int

    @property
    def shown(self) -> float | None:
        """The median; None if too few values are behind it."""
        return self.value if self.n >= FEWEST_SHOWN else None


@dataclass(frozen=True)
class Medians:
    """Medians of a covariate among the participants that are still in."""

    by_trial: Mapping[str, Median]
    pooled: Median

    def of(self, trial: str) -> float:
        """Return the median of a trial; that of all participants for one without any value."""
        found = self.by_trial[trial]
        return found.value if found.n else self.pooled.value

    def as_json(self) -> dict[str, Any]:
        """Return the medians as JSON; null where too few values are behind one."""
        by_trial = {trial: median.shown for trial, median in self.by_trial.items()}
        return {"by_trial": by_trial, "pooled": self.pooled.shown}


def median_of(values: np.ndarray[Any, np.dtype[np.float64]]) -> Median:
    """Return the median of the recorded values; NaN if there is none."""
    recorded = values[~np.isnan(values)]
    return Median(float(np.median(recorded)) if len(recorded) else np.nan, len(recorded))
