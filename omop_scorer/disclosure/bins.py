"""Histograms in which every bin holds enough persons to be printed."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd
from scipy import special

from omop_scorer import terms
from omop_scorer.model.card import ModelCard

_KEY = ["measure", "category"]

#: The far end of a joined tail moves outward to a multiple of this many bin widths.
_WIDTHS = 10

#: Bins of age end where age groups begin, because the report prints persons by both.
_AGE = (terms.COVARIATE, "age")
_AGE_EDGES = frozenset(lowest for _, lowest, _ in terms.AGE_GROUPS)
_DECADE_EDGES = frozenset(lowest for _, lowest, _ in terms.AGE_DECADES)


@dataclass(frozen=True)
class _Bin:
    """Persons of each kind from `low` to below `high`, joined from `n_joined` bins."""

    low: float
    high: float
    counts: tuple[int, ...]
    n_joined: int = 1

    def __add__(self, other: "_Bin") -> "_Bin":
        counts = tuple(a + b for a, b in zip(self.counts, other.counts, strict=True))
        return _Bin(self.low, other.high, counts, self.n_joined + other.n_joined)

    def is_small(self, minimum: int) -> bool:
        return any(0 < n < minimum for n in self.counts)


def merge_bins(
    rows: pd.DataFrame, minimum: int, card: ModelCard | None, *, has_decades: bool = False
) -> pd.DataFrame:
    """Return a run's histograms with bins joined until none holds from 1 to `minimum` - 1 persons.

    Tails are joined inwards first, then each small bin with the smaller of its neighbours. The far
    end of a joined tail moves outward to a round number, so that it does not reveal the most
    extreme value. A histogram of fewer persons than the minimum has no row at all. For the trial
    distance, persons with an imputed value are counted separately, because a reader can subtract.
    With `has_decades`, bins of age end where ages in tens begin.
    """
    merged: list[tuple[object, ...]] = []
    is_distance = rows["measure"] == terms.DISTANCE
    for key, own in rows[~is_distance].groupby(_KEY, sort=False):
        bins = [
            _Bin(low, high, (int(n),))
            for low, high, n in own[["bin_low", "bin_high", "n_persons"]].itertuples(
                index=False, name=None
            )
        ]
        edges = _DECADE_EDGES if has_decades else _AGE_EDGES
        is_edge = edges.__contains__ if key == _AGE else None
        for each in _merge(bins, minimum, is_edge):
            merged.append((*key, each.low, each.high, each.counts[0], None))
    merged += _distances(rows[is_distance], minimum, len(card.covariates) if card else None)
    columns = [*_KEY, "bin_low", "bin_high", "n_persons", "expected_share"]
    return pd.DataFrame(merged, columns=columns)


def _distances(
    rows: pd.DataFrame, minimum: int, n_covariates: int | None
) -> list[tuple[object, ...]]:
    counts: dict[tuple[float, float], dict[str, int]] = {}
    for category, low, high, n in rows[["category", "bin_low", "bin_high", "n_persons"]].itertuples(
        index=False, name=None
    ):
        counts.setdefault((low, high), {})[category] = int(n)
    bins = []
    for ends, found in sorted(counts.items()):
        complete = found.get(terms.NOTHING_IMPUTED, 0)
        bins.append(_Bin(*ends, (complete, found.get(terms.SCORED, 0) - complete)))
    totals = [sum(each.counts[kind] for each in bins) for kind in (0, 1)]
    has_both = not any(0 < total < minimum for total in totals)
    if not has_both:
        bins = [_Bin(each.low, each.high, (0, sum(each.counts))) for each in bins]
    merged: list[tuple[object, ...]] = []
    kinds: tuple[tuple[str, Callable[[_Bin], int]], ...] = (
        (terms.SCORED, lambda each: sum(each.counts)),
        (terms.NOTHING_IMPUTED, lambda each: each.counts[0]),
    )
    found_bins = _merge(bins, minimum)
    for category, count in kinds:
        merged += [
            (
                *(terms.DISTANCE, category, each.low, each.high),
                *(count(each), _expected(each, n_covariates)),
            )
            for each in found_bins
            if count(each)
        ]
    return merged


def _expected(each: _Bin, n_covariates: int | None) -> float | None:
    """Return the share of a normal training population between two distances from its mean."""
    if n_covariates is None:
        return None
    below = [special.gammainc(n_covariates / 2, end**2 / 2) for end in (each.low, each.high)]
    return float(below[1] - below[0])


def _merge(
    bins: Sequence[_Bin], minimum: int, is_edge: Callable[[float], bool] | None = None
) -> list[_Bin]:
    """Join bins, given in order, until none is small; return none if all of them are small."""
    merged: list[_Bin] = []
    for each in bins:
        joins = bool(merged) and is_edge is not None
        # An empty bin has no row, so the edge may lie between two rows.
        if joins and not _has_edge_between(merged[-1].high, each.low, is_edge):
            merged[-1] += each
        else:
            merged.append(each)
    width = bins[0].high - bins[0].low if bins else 0.0
    while len(merged) > 1 and any(each.is_small(minimum) for each in merged):
        first = _index_to_join(merged, minimum)
        merged[first : first + 2] = [merged[first] + merged[first + 1]]
    if any(each.is_small(minimum) for each in merged):
        return []
    return _blur_tails(merged, width * _WIDTHS)


def _index_to_join(bins: Sequence[_Bin], minimum: int) -> int:
    """Return the index of the first of the two bins to join next: tails first, then the others."""
    last = len(bins) - 1
    if bins[0].is_small(minimum):
        return 0
    if bins[last].is_small(minimum):
        return last - 1
    index = next(i for i, each in enumerate(bins) if each.is_small(minimum))
    left, right = sum(bins[index - 1].counts), sum(bins[index + 1].counts)
    return index - 1 if left <= right else index


def _has_edge_between(low: float, high: float, is_edge: Callable[[float], bool] | None) -> bool:
    """Return True if an allowed edge lies between two numbers, both included."""
    return is_edge is None or any(
        is_edge(float(value)) for value in range(math.ceil(low), math.floor(high) + 1)
    )


def _blur_tails(bins: list[_Bin], step: float) -> list[_Bin]:
    """Move the far ends of joined tails outward, to a multiple of the step."""
    blurred = list(bins)
    for index in (0, -1):
        each = blurred[index] if blurred else None
        if each is not None and each.n_joined > 1:
            low = math.floor(round(each.low / step, 9)) * step if index == 0 else each.low
            high = math.ceil(round(each.high / step, 9)) * step if index else each.high
            blurred[index] = _Bin(low, high, each.counts, each.n_joined)
    return blurred
