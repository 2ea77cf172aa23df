"""The published formulas for one patient at a time, in plain Python.

What somebody writes who has the paper before him (design vector, effect, standard error, response
probability, t-tests of neighbours, label), and nothing of the kernel's. The only library function
is the tail of Student's t, called for one number as a loop calls it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from scipy.special import stdtr

_ALPHA = 0.05


@dataclass(frozen=True)
class Effect:
    """One patient under one class."""

    attributable_effect: float
    standard_error: float
    response_probability: float


@dataclass(frozen=True)
class Answer:
    """One patient: an effect per class, in the card's order, and the label."""

    effects: list[Effect]
    label: str


class Calculator:
    """A model card, as a document, for one patient after the other; `bootstrap` moments."""

    def __init__(self, model: Any) -> None:
        arrays = model.arrays
        self.covariates = arrays.covariates
        self._centre = arrays.centre.tolist()
        self._placebo = arrays.placebo_coefficients.tolist()
        self._threshold = arrays.response_threshold
        self._classes = [
            (
                each.label,
                each.bootstrap_mean.tolist(),
                each.bootstrap_covariance.tolist(),
                each.coefficients.tolist(),
                each.covariance.tolist(),
                float(each.prediction_variance),
                float(each.degrees_of_freedom),
            )
            for each in arrays.classes
        ]

    def patient(self, values: Mapping[str, float]) -> Answer:
        """Score a patient given by name of covariate."""
        x = [1.0] + [
            values[name] - centre
            for name, centre in zip(self.covariates, self._centre, strict=True)
        ]
        placebo = _dot(x, self._placebo)
        effects = []
        for _, mean, spread, beta, covariance, variance, _ in self._classes:
            total = placebo + _dot(x, beta)
            s = math.sqrt(_form(x, covariance) + variance)
            probability = 0.5 * math.erfc((self._threshold - total) / s / math.sqrt(2))
            effects.append(Effect(_dot(x, mean), math.sqrt(_form(x, spread)), probability))
        return Answer(effects, self._label(effects))

    def _label(self, effects: Sequence[Effect]) -> str:
        order = sorted(range(len(effects)), key=lambda i: -effects[i].attributable_effect)
        groups = [[order[0]]]
        for a, b in pairwise(order):
            difference = effects[a].attributable_effect - effects[b].attributable_effect
            error = math.hypot(effects[a].standard_error, effects[b].standard_error)
            degrees_of_freedom = self._classes[a][6] + self._classes[b][6]
            if 2 * stdtr(degrees_of_freedom, -abs(difference / error)) < _ALPHA:
                groups.append([b])
            else:
                groups[-1].append(b)
        names = []
        for group in groups:
            joined = " = ".join(self._classes[i][0] for i in sorted(group))
            names.append(f"({joined})" if len(group) > 1 else joined)
        return " > ".join(names)


def _dot(x: Sequence[float], weights: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(x, weights, strict=True))


def _form(x: Sequence[float], matrix: Sequence[Sequence[float]]) -> float:
    return sum(a * _dot(x, row) for a, row in zip(x, matrix, strict=True))
