"""Predicted against observed outcomes: root mean squared error, and means by fifths.

A figure of fewer than five participants would come close to showing one person's value, so it is
left out.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from omop_scorer.model.arrays import Floats

#: Fewest participants of a figure.
FEWEST = 5

_FIFTHS = 5


@dataclass(frozen=True)
class Group:
    """Participants with similar predictions, and the means of both outcomes."""

    n: int
    predicted: float
    observed: float
    observed_standard_error: float


@dataclass(frozen=True)
class Calibration:
    """Agreement of predicted and observed outcomes of one arm."""

    n: int
    rmse: float | None
    """Root mean squared error; None of fewer than five participants."""
    bias: float | None
    """Mean of observed less predicted."""
    groups: tuple[Group, ...]
    """Fifths by rising prediction; fewer groups if a fifth would have under five participants."""

    def as_json(self) -> dict[str, Any]:
        """Return the figures for a JSON file."""
        return {
            "n": self.n,
            "rmse": self.rmse,
            "bias": self.bias,
            "fifths": [vars(group) for group in self.groups],
        }


def calibrate(predicted: Floats, observed: Floats) -> Calibration:
    """Compare predicted and observed outcomes of n participants."""
    n = len(observed)
    if n < FEWEST:
        return Calibration(n, None, None, ())
    error = observed - predicted
    order = np.argsort(predicted, kind="stable")
    groups = tuple(
        _group(predicted[rows], observed[rows])
        for rows in np.array_split(order, min(_FIFTHS, n // FEWEST))
    )
    return Calibration(n, float(np.sqrt(np.mean(error**2))), float(error.mean()), groups)


def _group(predicted: Floats, observed: Floats) -> Group:
    n = len(observed)
    error = float(observed.std(ddof=1) / np.sqrt(n))
    return Group(n, float(predicted.mean()), float(observed.mean()), error)
