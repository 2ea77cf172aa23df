"""The drugs in use and last used in coarser rows, where few use one.

Preference groups of part of everybody are left out together: their sums follow from the rows of all
groups, so no group is left out alone, and no sum is small.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from omop_scorer import terms

Counts = NDArray[np.int64]

#: Columns that hold the figures of a row.
_COUNTED = ("n_persons", "n_population", "share", "ci_low", "ci_high")

#: How the key of a group with one class alone on top ends.
_ALONE = terms.alone("")


def fewer_uses(rows: pd.DataFrame, minimum: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of `current_treatment` that are printed, and those of groups left out.

    First the classes on top of `shared_top` go, then the drugs in use of parts of everybody and
    then those by group: who is no longer on the drug last used follows by subtraction. Then groups
    go, of women of 50 and over and of active disease.

    Parameters
    ----------
    rows
        The table.
    minimum
        The smallest count above zero that is printed.
    """
    steps = (
        rows["preferred"] == terms.ALL,
        (rows["population"] == terms.ALL) | (rows["treatment"] == terms.LAST),
        (rows["preference_group"] == terms.ALL) | (rows["treatment"] == terms.LAST),
    )
    is_left = pd.Series(data=True, index=rows.index)
    for step in steps:
        if _is_small(rows[is_left & ~step], minimum) or few_stopped(rows[is_left], minimum):
            is_left &= step
    is_apart = pd.Series(data=False, index=rows.index)
    for population in dict.fromkeys(rows["population"][rows["population"] != terms.ALL]):
        groups = _groups_apart(rows[is_left], str(population), minimum)
        is_apart |= (rows["population"] == population) & rows["preference_group"].isin(groups)
    left, apart = (rows[is_left & kind].reset_index(drop=True) for kind in (~is_apart, is_apart))
    return left, apart


def last_uses(rows: pd.DataFrame, minimum: int) -> pd.DataFrame:
    """Return who would be treated otherwise, of parts of everybody by the drug last used only.

    That is where few of them are on a drug now, or few are no longer on the drug last used.
    """
    is_part = rows["population"] != terms.ALL
    is_left = ~is_part | (rows["treatment"] == terms.LAST)
    is_small = _is_small(rows[~is_left], minimum) or few_stopped(rows[is_part], minimum)
    return rows[is_left].reset_index(drop=True) if is_small else rows


def few_stopped(rows: pd.DataFrame, minimum: int) -> bool:
    """Return True if few are no longer on the drug that they were last on."""
    left = ("treatment", *_COUNTED)
    keys = [str(name) for name in rows if name not in left]
    n_rows = rows.groupby(keys)["n_persons"].transform("size")
    signed = rows["n_persons"].where(rows["treatment"] == terms.LAST, -rows["n_persons"])
    rest = signed[n_rows == len(terms.TREATMENTS)].groupby([rows[key] for key in keys]).sum()
    return bool(rest.abs().between(1, minimum - 1).any())


def _is_small(rows: pd.DataFrame, minimum: int) -> bool:
    return bool(rows["n_persons"].between(1, minimum - 1).any())


@dataclass(frozen=True)
class _Groups:
    """Counts of a population by group and drug, and those of everybody; shape (groups, drugs)."""

    names: Sequence[str]
    own: Counts
    everybody: Counts

    def are_many(self, apart: Sequence[int], minimum: int) -> bool:
        """Return True if no count is small without these groups, but with their sums."""
        left = [i for i in range(len(self.names)) if i not in apart]
        own, everybody = (
            np.vstack([counts[left], *([counts[list(apart)].sum(axis=0)] if apart else [])])
            for counts in (self.own, self.everybody)
        )
        return not any(((n > 0) & (n < minimum)).any() for n in (own, everybody - own))

    def choices(self) -> Iterator[tuple[int, ...]]:
        """Yield groups to leave out: none, then as few with a class alone on top, and persons."""
        n = len(self.names)
        found = [each for size in range(2, n + 1) for each in combinations(range(n), size)]
        sizes = self.own.sum(axis=1)

        def cost(each: tuple[int, ...]) -> tuple[int, int]:
            alone = [i for i in each if self.names[i].endswith(_ALONE) and sizes[i]]
            return len(alone), int(sizes[list(each)].sum())

        yield from ((), *sorted(found, key=cost))


def _groups_apart(rows: pd.DataFrame, population: str, minimum: int) -> list[str]:
    """Return the groups of a population that are left out; all of them if nothing else helps."""
    is_group = (rows["preference_group"] != terms.ALL) & (rows["preferred"] == terms.ALL)
    own, everybody = (
        rows[is_group & (rows["population"] == name)].pivot_table(
            values="n_persons",
            index="preference_group",
            columns=["treatment", "drug_class"],
            aggfunc="sum",
            sort=False,
        )
        for name in (population, terms.ALL)
    )
    if own.empty:
        return []
    everybody = everybody.reindex(index=own.index, columns=own.columns)
    names = [str(name) for name in own.index]
    groups = _Groups(names, own.to_numpy(np.int64), everybody.to_numpy(np.int64))
    found = (each for each in groups.choices() if groups.are_many(each, minimum))
    return [names[i] for i in next(found, range(len(names)))]
