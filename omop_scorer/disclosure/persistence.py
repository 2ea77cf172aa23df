"""Curves of persistence without days between which few stopped or were censored.

Only everybody's first biologics leave the warehouse, by class and by preference. Who stopped or was
censored between two printed days, and who is left at one, is nobody or at least the minimum of a
curve, and of the persons in no curve of its family. Where few are censored, a day has a share but
no counts. Shares are rounded to steps of two persons or more, and means to days, so that neither
gives back how many were censored.

Curves by preference have no counts. Where a class was given to nobody, or to everybody, the labels
tell how many of each preference have an index treatment, and how many of a class have none.

All curves of a family have the same days, and these are days of the curve of everybody. So their
differences are sums of such counts too.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from omop_scorer.disclosure.cells import Hidden
from omop_scorer.disclosure.identities import cells_of
from omop_scorer.disclosure.protected_run import QUARTERS
from omop_scorer.terms import ALL, FIRST_BIOLOGIC, OTHERS_PREFERRED, PREFERRED

CURVES, MEANS = "persistence", "persistence_mean"

_CURVE = ["drug_class", "preference"]

_COUNTS = ["n_at_risk", "n_stopped"]

#: How shares become multiples of a step: the ends of an interval outward.
_ROUNDING: Mapping[str, Callable[[float], int]] = {
    "share": round,
    "ci_low": math.floor,
    "ci_high": math.ceil,
}

#: Steps of rounded shares, in percent, and the persons that a step holds at least.
_STEPS, _PERSONS = (1, 2, 5, 10), 2

_DAYS = ("mean_days", "ci_low", "ci_high")

_DIFFERENCE = ("difference_days", "difference_ci_low", "difference_ci_high", "p_value")

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class _Family:
    """Curves that are printed for the same days; shape (curves, days), the first day is 0."""

    curves: Sequence[tuple[str, str]]
    n_at_risk: Counts
    n_stopped: Counts
    n_indexed: Counts | None
    """All with an index treatment, of each curve; None of preferences, which have no counts."""


def fewer_days(
    frames: Mapping[str, pd.DataFrame], minima: Sequence[int]
) -> dict[str, pd.DataFrame]:
    """Return `persistence` and `persistence_mean` with the curves and days that are printed.

    Parameters
    ----------
    frames
        The tables of a run with true counts; none is returned if there are no curves.
    minima
        The smallest counts above zero that are printed, each time on the days of those before it.
    """
    if CURVES not in frames:
        return {}
    rows = _first_biologics(frames[CURVES])
    own = _curves(rows)
    days = list(range(len(own[ALL, ALL][0]))) if (ALL, ALL) in own else []
    n_indexed = _indexed(frames)
    kept = pd.Series(data=False, index=rows.index)
    counted = kept.copy()
    order = sorted({int(day) for day in rows["days"]})
    whole = (days, days)
    for family in _families(own, n_indexed):
        shown, with_counts = _days(family, own[ALL, ALL], whole, minima)
        if len(family.curves) == 1:
            whole = (shown, with_counts)
        if len(shown) < 2:
            continue
        is_own = _bools(rows, [curve in family.curves for curve in _names(rows)])
        kept |= is_own & rows["days"].isin([order[i] for i in shown])
        counted |= is_own & rows["days"].isin([order[i] for i in with_counts])
    rows[_COUNTS] = rows[_COUNTS].where(counted)
    found = {CURVES: rows[kept].reset_index(drop=True)}
    if MEANS in frames:
        found[MEANS] = _means_of(_first_biologics(frames[MEANS]), found[CURVES])
    return found


def _first_biologics(rows: pd.DataFrame) -> pd.DataFrame:
    is_left = (rows["population"] == ALL) & (rows["index_rule"] == FIRST_BIOLOGIC)
    return rows[is_left].reset_index(drop=True)


def _curves(rows: pd.DataFrame) -> dict[tuple[str, str], tuple[Counts, Counts]]:
    """Return persons at risk and stopped by day, of each class and preference."""
    return {
        (str(given), str(preference)): (
            each["n_at_risk"].to_numpy(np.int64),
            each["n_stopped"].to_numpy(np.int64),
        )
        for (given, preference), each in rows.sort_values("days").groupby(_CURVE, sort=False)
    }


def _indexed(frames: Mapping[str, pd.DataFrame]) -> dict[str, int]:
    """Return persons with a first biologic by class."""
    treated = frames.get("next_treatment")
    if treated is None:
        return {}
    treated = _first_biologics(treated)
    return dict(zip(treated["index_class"], map(int, treated["n_population"]), strict=True))


def _families(
    own: Mapping[tuple[str, str], tuple[Counts, Counts]], n_indexed: Mapping[str, int]
) -> list[_Family]:
    """Return everybody, the classes, and the preferences."""
    classes = [(given, ALL) for given, preference in own if preference == ALL and given != ALL]
    families = []
    for curves in ([(ALL, ALL)], classes, [(ALL, PREFERRED), (ALL, OTHERS_PREFERRED)]):
        if curves and all(curve in own for curve in curves):
            at_risk, stopped = (np.array([own[curve][i] for curve in curves]) for i in (0, 1))
            is_by_class = all(preference == ALL for _, preference in curves)
            indexed = np.array([n_indexed.get(given, 0) for given, _ in curves])
            families.append(_Family(curves, at_risk, stopped, indexed if is_by_class else None))
    return families


def _days(
    family: _Family,
    everybody: tuple[Counts, Counts],
    whole: tuple[list[int], list[int]],
    minima: Sequence[int],
) -> tuple[list[int], list[int]]:
    """Return the days with shares, and those of them with counts, among those of everybody."""
    at_risk, stopped = (
        np.vstack([own, n - own.sum(axis=0)])
        for own, n in zip((family.n_at_risk, family.n_stopped), everybody, strict=True)
    )
    shown, counted = whole
    if family.n_indexed is None:
        counted = []
        too_recent = np.zeros(0, np.int64)
    else:
        too_recent = family.n_indexed - at_risk[:-1, 0]
    for minimum in minima:
        shown = _safe(shown, [stopped], minimum, at_risk)
        counted = [i for i in counted if i in shown]
        counted = _safe(counted, [stopped, -at_risk - stopped], minimum, at_risk)
        if _are_small(too_recent, minimum) or _are_small(at_risk[:, 0], minimum):
            counted = []
    return shown, counted


def _safe(days: Sequence[int], sums: Sequence[Counts], minimum: int, left: Counts) -> list[int]:
    """Return the days between which no sum rises by a small number, and with no small rest."""
    chosen = list(days[:1])
    for i in days[1:]:
        steps = [each[:, i] - each[:, chosen[-1]] for each in sums]
        if not any(_are_small(each, minimum) for each in (*steps, left[:, i])):
            chosen.append(i)
    return chosen


def _are_small(counts: Counts, minimum: int) -> bool:
    return bool(((counts > 0) & (counts < minimum)).any())


def _names(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """Return class and preference of each row."""
    return [(str(a), str(b)) for a, b in zip(*(rows[key] for key in _CURVE), strict=True)]


def _bools(rows: pd.DataFrame, values: Sequence[bool]) -> "pd.Series[bool]":
    return pd.Series(values, rows.index, dtype=bool)


def _means_of(rows: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """Return the means of printed curves; with a number of persons only if it is printed there."""
    first = curves[curves["days"] == 0]
    shown = dict(zip(_names(first), first["n_at_risk"].notna(), strict=True))
    rows = rows[_bools(rows, [curve in shown for curve in _names(rows)])].reset_index(drop=True)
    has_number = _bools(rows, [bool(shown[curve]) for curve in _names(rows)])
    return rows.assign(n_persons=rows["n_persons"].where(has_number))


def without_revealing(
    shown: Mapping[str, pd.DataFrame],
    true_rows: Mapping[str, pd.DataFrame],
    hidden: Hidden,
    minimum: int,
    rounding: int,
) -> dict[str, pd.DataFrame]:
    """Return both tables with rounded shares and means, and without families of hidden counts.

    Parameters
    ----------
    shown
        The tables as `fewer_days` returned them, without hidden counts.
    true_rows
        The tables of the run.
    hidden, minimum, rounding
        The hidden cells, the smallest count above zero that is printed, and the number to a
        multiple of which counts are rounded.
    """
    rows = {name: shown[name].copy() for name in (CURVES, MEANS) if name in shown}
    if CURVES not in rows:
        return {}
    whole = _curves(_first_biologics(true_rows[CURVES]))
    broken = {
        _family_of(curve)
        for column in _COUNTS
        for curve, cell in zip(
            _names(rows[CURVES]), cells_of(CURVES, column, rows[CURVES]), strict=True
        )
        if cell in hidden
    }
    for name, frame in rows.items():
        curves = _names(frame)
        is_left = _bools(frame, [_family_of(curve) not in broken for curve in curves])
        steps = [_step(int(whole[curve][0][0]), minimum, rounding) for curve in curves]
        if name == CURVES:
            frame[_COUNTS] = frame[_COUNTS].where(is_left)
            for column, to_step in _ROUNDING.items():
                frame[column] = _rounded(frame[column].where(is_left), steps, to_step)
        else:
            frame["n_persons"] = frame["n_persons"].where(is_left)
            _round_means(frame, is_left & _bools(frame, [step is not None for step in steps]))
    return rows


def _family_of(curve: tuple[str, str]) -> str:
    given, preference = curve
    if preference != ALL:
        return "preference"
    return "everybody" if given == ALL else "class"


def _step(n_persons: int, minimum: int, rounding: int) -> int | None:
    """Return the first step, in percent, of enough persons; None of too few persons."""
    if n_persons < QUARTERS * minimum:
        return None
    return next(
        (step for step in _STEPS if n_persons * step >= 100 * max(_PERSONS, rounding)), None
    )


def _rounded(
    values: "pd.Series[float]", steps: Sequence[int | None], to_step: Callable[[float], int]
) -> "pd.Series[float]":
    found = [
        None if step is None or pd.isna(value) else to_step(100 * float(value) / step) * step / 100
        for value, step in zip(values, steps, strict=True)
    ]
    return pd.Series(found, values.index, dtype="Float64")


def _round_means(frame: pd.DataFrame, is_left: "pd.Series[bool]") -> None:
    """Round means to days; a difference needs both means."""
    for column in _DAYS:
        frame[column] = frame[column].where(is_left).round()
    has_other = bool(is_left[frame["preference"] == OTHERS_PREFERRED].any())
    is_compared = is_left & has_other
    for column in _DIFFERENCE:
        digits = 3 if column == "p_value" else 0
        frame[column] = frame[column].where(is_compared).round(digits)
