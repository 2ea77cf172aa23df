"""Validation of models of trial data on participants and trials that they never saw."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from omop_scorer.model.subgroups import label_set
from omop_scorer.terms import Uncertainty
from omop_scorer.trials.answer import data_as_json, subgroups_as_json
from omop_scorer.trials.calibration import Calibration, calibrate
from omop_scorer.trials.class_moments import Refitting
from omop_scorer.trials.concordance import Concordance, compare_labels
from omop_scorer.trials.cross_validation import (
    UNASSIGNED,
    WAYS,
    CrossValidation,
    Way,
    cross_validate,
)
from omop_scorer.trials.fold_figures import FoldCounts, LabelNames, fold_counts, over_folds
from omop_scorer.trials.folds import N_FOLDS, Folds, folds_of, women_of_50_and_over
from omop_scorer.trials.leave_one_trial_out import LeftOutTrial, leave_one_trial_out
from omop_scorer.trials.load import TrialData
from omop_scorer.trials.mixed_model import MixedFit
from omop_scorer.trials.participants import Integers
from omop_scorer.trials.srs import fit_models
from omop_scorer.trials.subgroup_labels import Labels, arrays_of, label_participants


@dataclass(frozen=True, eq=False)
class Validation:
    """Both ways of cross-validation, and each trial left out."""

    data: TrialData
    refitting: Refitting
    folds: Folds
    labels: Labels
    """Of all participants, by models that saw them."""
    ways: dict[Way, CrossValidation]
    trials: dict[str, list[LeftOutTrial]]
    """By arm."""

    @cached_property
    def names(self) -> LabelNames:
        """The labels, and the short names of the classes."""
        classes = {each.key: each.label for each in self.data.template.classes}
        return LabelNames(label_set(list(classes.values())), classes)

    @cached_property
    def women(self) -> NDArray[np.bool_] | None:
        """(n,): True for women of 50 and over; None if age or sex is no covariate."""
        return women_of_50_and_over(self.data.participants)

    def n_trials(self, arm: str) -> int:
        """Return the number of trials that have a participant of the arm."""
        participants = self.data.participants
        is_of_arm = participants.arm == participants.arms.index(arm)
        return len(np.unique(participants.trial[is_of_arm]))

    def folds_of(self, way: Way, uncertainty: Uncertainty) -> list[FoldCounts]:
        """Return the counts of each fold."""
        found = self.ways[way]
        return fold_counts(found, found.labels[uncertainty], self.names, self.women)

    def against_full_data(self, way: Way, uncertainty: Uncertainty) -> Concordance:
        """Compare the labels of held-out participants with those of models that saw them."""
        label = self.ways[way].labels[uncertainty]
        assigned = label != UNASSIGNED
        full = self.labels[uncertainty][assigned]
        return compare_labels(full, label[assigned], list(self.names.classes.values()))

    def calibrations(self, way: Way) -> dict[str, Calibration]:
        """Compare predicted and observed reductions of held-out participants, by arm."""
        participants, predicted = self.data.participants, self.ways[way].predicted
        found = {}
        for place, arm in enumerate(participants.arms):
            rows = (participants.arm == place) & np.isfinite(predicted)
            if rows.any():
                found[arm] = calibrate(predicted[rows], participants.outcome[rows])
        return found

    def as_json(self, with_rows: bool = False) -> dict[str, Any]:
        """Return all numbers; `with_rows` adds the fold and the labels of each row of the file."""
        rows = {"fold": self._of_rows(self.folds.fold)} if with_rows else {}
        return {
            **data_as_json(self.data),
            "folds": {"source": self.folds.source, "n": N_FOLDS},
            "refits": self.refitting.refits,
            "seed": self.refitting.seed,
            **rows,
            "full_data": {
                how: self._subgroups(label, with_rows) for how, label in self.labels.items()
            },
            "cross_validation": {way: self._way_as_json(way, with_rows) for way in self.ways},
            "leave_one_trial_out": {
                arm: [each.as_json() for each in trials] for arm, trials in self.trials.items()
            },
        }

    def _way_as_json(self, way: Way, with_rows: bool) -> dict[str, Any]:
        found = self.ways[way]
        by_uncertainty: dict[str, Any] = {}
        for how, label in found.labels.items():
            folds = self.folds_of(way, how)
            shares = over_folds(folds, self.names.labels[-1])
            by_uncertainty[how] = {
                **self._subgroups(label, with_rows),
                "folds": [each.as_json() for each in folds],
                "over_folds": {name: each.as_json() for name, each in shares.items()},
                "against_full_data": self.against_full_data(way, how).as_json(),
            }
        return {
            **by_uncertainty,
            "n_failed": sum(each.models is None for each in found.folds),
            "models": [
                {}
                if each.models is None
                else _models_as_json(
                    each.models.named() if way == "all_patients" else each.models.classes
                )
                for each in found.folds
            ],
            "calibration": {arm: each.as_json() for arm, each in self.calibrations(way).items()},
        }

    def _subgroups(self, label: Integers, with_rows: bool) -> dict[str, Any]:
        assigned = label != UNASSIGNED
        if not assigned.any():
            nobody: dict[str, Any] = {"subgroup_counts": {}, "no_preference_share": None}
            return nobody | ({"label": [None] * self.data.attrition.n_rows} if with_rows else {})
        row = self.data.participants.row[assigned] if with_rows else None
        return subgroups_as_json(
            label[assigned], self.names.labels, row, self.data.attrition.n_rows
        )

    def _of_rows(self, values: Integers) -> list[int | None]:
        of_rows: list[int | None] = [None] * self.data.attrition.n_rows
        for row, value in zip(self.data.participants.row.tolist(), values.tolist(), strict=True):
            of_rows[row] = value
        return of_rows


def _models_as_json(models: dict[str, MixedFit]) -> dict[str, Any]:
    return {
        name: {
            "n": fit.n,
            "n_trials": fit.n_trials,
            "terms": list(fit.terms),
            "beta": fit.beta.tolist(),
            "trial_variance": fit.trial_variance,
            "residual_variance": fit.residual_variance,
            "singular": fit.singular,
        }
        for name, fit in models.items()
    }


def n_bootstraps(n_classes: int, ways: Sequence[Way] = WAYS) -> int:
    """Return the number of models that a validation bootstraps."""
    return n_classes * (1 + N_FOLDS * len(ways))


def validate_models(data: TrialData, refitting: Refitting) -> Validation:
    """Cross-validate both ways, and leave out each trial.

    Raises
    ------
    ScoringError
        The models of all participants cannot be fitted, or the file leaves a fold empty.
    """
    participants, centres = data.participants, data.centres
    folds = folds_of(participants, refitting.seed)
    models = fit_models(participants, centres)
    arrays = arrays_of(models, refitting.moments(models), data.template, centres)
    return Validation(
        data=data,
        refitting=refitting,
        folds=folds,
        labels=label_participants(participants, arrays),
        ways={
            way: cross_validate(way, participants, data.template, centres, folds, refitting)
            for way in WAYS
        },
        trials=leave_one_trial_out(participants, centres),
    )
