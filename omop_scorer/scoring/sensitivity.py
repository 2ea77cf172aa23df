"""Sensitivity of the subgroup labels to choices of the method, as counts.

Three questions are answered: which label the other uncertainty gives; how often a label and its own
numbers disagree; and how many labels would change if an imputed covariate took another value or
were left out of the model. All counts are integers, so the results do not depend on batch size or
order of the patients.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from omop_scorer import data_model
from omop_scorer.model.arrays import Floats, ModelArrays
from omop_scorer.model.kernel import Scores
from omop_scorer.model.load import Model
from omop_scorer.model.reduced import score_patterns
from omop_scorer.model.subgroups import label_set
from omop_scorer.terms import (
    EITHER_QUARTILE,
    FIRST_QUARTILE,
    LABEL_CHECKS,
    REDUCED_MODEL,
    THIRD_QUARTILE,
    TOGETHER,
    UNCERTAINTIES,
    Uncertainty,
)

QUARTILES = {FIRST_QUARTILE: 25, THIRD_QUARTILE: 75}


@dataclass
class Scenario:
    """An assumption about imputed covariates, and the number of labels that it changes."""

    covariates: tuple[int, ...]
    """Indices in the card's order."""
    assumption: str
    assumed_value: float | None
    """Value used instead of the imputed one; None = left out of the model, or either quartile."""
    n_imputed: int = 0
    n_changed: int = 0


def scenarios(model: Model) -> list[Scenario]:
    """Return every assumption about covariates that may be imputed, in the card's order.

    Quartiles are those of the training population. For a yes/no covariate, they are the quartiles
    of a 0/1 variable with the training mean. A continuous covariate without percentiles in the card
    has no quartile assumption. Where both quartiles are known, EITHER_QUARTILE follows them.
    """
    population = model.card.training_population
    found = []
    for index, covariate in enumerate(model.card.covariates):
        if covariate.imputed_value is None:
            continue
        quartiles = {}
        for assumption, percent in QUARTILES.items():
            if covariate.kind == "yes_no":
                # A percentile p is 0 if at least p percent of the population have 0.
                quartiles[assumption] = float(population.mean[covariate.name] > 1 - percent / 100)
            else:
                value = population.percentiles.get(covariate.name, {}).get(percent)
                if value is not None:
                    quartiles[assumption] = float(value)
        found += [Scenario((index,), *quartile) for quartile in quartiles.items()]
        if len(quartiles) == len(QUARTILES):
            found.append(Scenario((index,), EITHER_QUARTILE, None))
    names = model.arrays.covariates
    left_out = [tuple(sorted(map(names.index, each))) for each in model.reduced]
    found += [Scenario(indices, REDUCED_MODEL, None) for indices in left_out]
    return sorted(found, key=lambda each: (len(each.covariates), each.covariates))


class Sensitivity:
    """Counts of labels under choices that differ from those of the run."""

    def __init__(self, model: Model) -> None:
        self.scenarios = scenarios(model)
        self._model = model
        self._labels = label_set([each.label for each in model.arrays.classes])
        n = len(self._labels)
        self._pairs = np.zeros((n, n), np.int64)
        self._checks = {
            (uncertainty, measure): np.zeros(2, np.int64)
            for uncertainty in UNCERTAINTIES
            for measure in LABEL_CHECKS
        }

    def add(
        self,
        values: Floats,
        imputed: NDArray[np.bool_],
        scores: Scores,
        uncertainty: Uncertainty,
    ) -> NDArray[np.int64]:
        """Add a batch of n patients; return their labels with the analytic uncertainty.

        Parameters
        ----------
        values
            (n, k) in the card's order and natural units; NaN where left out.
        imputed
            (n, k): True where the value was imputed.
        scores
            Scores of these patients with the uncertainty of the run.
        uncertainty
            Uncertainty of the run.

        Returns
        -------
        ndarray
            (n,): index of the label in `label_set`.
        """
        labels = {}
        for each in UNCERTAINTIES:
            other = scores
            if each != uncertainty:
                other = score_patterns(values, self._model, each, with_response=False)
            labels[each] = other.label.astype(np.int64)
            # Response probabilities do not depend on the uncertainty: they come from the fit.
            checks = label_checks(other, scores.response_probability, self._model.arrays)
            for measure, counts in checks.items():
                self._checks[each, measure] += counts
        n = len(self._labels)
        pairs = labels["bootstrap"] * n + labels["analytic"]
        self._pairs += np.bincount(pairs, minlength=n * n).reshape(n, n)
        # The patients whose label a quartile of a covariate changes.
        by_quartile: dict[tuple[int, ...], NDArray[np.bool_]] = {}
        for scenario in self.scenarios:
            of_scenario = imputed[:, list(scenario.covariates)]
            is_imputed = np.asarray(of_scenario.all(axis=1), np.bool_)
            if scenario.assumption == EITHER_QUARTILE:
                is_changed = by_quartile[scenario.covariates]
            else:
                is_changed = self._changed(scenario, values, is_imputed, scores, uncertainty)
            if scenario.assumption in QUARTILES:
                before = by_quartile.get(scenario.covariates, np.zeros_like(is_changed))
                by_quartile[scenario.covariates] = before | is_changed
            scenario.n_imputed += int(np.count_nonzero(is_imputed))
            scenario.n_changed += int(np.count_nonzero(is_changed))
        return labels["analytic"]

    def _changed(
        self,
        scenario: Scenario,
        values: Floats,
        is_imputed: NDArray[np.bool_],
        scores: Scores,
        uncertainty: Uncertainty,
    ) -> NDArray[np.bool_]:
        """Return True for each patient whose label the assumption changes, shape (n,)."""
        columns, value = list(scenario.covariates), scenario.assumed_value
        is_changed = np.zeros(len(values), np.bool_)
        if value is not None:
            # The label of a patient with this imputed value cannot change, so we skip scoring.
            is_imputed = is_imputed & (values[:, columns[0]] != value)
        rows = np.flatnonzero(is_imputed)
        if len(rows):
            assumed = values.T[:, rows]
            assumed[columns] = np.nan if value is None else value
            changed = score_patterns(assumed.T, self._model, uncertainty, with_response=False)
            is_changed[rows] = changed.label != scores.label[rows]
        return is_changed

    def update(self, other: "Sensitivity") -> None:
        """Add the counts of another instance for the same model."""
        self._pairs += other._pairs
        for key, counts in other._checks.items():
            self._checks[key] += counts
        for mine, theirs in zip(self.scenarios, other.scenarios, strict=True):
            mine.n_imputed += theirs.n_imputed
            mine.n_changed += theirs.n_changed

    def uncertainty_comparison(self, run_id: int) -> pa.Table:
        """Return a row per pair of labels that occurs, in the order of the label set."""
        rows = [
            {
                "run_id": run_id,
                "subgroup_bootstrap": self._labels[i],
                "subgroup_analytic": self._labels[j],
                "n_persons": int(self._pairs[i, j]),
            }
            for i, j in np.argwhere(self._pairs)
        ]
        return _table(rows, "uncertainty_comparison")

    def label_check(self, run_id: int) -> pa.Table:
        """Return a row per uncertainty and measure."""
        rows = [
            {
                "run_id": run_id,
                "uncertainty": uncertainty,
                "measure": measure,
                "n_persons": int(n_persons),
                "n_population": int(n_population),
            }
            for (uncertainty, measure), (n_persons, n_population) in self._checks.items()
        ]
        return _table(rows, "label_check")

    def imputation_sensitivity(self, run_id: int) -> pa.Table:
        """Return a row per scenario, including those without imputed values."""
        names = self._model.arrays.covariates
        rows = [
            {
                "run_id": run_id,
                "covariate": TOGETHER.join(names[i] for i in each.covariates),
                "assumption": each.assumption,
                "assumed_value": each.assumed_value,
                "n_imputed": each.n_imputed,
                "n_changed": each.n_changed,
            }
            for each in self.scenarios
        ]
        return _table(rows, "imputation_sensitivity")


def label_checks(
    scores: Scores, response_probability: Floats, model: ModelArrays
) -> dict[str, tuple[int, int]]:
    """Count disagreements between labels and the numbers that they are based on.

    Parameters
    ----------
    scores
        Scores of n patients, no class excluded.
    response_probability
        (n, c) of the same patients.
    model
        Provides alpha and the number of classes.

    Returns
    -------
    dict
        Number of persons and size of their population, by measure. worst_class_ruled_out: the last
        class is ruled out although the label ranks all classes equal. order_not_significant: first
        and last do not differ significantly although the label has an order.
        best_response_elsewhere: another class than the first has the highest response probability.
    """
    n, patients = len(scores.label), np.arange(len(scores.label))
    is_all_equal = scores.label == len(scores.labels) - 1
    first, last = scores.ranking[:, 0].astype(np.intp), scores.ranking[:, -1].astype(np.intp)
    pair = _pair_index(len(model.classes))[first, last]
    is_significant = scores.contrast_p_value[patients, pair] < model.alpha
    is_elsewhere = response_probability[patients, first] < response_probability.max(axis=1)
    counted = (
        (scores.worst_class_ruled_out, int(is_all_equal.sum())),
        (~is_all_equal & ~is_significant, n - int(is_all_equal.sum())),
        (is_elsewhere, n),
    )
    return {
        measure: (int(np.count_nonzero(persons)), population)
        for measure, (persons, population) in zip(LABEL_CHECKS, counted, strict=True)
    }


def _pair_index(c: int) -> NDArray[np.intp]:
    """Return (c, c): the index of each unordered pair of classes among all pairs."""
    table = np.zeros((c, c), np.intp)
    upper = np.triu_indices(c, 1)
    table[upper] = np.arange(len(upper[0]))
    return table + table.T


def _table(rows: Sequence[Mapping[str, object]], name: str) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=data_model.arrow_schema(name))
