"""Models refitted without covariates that a site may lack: every combination of them.

Each variant has a placebo model of its own. The published code names a column that does not exist,
so its variant without three covariates lacks two; here it lacks three.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from omop_scorer.model.card import Template
from omop_scorer.terms import Uncertainty
from omop_scorer.trials.bootstrap import Moments
from omop_scorer.trials.class_moments import OF_VARIANTS, Refitting
from omop_scorer.trials.concordance import Concordance, compare_labels
from omop_scorer.trials.participants import Participants
from omop_scorer.trials.srs import Models, arm_sums, design_of, fit_from_sums
from omop_scorer.trials.subgroup_labels import Labels, arrays_of, label_participants


@dataclass(frozen=True, eq=False)
class FittedVariant:
    """The models without some covariates, and how their subgroups agree with the full models'."""

    left_out: tuple[str, ...]
    models: Models
    moments: dict[str, Moments]
    """By class."""
    labels: Labels
    agreement: dict[Uncertainty, Concordance]
    """Of the full models, named first, and this variant."""

    @property
    def name(self) -> str:
        """The covariates left out, such as `cdai+crp`."""
        return "+".join(self.left_out)

    def as_json(self) -> dict[str, Any]:
        """Return the numbers of the variant, as `ablation` has them."""
        return {
            **{how: _as_json(each) for how, each in self.agreement.items()},
            "models": {
                name: {
                    "terms": list(fit.terms),
                    "beta": fit.beta.tolist(),
                    "trial_variance": fit.trial_variance,
                    "residual_variance": fit.residual_variance,
                    "singular": fit.singular,
                }
                for name, fit in self.models.named().items()
            },
        }


def _as_json(agreement: Concordance) -> dict[str, Any]:
    return {
        "no_preference_share": agreement.no_preference_share[1],
        "contradictory": agreement.n_contradictory,
        "concordance": agreement.concordance,
        "same_label_share": agreement.same_label_share,
    }


def combinations_of(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Return each combination of one or more of the names; the smallest first."""
    for size in range(1, len(names) + 1):
        yield from combinations(names, size)


def fit_variants(
    participants: Participants,
    template: Template,
    centres: Mapping[str, float],
    full: Labels,
    may_be_missing: Sequence[str],
    refitting: Refitting,
) -> list[FittedVariant]:
    """Fit the models without each combination of the covariates that a site may lack.

    Parameters
    ----------
    participants, template, centres
        As for the full models.
    full
        Labels of the participants by the full models.
    may_be_missing
        Names of covariates, in the order of the card.
    refitting
        How the classes are bootstrapped.

    Raises
    ------
    FitError
        A model cannot be fitted.
    """
    sums = arm_sums(participants, design_of(participants, centres))
    names = [each.label for each in template.classes]
    found = []
    for place, left_out in enumerate(combinations_of(may_be_missing)):
        reduced = {arm: each.without(left_out) for arm, each in sums.items()}
        models = fit_from_sums(reduced, participants.arms[1:])
        moments = refitting.moments(models, (OF_VARIANTS, place))
        labels = label_participants(participants, arrays_of(models, moments, template, centres))
        agreement = {how: compare_labels(full[how], labels[how], names) for how in labels}
        found.append(FittedVariant(left_out, models, moments, labels, agreement))
    return found
