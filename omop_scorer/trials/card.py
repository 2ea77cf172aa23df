"""The model card of models fitted to trial data: everything that scoring needs, as a document."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from omop_scorer import __version__
from omop_scorer.model.card import CardTemplate, Covariate
from omop_scorer.trials.bootstrap import Moments
from omop_scorer.trials.class_moments import Refitting
from omop_scorer.trials.load import TrialData
from omop_scorer.trials.mixed_model import MixedFit
from omop_scorer.trials.participants import Participants
from omop_scorer.trials.percentiles import percentiles
from omop_scorer.trials.srs import Models
from omop_scorer.trials.variants import FittedVariant

_PERCENTILES = (1, 5, 25, 50, 75, 95, 99)

#: Of a card whose template has models of its own, the limits and the credit are not those models'.
_LIMITS = {
    "line": "Fitted to trial data, not validated prospectively. Not a medical device.",
    "text": (
        "Valid for patients who resemble the participants of the trials that the models were "
        "fitted to. Says nothing of combination therapy. Not prospectively validated. Not a "
        "medical device. The class models share one placebo prediction, whose error is in no "
        "standard error; degrees of freedom count participants although the between-trial "
        "variance rests on a few trials; neighbours are tested after ranking, without correction."
    ),
}


def card_document(
    data: TrialData,
    models: Models,
    moments: Mapping[str, Moments],
    refitting: Refitting,
    card_id: str,
) -> dict[str, Any]:
    """Return the model card of fitted models, without variants.

    Parameters
    ----------
    data
        The trial data that the models were fitted to.
    models
        The placebo model and the model of each class.
    moments
        By class, moments of the bootstrap.
    refitting
        How the classes were bootstrapped.
    card_id
        The id of the card, which must not be that of a shipped one.
    """
    document = _subject(data, card_id)
    fixed = data.template.placebo.model_dump(mode="json")
    document["placebo"] = fixed | fit_document(models.placebo)
    document["placebo"]["n_trials"] = models.placebo.n_trials
    document["classes"] = [
        each.model_dump(mode="json")
        | class_document(models.classes[each.key], moments[each.key])
        | {"n_trials": models.classes[each.key].n_trials}
        for each in data.template.classes
    ]
    document["training_population"] = _training_population(data)
    document["fit"] = _record(data, models, moments, refitting)
    return document


def fit_document(fit: MixedFit) -> dict[str, Any]:
    """Return a fitted model as a card or a variants file holds it."""
    return {
        "terms": list(fit.terms),
        "beta": fit.beta.tolist(),
        "covariance": fit.covariance.tolist(),
        "trial_variance": float(fit.trial_variance),
        "residual_variance": float(fit.residual_variance),
        "n_observations": int(fit.n),
    }


def class_document(fit: MixedFit, moments: Moments) -> dict[str, Any]:
    """Return the fitted model of a class with the moments of its bootstrap."""
    return fit_document(fit) | {
        "degrees_of_freedom": float(fit.degrees_of_freedom),
        "bootstrap_mean": moments.mean.tolist(),
        "bootstrap_covariance": moments.covariance.tolist(),
    }


def variants_document(variants: Sequence[FittedVariant]) -> dict[str, Any]:
    """Return the variants file of a card."""
    return {
        "variants": [
            {
                "left_out": list(each.left_out),
                "placebo": fit_document(each.models.placebo),
                "classes": {
                    key: class_document(fit, each.moments[key])
                    for key, fit in each.models.classes.items()
                },
            }
            for each in variants
        ]
    }


def _subject(data: TrialData, card_id: str) -> dict[str, Any]:
    """Return the parts of the template, with ranges and credit of this data."""
    template = data.template
    document: dict[str, Any] = template.model_dump(
        mode="json", include=set(CardTemplate.model_fields), exclude_unset=True
    )
    own = {
        "citation": f"Fitted with omop-scorer {__version__} to trial data, SHA-256 {data.sha256}",
        "gives": "the models and the training population",
    }
    if data.has_numbers:
        document |= {
            "title": f"{template.title}, fitted to trial data",
            "sources": [
                own,
                *(
                    {**source, "gives": f"the template {template.id}; there: {source['gives']}"}
                    for source in document["sources"]
                ),
            ],
            "credit": (
                f"Models fitted with omop-scorer {__version__} to trial data of this site. The "
                f"covariates, drug classes and outcome are those of the model card {template.id}, "
                "whose models and figures are not used."
            ),
            "limits": _LIMITS,
        }
        _forget_trials(document.get("calculator") or {})
    else:
        document["sources"] = [own, *document["sources"]]
    ranges = _within_trial_ranges(data.participants, template.covariates)
    for covariate in document["covariates"]:
        covariate.pop("within_trial_range", None)
        if covariate["name"] in ranges:
            covariate["within_trial_range"] = ranges[covariate["name"]]
    return document | {"id": card_id}


def _forget_trials(texts: dict[str, Any]) -> None:
    """Remove what texts of the calculator say of the template's own trials and models."""
    for key in ("limits", "not_in_model"):
        texts.pop(key, None)
    for covariate in texts.get("covariates", {}).values():
        covariate.pop("enrolled", None)


def _within_trial_ranges(
    participants: Participants, covariates: tuple[Covariate, ...]
) -> dict[str, list[float]]:
    """Return the 1st and 99th percentile of each number that varies."""
    found = {}
    for place, covariate in enumerate(covariates):
        if covariate.kind == "continuous":
            low, high = percentiles(participants.values[:, place], (1, 99))
            if low < high:
                found[covariate.name] = [low, high]
    return found


def _training_population(data: TrialData) -> dict[str, Any]:
    """Return moments of all included participants."""
    names, values = data.participants.covariates, data.participants.values
    covariance = np.atleast_2d(np.cov(values, rowvar=False))
    return {
        "n": len(values),
        "mean": dict(zip(names, values.mean(axis=0).tolist(), strict=True)),
        "covariance": ((covariance + covariance.T) / 2).tolist(),
        "percentiles": {
            covariate.name: dict(
                zip(_PERCENTILES, percentiles(values[:, place], _PERCENTILES), strict=True)
            )
            for place, covariate in enumerate(data.template.covariates)
            if covariate.kind == "continuous"
        },
    }


def _record(
    data: TrialData, models: Models, moments: Mapping[str, Moments], refitting: Refitting
) -> dict[str, Any]:
    return {
        "method": "reml",
        "tool_version": __version__,
        "data_sha256": data.sha256,
        "seed": refitting.seed,
        "refits": refitting.refits,
        "bootstrap_trials": refitting.trials,
        "share_at_zero": {key: float(each.share_at_zero) for key, each in moments.items()},
        "monte_carlo_error": {
            key: float((each.monte_carlo_error / np.sqrt(np.diag(each.covariance))).max())
            for key, each in moments.items()
        },
        "likelihood_ratio": {
            name: {"chi2": float(fit.lrt_chi2), "df": int(fit.lrt_df), "p": float(fit.lrt_p)}
            for name, fit in models.named().items()
        },
        "attrition": data.attrition.as_json(),
        "medians": {column: each.as_json() for column, each in data.medians.items()},
        "warnings": list(data.warnings),
    }
