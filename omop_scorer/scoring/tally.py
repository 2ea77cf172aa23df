"""Counts of the scored patients, updated batch by batch."""

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
    """The covariates of n patients and the source of each value; arrays are (n, k), card order."""

    values: Floats
    """In natural units; NaN where left out of the model."""
    recorded: NDArray[np.bool_]
    """True where the value was observed or computed."""
    imputed: NDArray[np.bool_]
    """True where the value was imputed."""


class Tally:
    """Counts of the scored patients. Tallies of parts add up to the tally of the whole."""

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
    ) -> NDArray[np.int64]:
        """Add a batch scored with `uncertainty`; return the indices of its labels with analytic."""
        analytic = self.sensitivity.add(patients.values, patients.imputed, scores, uncertainty)
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
        return analytic

    def update(self, other: "Tally") -> None:
        """Add the counts of another tally for the same model."""
        self.sensitivity.update(other.sensitivity)
        self.applicability.update(other.applicability)
        self.n += other.n
        self._by_label += other._by_label
        self.n_worst_class_ruled_out += other.n_worst_class_ruled_out
        for state, n in other.trial_range.items():
            self.trial_range[state] += n

    def subgroups(self) -> dict[str, int]:
        """Return the number of persons per label that occurs, most frequent first."""
        counts = [(label, int(n)) for label, n in zip(self.labels, self._by_label, strict=True)]
        return dict(sorted((c for c in counts if c[1]), key=lambda c: (-c[1], c[0])))

    def tables(self, run_id: int, uncertainty: Uncertainty) -> Iterator[tuple[str, pa.Table]]:
        """Yield name and rows of each results table that these counts fill.

        `uncertainty` is the one that scored the patients.
        """
        yield "uncertainty_comparison", self.sensitivity.uncertainty_comparison(run_id)
        yield "label_check", self.sensitivity.label_check(run_id)
        yield "imputation_sensitivity", self.sensitivity.imputation_sensitivity(run_id)
        yield "covariate_summary", self.applicability.covariate_summary(run_id)
        yield "preference_profile", self.applicability.profile.table(run_id, uncertainty)
        yield "histogram", self.applicability.histogram(run_id)
