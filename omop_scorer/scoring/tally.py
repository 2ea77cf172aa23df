"""Counts of the scored patients, kept while they stream by."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from omop_scorer.model import kernel
from omop_scorer.model.arrays import Floats
from omop_scorer.model.load import Model
from omop_scorer.model.subgroups import label_set
from omop_scorer.scoring.applicability import Applicability
from omop_scorer.scoring.sensitivity import Sensitivity
from omop_scorer.terms import Uncertainty


@dataclass(frozen=True, eq=False)
class Patients:
    """The covariates of n patients, (n, k) in the card's order, and how each was come by."""

    values: Floats
    """NaN where left out of the model."""
    recorded: NDArray[np.bool_]
    """Observed or computed."""
    imputed: NDArray[np.bool_]


class Tally:
    """Counts kept while patients stream by; those of parts add up to those of the whole."""

    def __init__(self, model: Model) -> None:
        self.sensitivity = Sensitivity(model)
        self.applicability = Applicability(model)
        self.labels = label_set([c.label for c in model.arrays.classes])
        self._by_label = np.zeros(len(self.labels), dtype=np.int64)
        self.n = 0
        self.n_worst_class_ruled_out = 0
        self.trial_range = {"within": 0, "outside": 0, "unknown": 0}

    def add(
        self,
        patients: Patients,
        scores: kernel.Scores,
        within: NDArray[np.int8],
        uncertainty: Uncertainty,
    ) -> None:
        """Count a batch, which `uncertainty` has scored."""
        self.sensitivity.add(patients.values, patients.imputed, scores, uncertainty)
        self.applicability.add(patients.values, patients.imputed, scores)
        self.n += len(scores.label)
        self._by_label += np.bincount(scores.label, minlength=len(self.labels))
        self.n_worst_class_ruled_out += int(scores.worst_class_ruled_out.sum())
        for name, state in (
            ("within", kernel.WITHIN),
            ("outside", kernel.OUTSIDE),
            ("unknown", kernel.UNKNOWN),
        ):
            self.trial_range[name] += int((within == state).sum())

    def update(self, other: "Tally") -> None:
        """Add what another, of the same model, has counted."""
        self.sensitivity.update(other.sensitivity)
        self.applicability.update(other.applicability)
        self.n += other.n
        self._by_label += other._by_label
        self.n_worst_class_ruled_out += other.n_worst_class_ruled_out
        for state, n in other.trial_range.items():
            self.trial_range[state] += n

    def subgroups(self) -> dict[str, int]:
        """Persons by label, those that occur, most frequent first."""
        counts = [(label, int(n)) for label, n in zip(self.labels, self._by_label, strict=True)]
        return dict(sorted((c for c in counts if c[1]), key=lambda c: (-c[1], c[0])))

    def tables(self, run_id: int) -> Iterator[tuple[str, pa.Table]]:
        """Yield the tables of counts about all patients, by name; also when there are none."""
        yield "uncertainty_comparison", self.sensitivity.uncertainty_comparison(run_id)
        yield "label_check", self.sensitivity.label_check(run_id)
        yield "imputation_sensitivity", self.sensitivity.imputation_sensitivity(run_id)
        yield "covariate_summary", self.applicability.covariate_summary(run_id)
        yield "histogram", self.applicability.histogram(run_id)
