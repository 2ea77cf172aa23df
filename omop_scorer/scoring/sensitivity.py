"""How much of the answer hangs on a choice: counts kept while patients stream by.

Three questions: what label the other uncertainty gives; how far labels and their own numbers agree;
whose label would change if an imputed covariate took another value or were left out of the model.
Only whole numbers are kept, so that the answer is the same in any batch size and order.
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
    """Covariates (places in the card) that take another value, or are left out of the model."""

    covariates: tuple[int, ...]
    assumption: str
    assumed_value: float | None
    """None: left out."""
    n_imputed: int = 0
    n_changed: int = 0


def scenarios(model: Model) -> list[Scenario]:
    """Return every assumption about what may be imputed, in the card's order.

    A quartile is the training population's. Of a yes/no covariate it is the quartile of a variable
    of 0 and 1 with the training mean; of a continuous covariate without percentiles in the card
    there is none.
    """
    population = model.card.training_population
    found = []
    for place, covariate in enumerate(model.card.covariates):
        if covariate.imputed_value is None:
            continue
        for assumption, percent in QUARTILES.items():
            if covariate.kind == "yes_no":
                # No at least as often as the percentile says: the percentile is no.
                is_yes = population.mean[covariate.name] > 1 - percent / 100
                found.append(Scenario((place,), assumption, float(is_yes)))
            else:
                value = population.percentiles.get(covariate.name, {}).get(percent)
                if value is not None:
                    found.append(Scenario((place,), assumption, float(value)))
    names = model.arrays.covariates
    left_out = [tuple(sorted(map(names.index, each))) for each in model.reduced]
    found += [Scenario(places, REDUCED_MODEL, None) for places in left_out]
    return sorted(found, key=lambda each: (len(each.covariates), each.covariates))


class Sensitivity:
    """Counts of labels under other choices than the run's."""

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
    ) -> None:
        """Count a batch.

        Parameters
        ----------
        values
            (n, k) in the card's order, NaN where left out.
        imputed
            (n, k): True where the value was imputed.
        scores
            Of these patients, by the run's uncertainty.
        uncertainty
            The run's.
        """
        labels = {}
        for each in UNCERTAINTIES:
            other = scores
            if each != uncertainty:
                other = score_patterns(values, self._model, each, with_response=False)
            labels[each] = other.label.astype(np.int64)
            # The response comes from the fit, whichever uncertainty ranks.
            checks = label_checks(other, scores.response_probability, self._model.arrays)
            for measure, counts in checks.items():
                self._checks[each, measure] += counts
        n = len(self._labels)
        pairs = labels["bootstrap"] * n + labels["analytic"]
        self._pairs += np.bincount(pairs, minlength=n * n).reshape(n, n)
        for scenario in self.scenarios:
            self._try(scenario, values, imputed, scores, uncertainty)

    def _try(
        self,
        scenario: Scenario,
        values: Floats,
        imputed: NDArray[np.bool_],
        scores: Scores,
        uncertainty: Uncertainty,
    ) -> None:
        places, value = list(scenario.covariates), scenario.assumed_value
        is_imputed = imputed[:, places].all(axis=1)
        scenario.n_imputed += int(np.count_nonzero(is_imputed))
        if value is not None:
            # Who was given that very value keeps the label.
            is_imputed &= values[:, places[0]] != value
        rows = np.flatnonzero(is_imputed)
        if not len(rows):
            return
        assumed = values.T[:, rows]
        assumed[places] = np.nan if value is None else value
        changed = score_patterns(assumed.T, self._model, uncertainty, with_response=False)
        scenario.n_changed += int(np.count_nonzero(changed.label != scores.label[rows]))

    def update(self, other: "Sensitivity") -> None:
        """Add what another, of the same model, has counted."""
        self._pairs += other._pairs
        for key, counts in other._checks.items():
            self._checks[key] += counts
        for mine, theirs in zip(self.scenarios, other.scenarios, strict=True):
            mine.n_imputed += theirs.n_imputed
            mine.n_changed += theirs.n_changed

    def uncertainty_comparison(self, run_id: int) -> pa.Table:
        """Return the pairs of labels that occur, in the order of the label set."""
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
        """Return every measure of every uncertainty."""
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
        """Return every scenario, also of what was imputed for nobody."""
        names = self._model.arrays.covariates
        rows = [
            {
                "run_id": run_id,
                "covariate": TOGETHER.join(names[place] for place in each.covariates),
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
    """Count how far labels agree with the numbers they come from.

    Parameters
    ----------
    scores
        Of n patients, no class excluded.
    response_probability
        (n, c) of the same patients.
    model
        Gives alpha and the number of classes.

    Returns
    -------
    dict
        By measure the persons, and of how many: the last class ruled out although the label puts
        all classes level; the order of first and last not significant although the label has an
        order; the highest response probability not of the first class.
    """
    n, patients = len(scores.label), np.arange(len(scores.label))
    is_level = scores.label == len(scores.labels) - 1
    first, last = scores.ranking[:, 0].astype(np.intp), scores.ranking[:, -1].astype(np.intp)
    pair = _number_of_pair(len(model.classes))[first, last]
    is_significant = scores.contrast_p_value[patients, pair] < model.alpha
    is_elsewhere = response_probability[patients, first] < response_probability.max(axis=1)
    counted = (
        (scores.worst_class_ruled_out, int(is_level.sum())),
        (~is_level & ~is_significant, n - int(is_level.sum())),
        (is_elsewhere, n),
    )
    return {
        measure: (int(np.count_nonzero(persons)), population)
        for measure, (persons, population) in zip(LABEL_CHECKS, counted, strict=True)
    }


def _number_of_pair(c: int) -> NDArray[np.intp]:
    """Return (c, c): the place of a pair of classes, either way round, among all pairs."""
    table = np.zeros((c, c), np.intp)
    upper = np.triu_indices(c, 1)
    table[upper] = np.arange(len(upper[0]))
    return table + table.T


def _table(rows: Sequence[Mapping[str, object]], name: str) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=data_model.arrow_schema(name))
