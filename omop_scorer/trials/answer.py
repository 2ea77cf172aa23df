"""The numbers of fitted models as JSON, under the names of the reference file of the method."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from omop_scorer.model.kernel import Scores
from omop_scorer.model.subgroups import label_set
from omop_scorer.trials.bootstrap import Moments
from omop_scorer.trials.load import TrialData
from omop_scorer.trials.mixed_model import MixedFit
from omop_scorer.trials.participants import Integers

_OF_MODEL = (
    *("n", "n_trials", "n_per_trial", "terms", "beta", "se", "satterthwaite_df"),
    *("p_satterthwaite", "p_normal", "covariance", "trial_variance", "residual_variance"),
    *("singular", "trial_effects", "reml_criterion", "loglik_reml", "loglik_ml"),
    *("ml_trial_variance", "ml_residual_variance", "loglik_ml_null", "lrt_chi2", "lrt_df"),
    *("lrt_p", "variance_ratio"),
)


def data_as_json(data: TrialData) -> dict[str, Any]:
    """Return what the cleaning did, and the labels that places in a list of labels stand for."""
    classes = data.template.classes
    return {
        "labels": list(label_set([each.label for each in classes])),
        "class_order": [each.key for each in classes],
        "attrition": data.attrition.as_json(),
        "medians": {column: each.as_json() for column, each in data.medians.items()},
        "warnings": list(data.warnings),
    }


def model_as_json(fit: MixedFit) -> dict[str, Any]:
    """Return a fitted model."""
    return {name: _plain(getattr(fit, name)) for name in _OF_MODEL}


def moments_as_json(moments: Moments) -> dict[str, Any]:
    """Return the moments of a bootstrap."""
    return {
        "mean": _plain(moments.mean),
        "covariance": _plain(moments.covariance),
        "share_at_zero": moments.share_at_zero,
        "monte_carlo_error": _plain(moments.monte_carlo_error),
    }


def subgroups_as_json(
    label: Integers, labels: Sequence[str], row: Integers | None, n_rows: int
) -> dict[str, Any]:
    """Return counts by label; with `row`, also the label of each row of the file, None if none."""
    counts = np.bincount(label, minlength=len(labels)).tolist()
    found: dict[str, Any] = {
        "subgroup_counts": {name: n for name, n in zip(labels, counts, strict=True) if n},
        "no_preference_share": counts[-1] / len(label),
    }
    if row is not None:
        of_rows: list[int | None] = [None] * n_rows
        for place, each in zip(row.tolist(), label.tolist(), strict=True):
            of_rows[place] = each
        found["label"] = of_rows
    return found


def first_rows_as_json(scores: Scores) -> dict[str, Any]:
    """Return what the labels of the first participants follow from: effects, errors, p-values."""
    p_values = (scores.p_first_second, scores.p_second_third, scores.p_first_third)
    return {
        "n": len(scores.label),
        "effect": _plain(scores.attributable_effect),
        "standard_error": _plain(scores.standard_error),
        "p_first_second__second_third__first_third": _plain(np.column_stack(p_values)),
    }


def _plain(value: Any) -> Any:
    """Return an array, a tuple or a number of numpy as JSON; None for what is no number."""
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
