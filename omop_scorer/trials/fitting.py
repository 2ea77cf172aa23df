"""From trial data to a model card: the story of `omop-scorer trials fit`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from omop_scorer.errors import ConfigurationError
from omop_scorer.model.card import Template
from omop_scorer.model.kernel import Scores
from omop_scorer.model.subgroups import label_set
from omop_scorer.terms import Uncertainty
from omop_scorer.trials.answer import (
    data_as_json,
    first_rows_as_json,
    model_as_json,
    moments_as_json,
    subgroups_as_json,
)
from omop_scorer.trials.bootstrap import Moments
from omop_scorer.trials.card import card_document, variants_document
from omop_scorer.trials.class_moments import Refitting
from omop_scorer.trials.load import TrialData
from omop_scorer.trials.srs import Models, fit_models
from omop_scorer.trials.subgroup_labels import Labels, arrays_of, label_participants, scores_of
from omop_scorer.trials.variants import FittedVariant, fit_variants

#: Covariates of Crohn's disease that a health record often lacks.
OFTEN_MISSING = ("cdai", "crp", "ileal")

_MOST_LEFT_OUT = 5


#: Participants whose effects are given, so that another program can be compared with this one.
_FIRST_ROWS = 25


@dataclass(frozen=True, eq=False)
class Fitted:
    """Models fitted to trial data, their variants, and the subgroups of the participants."""

    data: TrialData
    models: Models
    moments: dict[str, Moments]
    """By class."""
    refitting: Refitting
    labels: Labels
    variants: Sequence[FittedVariant]

    @property
    def label_set(self) -> tuple[str, ...]:
        """The labels that places in `labels` stand for."""
        return label_set([each.label for each in self.data.template.classes])

    def card(self, card_id: str) -> dict[str, Any]:
        """Return the document of the model card."""
        return card_document(self.data, self.models, self.moments, self.refitting, card_id)

    def variants_document(self) -> dict[str, Any] | None:
        """Return the document of the variants file; None if there are no variants."""
        return variants_document(self.variants) if self.variants else None

    def as_json(self, with_rows: bool = False) -> dict[str, Any]:
        """Return all numbers; `with_rows` adds the label of each row of the file."""
        row = self.data.participants.row if with_rows else None
        n_rows = self.data.attrition.n_rows
        full_data = {
            uncertainty: subgroups_as_json(label, self.label_set, row, n_rows)
            for uncertainty, label in self.labels.items()
        }
        if with_rows:
            for uncertainty, scores in self._scores_of_first_rows().items():
                full_data[uncertainty]["first_rows"] = first_rows_as_json(scores)
        return {
            **data_as_json(self.data),
            "models": {name: model_as_json(fit) for name, fit in self.models.named().items()},
            "bootstrap": {
                "refits": self.refitting.refits,
                "seed": self.refitting.seed,
                "bootstrap_trials": self.refitting.trials,
                "moments": {key: moments_as_json(each) for key, each in self.moments.items()},
            },
            "full_data": full_data,
            "ablation": {each.name: each.as_json() for each in self.variants},
        }

    def _scores_of_first_rows(self) -> dict[Uncertainty, Scores]:
        data = self.data
        arrays = arrays_of(self.models, self.moments, data.template, data.centres)
        first = np.arange(min(_FIRST_ROWS, len(data.participants)))
        return scores_of(data.participants, arrays, first)


def fit_card(data: TrialData, refitting: Refitting, left_out: Sequence[str] = ()) -> Fitted:
    """Fit, bootstrap, label the participants, and refit without some covariates.

    Parameters
    ----------
    data
        Cleaned trial data.
    refitting
        How the classes are bootstrapped; no digit depends on its number of threads.
    left_out
        Names of covariates; variants leave out each combination of them.

    Raises
    ------
    FitError
        A model cannot be fitted; the message names it and the term.
    """
    models = fit_models(data.participants, data.centres)
    moments = refitting.moments(models)
    arrays = arrays_of(models, moments, data.template, data.centres)
    labels = label_participants(data.participants, arrays)
    variants = fit_variants(
        data.participants, data.template, data.centres, labels, left_out, refitting
    )
    return Fitted(data, models, moments, refitting, labels, variants)


def covariates_left_out(template: Template, asked: Sequence[str] | None) -> tuple[str, ...]:
    """Return the covariates that variants leave out, in the order of the card.

    Parameters
    ----------
    template
        Names of covariates, and of their columns, are known from it.
    asked
        Names; None or nothing for those that a health record often lacks.

    Raises
    ------
    ConfigurationError
        A name is unknown, there are too many, or no covariate would be left.
    """
    own = {each.csv_column: each.name for each in template.covariates}
    names = [own.get(name, name) for name in asked or OFTEN_MISSING]
    known = [each.name for each in template.covariates]
    if asked and (unknown := sorted(set(names) - set(known))):
        raise ConfigurationError(
            f"--without: found {', '.join(unknown)}; allowed: {', '.join(known)}"
        )
    found = tuple(name for name in known if name in names)
    if len(found) > _MOST_LEFT_OUT or (asked and len(found) == len(known)):
        raise ConfigurationError(
            f"--without: found {len(found)} covariates; allowed: up to {_MOST_LEFT_OUT}, and not "
            "all of them"
        )
    return found if len(found) < len(known) else ()
