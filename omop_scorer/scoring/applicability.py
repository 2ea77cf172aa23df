"""Comparison of the scored patients with the training population of the model.

Sums are exact (integers and fractions), and every value of a patient comes from elementwise
operations in a fixed order, so the results do not depend on batch size or order of the patients.
"""

import math
from fractions import Fraction

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import special

from omop_scorer import data_model
from omop_scorer.model.arrays import Floats
from omop_scorer.model.kernel import Scores
from omop_scorer.model.load import Model
from omop_scorer.scoring.exact_sums import Histogram, round_width
from omop_scorer.scoring.profile import Profile
from omop_scorer.terms import (
    COVARIATE,
    DISTANCE,
    EFFECT,
    NOTHING_IMPUTED,
    RESPONSE,
    SCORED,
)

EFFECT_WIDTH = Fraction(10)

PROBABILITY_WIDTH = Fraction(1, 20)

DISTANCE_WIDTH = Fraction(1, 2)

# Standard deviations between the 1st and the 99th percentile of a normal distribution.
_NORMAL_SPAN = 4.65


class TrainingDistance:
    """Mahalanobis distance from the mean of the training population."""

    def __init__(self, model: Model) -> None:
        population = model.card.training_population
        self._mean = [population.mean[name] for name in model.arrays.covariates]
        self._factor = np.linalg.cholesky(np.array(population.covariance))

    def of(self, values: Floats) -> Floats:
        """Return the distance (not squared) of n patients, shape (n,), from values (n, k).

        It is |z| where Lz = x - mean and L is the lower Cholesky factor of the covariance.
        """
        solved: list[Floats] = []
        square = np.zeros(len(values))
        for j, mean in enumerate(self._mean):
            z = values[:, j] - mean
            for i, earlier in enumerate(solved):
                z -= self._factor[j, i] * earlier
            z /= self._factor[j, j]
            square += z * z
            solved.append(z)
        return np.sqrt(square)

    def expected_share(self, low: float, high: float) -> float:
        """Return the share of a multivariate normal population between two distances."""
        # The square of the distance has a chi-squared distribution with k degrees of freedom.
        k = len(self._mean)
        below = special.gammainc(k / 2, np.array([low, high]) ** 2 / 2)
        return float(below[1] - below[0])


class Applicability:
    """Moments and histograms of the covariates and scores, updated batch by batch."""

    def __init__(self, model: Model) -> None:
        self._model = model
        keys = [each.key for each in model.arrays.classes]
        self.profile = Profile(model)
        self._effects = {key: Histogram(EFFECT_WIDTH) for key in keys}
        self._responses = {key: Histogram(PROBABILITY_WIDTH) for key in keys}
        self._values = {
            covariate.name: Histogram(round_width(_span(model, covariate.name)))
            for covariate in model.card.covariates
            if covariate.kind == "continuous"
        }
        self._distance = TrainingDistance(model)
        self._distances = {
            category: Histogram(DISTANCE_WIDTH) for category in (SCORED, NOTHING_IMPUTED)
        }

    def add(self, values: Floats, imputed: NDArray[np.bool_], scores: Scores) -> None:
        """Add a batch of n patients.

        Parameters
        ----------
        values
            (n, k) in the card's order and natural units; NaN where left out.
        imputed
            (n, k): True where the value was imputed.
        scores
            Scores of these patients.
        """
        self.profile.add(values, imputed, scores)
        is_left_out = np.isnan(values)
        for j, name in enumerate(self._model.arrays.covariates):
            if name in self._values:
                self._values[name].add(values[~imputed[:, j] & ~is_left_out[:, j], j])
        for i, key in enumerate(self._effects):
            self._effects[key].add(scores.attributable_effect[:, i])
            self._responses[key].add(scores.response_probability[:, i])
        is_complete = ~is_left_out.any(axis=1)
        distances = self._distance.of(values[is_complete])
        self._distances[SCORED].add(distances)
        self._distances[NOTHING_IMPUTED].add(distances[~imputed[is_complete].any(axis=1)])

    def update(self, other: "Applicability") -> None:
        """Add the counts of another instance for the same model."""
        self.profile.update(other.profile)
        for counted, more in (
            (self._effects, other._effects),
            (self._responses, other._responses),
            (self._values, other._values),
            (self._distances, other._distances),
        ):
            for name, histogram in counted.items():
                histogram.update(more[name])

    def covariate_summary(self, run_id: int) -> pa.Table:
        """Return the moments of each covariate and those of the training population."""
        population = self._model.card.training_population
        rows = []
        for j, name in enumerate(self._model.arrays.covariates):
            trial_mean = population.mean[name]
            trial_deviation = math.sqrt(population.covariance[j][j])
            for category, moments in self.profile.of_covariate(name).items():
                mean, deviation = moments.mean(), moments.standard_deviation()
                difference = None
                if mean is not None and deviation is not None:
                    pooled = math.sqrt((deviation**2 + trial_deviation**2) / 2)
                    difference = (mean - trial_mean) / pooled
                rows.append(
                    {
                        "run_id": run_id,
                        "covariate": name,
                        "population": category,
                        "n_persons": moments.n,
                        "mean": mean,
                        "standard_deviation": deviation,
                        "trial_mean": trial_mean,
                        "trial_standard_deviation": trial_deviation,
                        "standardised_mean_difference": difference,
                    }
                )
        return pa.Table.from_pylist(rows, schema=data_model.arrow_schema("covariate_summary"))

    def histogram(self, run_id: int) -> pa.Table:
        """Return the bins that hold at least one patient."""
        rows = [
            {
                "run_id": run_id,
                "measure": measure,
                "category": category,
                "bin_low": low,
                "bin_high": high,
                "n_persons": n,
                "expected_share": self._distance.expected_share(low, high)
                if measure == DISTANCE
                else None,
            }
            for measure, histograms in (
                (EFFECT, self._effects),
                (RESPONSE, self._responses),
                (COVARIATE, self._values),
                (DISTANCE, self._distances),
            )
            for category, histogram in histograms.items()
            for low, high, n in histogram.bins()
        ]
        return pa.Table.from_pylist(rows, schema=data_model.arrow_schema("histogram"))


def _span(model: Model, name: str) -> float:
    """Return the distance between the 1st and 99th percentiles of the training population."""
    population = model.card.training_population
    percentiles = population.percentiles.get(name, {})
    if {1, 99} <= set(percentiles) and percentiles[1] < percentiles[99]:
        return percentiles[99] - percentiles[1]
    index = model.arrays.covariates.index(name)
    return _NORMAL_SPAN * math.sqrt(population.covariance[index][index])
