"""From trial data to a model card: the story of `omop-scorer trials fit`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from omop_scorer.model.arrays import ModelArrays, model_arrays
from omop_scorer.model.card import ModelCard
from omop_scorer.model.subgroups import label_set
from omop_scorer.terms import Uncertainty
from omop_scorer.trials.answer import (
    data_as_json,
    labels_of,
    model_as_json,
    moments_as_json,
    subgroups_as_json,
)
from omop_scorer.trials.bootstrap import Moments, bootstrap
from omop_scorer.trials.card import Recipe, card_document
from omop_scorer.trials.load import TrialData
from omop_scorer.trials.participants import Integers
from omop_scorer.trials.srs import Models, fit_models

Advance = Callable[[int], None]


@dataclass(frozen=True, eq=False)
class Fitted:
    """Models fitted to trial data, as a card, and the subgroups of the participants themselves."""

    data: TrialData
    models: Models
    moments: dict[str, Moments]
    """By class."""
    recipe: Recipe
    card: dict[str, Any]
    """The document of the model card."""
    arrays: ModelArrays
    labels: tuple[str, ...]
    label: dict[Uncertainty, Integers]
    """(n,) by uncertainty: places in `labels`."""

    def as_json(self, with_rows: bool = False) -> dict[str, Any]:
        """Return all numbers; `with_rows` adds the label of each row of the file."""
        rows, n_rows = self.data.participants.row, self.data.attrition.n_rows
        return {
            **data_as_json(self.data),
            "models": {name: model_as_json(fit) for name, fit in self.models.named().items()},
            "bootstrap": {
                "refits": self.recipe.refits,
                "seed": self.recipe.seed,
                "bootstrap_trials": self.recipe.bootstrap_trials,
                "moments": {key: moments_as_json(each) for key, each in self.moments.items()},
            },
            "full_data": {
                uncertainty: subgroups_as_json(
                    label, self.labels, rows if with_rows else None, n_rows
                )
                for uncertainty, label in self.label.items()
            },
        }


def fit_card(
    data: TrialData,
    recipe: Recipe,
    card_id: str,
    threads: int = 1,
    advance: Advance = lambda _: None,
) -> Fitted:
    """Fit, bootstrap, and score the participants with the card that results.

    Parameters
    ----------
    data
        Cleaned trial data.
    recipe
        Refits, seed and the trial effects of a refit.
    card_id
        Id of the card.
    threads
        Number of threads; no digit depends on it.
    advance
        Called with a number of refits when they are done.

    Raises
    ------
    ScoringError
        A model cannot be fitted; the message names it and the term.
    """
    models = fit_models(data.participants, data.centres)
    moments = {
        key: bootstrap(
            fit,
            refits=recipe.refits,
            seed=recipe.seed,
            stream=(place,),
            threads=threads,
            trials=recipe.bootstrap_trials,
            advance=advance,
        )
        for place, (key, fit) in enumerate(models.classes.items())
    }
    document = card_document(data, models, moments, recipe, card_id)
    arrays = model_arrays(ModelCard.model_validate(document))
    labels = label_set([each.label for each in data.template.classes])
    label = labels_of(data.participants.values, arrays)
    return Fitted(data, models, moments, recipe, document, arrays, labels, label)
