"""Moments of covariates and effects by preference group: who is in each group, and what helps.

Sums are exact, so the results do not depend on batch size or order of the patients.
"""

import math
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from omop_scorer import data_model
from omop_scorer.model.arrays import ClassArrays, Floats
from omop_scorer.model.intervals import Z, mean_interval, wilson_interval
from omop_scorer.model.kernel import Scores
from omop_scorer.model.load import Model
from omop_scorer.model.subgroups import label_set
from omop_scorer.scoring.exact_sums import Moments
from omop_scorer.scoring.preference import groups_of
from omop_scorer.terms import (
    ALL,
    COVARIATE,
    EFFECT,
    RECORDED,
    SCORED,
    Uncertainty,
    preference_groups,
)

_TABLE = "preference_profile"


class Profile:
    """Moments of the covariates and effects of each preference group, updated batch by batch."""

    def __init__(self, model: Model) -> None:
        self._model = model
        names, classes = model.arrays.covariates, model.arrays.classes
        keys = [each.key for each in classes]
        self._groups = preference_groups(keys)
        labels = label_set([each.label for each in classes])
        self._group_of_label = np.array(
            [self._groups.index(group) for group in groups_of(labels, model)]
        )
        self._recorded = {cell: Moments() for cell in product(self._groups, names)}
        self._assumed = {cell: Moments() for cell in product(self._groups, names)}
        self._effects = {cell: Moments() for cell in product(self._groups, keys)}

    def add(self, values: Floats, imputed: NDArray[np.bool_], scores: Scores) -> None:
        """Add a batch of n patients; the arguments are those of `Applicability.add`."""
        groups = self._group_of_label[scores.label]
        for number, group in enumerate(self._groups):
            rows = np.flatnonzero(groups == number)
            # Columns of the transposed arrays are contiguous, as the patients of a group must be.
            found, is_imputed = values.T[:, rows], imputed.T[:, rows]
            is_recorded = ~is_imputed & ~np.isnan(found)
            for j, name in enumerate(self._model.arrays.covariates):
                self._recorded[group, name].add(found[j, is_recorded[j]])
                self._assumed[group, name].add(found[j, is_imputed[j]])
            for i, drug_class in enumerate(self._model.arrays.classes):
                effects = scores.attributable_effect[rows, i]
                self._effects[group, drug_class.key].add(effects)

    def update(self, other: "Profile") -> None:
        """Add the moments of another instance for the same model."""
        for mine, theirs in (
            (self._recorded, other._recorded),
            (self._assumed, other._assumed),
            (self._effects, other._effects),
        ):
            for cell, moments in mine.items():
                moments.update(theirs[cell])

    def of_covariate(self, name: str, group: str = ALL) -> dict[str, Moments]:
        """Return the moments of a covariate in a group: of all values used, and of the recorded."""
        groups = self._groups if group == ALL else (group,)
        recorded = _joined(self._recorded[each, name] for each in groups)
        assumed = _joined(self._assumed[each, name] for each in groups)
        return {SCORED: _joined([recorded, assumed]), RECORDED: recorded}

    def table(self, run_id: int, uncertainty: Uncertainty) -> pa.Table:
        """Return a row per group (and for all), covariate and population, and per class.

        `uncertainty` is the one that scored the patients.
        """
        rows = []
        for group in (ALL, *self._groups):
            used: list[Moments] = []
            for covariate in self._model.card.covariates:
                found = self.of_covariate(covariate.name, group)
                used.append(found[SCORED])
                for population, moments in found.items():
                    interval = _interval(moments, is_yes_no=covariate.kind == "yes_no")
                    key = (group, COVARIATE, covariate.name, population)
                    rows.append(_row(run_id, key, moments, interval))
            for drug_class in self._model.arrays.classes:
                moments = self._of_effect(drug_class.key, group)
                error = self._standard_error(drug_class, used, moments.n, uncertainty)
                key = (group, EFFECT, drug_class.key, SCORED)
                rows.append(_row(run_id, key, moments, _around(moments.mean(), error)))
        return pa.Table.from_pylist(rows, schema=data_model.arrow_schema(_TABLE))

    def _of_effect(self, key: str, group: str) -> Moments:
        groups = self._groups if group == ALL else (group,)
        return _joined(self._effects[each, key] for each in groups)

    def _standard_error(
        self, drug_class: ClassArrays, used: list[Moments], n: int, uncertainty: Uncertainty
    ) -> float | None:
        """Return the standard error of the mean effect of n patients on a class.

        An effect is linear in the covariates, so the mean effect is the effect at their means, and
        so is its error. None if there is no patient, or if a covariate was left out for one.
        """
        if n == 0 or any(moments.n != n for moments in used):
            return None
        means = np.array([moments.mean() for moments in used], np.float64)
        design = np.concatenate([[1.0], means - self._model.arrays.centre])
        covariance = drug_class.covariance
        if uncertainty == "bootstrap":
            covariance = drug_class.bootstrap_covariance
        return math.sqrt(float(design @ covariance @ design))


def _joined(parts: Iterator[Moments] | list[Moments]) -> Moments:
    whole = Moments()
    for part in parts:
        whole.update(part)
    return whole


def _interval(moments: Moments, *, is_yes_no: bool) -> tuple[float | None, float | None]:
    mean, deviation = moments.mean(), moments.standard_deviation()
    if is_yes_no and mean is not None:
        low, high = wilson_interval(round(mean * moments.n), moments.n)
        return float(low), float(high)
    if mean is None or deviation is None:
        return None, None
    return mean_interval(mean, deviation, moments.n)


def _around(mean: float | None, error: float | None) -> tuple[float | None, float | None]:
    if mean is None or error is None:
        return None, None
    return mean - Z * error, mean + Z * error


def _row(
    run_id: int,
    key: tuple[str, str, str, str],
    moments: Moments,
    interval: tuple[float | None, float | None],
) -> dict[str, Any]:
    names = ("preference_group", "measure", "category", "population")
    return {
        "run_id": run_id,
        **dict(zip(names, key, strict=True)),
        "n_persons": moments.n,
        "mean": moments.mean(),
        "standard_deviation": moments.standard_deviation(),
        "ci_low": interval[0],
        "ci_high": interval[1],
    }
