"""Subgroups by random forests, as a second opinion: the story of `omop-scorer trials forest`.

The tuned forests follow the words of the paper: settings by five-fold error, errors by resampling.
The published code tunes nothing and takes the infinitesimal jackknife, whose errors are too small;
see `WARNING`. Its further calibration is left out here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from omop_scorer.model.kernel import rank_estimates
from omop_scorer.terms import Uncertainty
from omop_scorer.trials.answer import data_as_json, subgroups_as_json
from omop_scorer.trials.concordance import Concordance, compare_labels
from omop_scorer.trials.fitting import Fitted
from omop_scorer.trials.forest_errors import Estimates, as_published, resample
from omop_scorer.trials.forest_models import ForestData, forest_data
from omop_scorer.trials.forest_tuning import (
    Advance,
    Tuned,
    candidates,
    mixed_errors,
    n_tuning_steps,
    tune,
)
from omop_scorer.trials.participants import PLACEBO, Integers, Participants
from omop_scorer.trials.random_forest import (
    Growth,
    grow,
    predict,
    require_scikit_learn,
    seed_of,
)
from omop_scorer.trials.subgroup_labels import arrays_of

WARNING = (
    "errors by the infinitesimal jackknife are too small, and those of the published code, which "
    "calibrates them further (ranger of R), far too small: concordance and preferences say more "
    "of the estimate of the error than of the forests"
)

_PUBLISHED = Growth(n_trees=1000, max_features=3, min_samples_split=6)

_PLACEBO_SEED = 6


@dataclass(frozen=True)
class Recipe:
    """Settings by which forests are grown and their errors are estimated."""

    seed: int
    threads: int = 1
    """Forests that are grown at once; no digit depends on it."""
    is_published: bool = False
    n_trees: int = 100
    n_resamples: int = 200

    def n_steps(self, participants: Participants) -> int:
        """Return the number of steps that the work will report."""
        data = forest_data(participants)
        if self.is_published:
            return n_tuning_steps(data, 1) + len(data.arms) - 1
        return n_tuning_steps(data) + self.n_resamples


@dataclass(frozen=True, eq=False)
class ForestAnswer:
    """The subgroups of the participants by forests, beside those by the mixed models."""

    fitted: Fitted
    recipe: Recipe
    tuned: Mapping[str, Tuned]
    """By arm."""
    estimates: Estimates
    label: Integers
    """(n,): places in the label set of the classes."""
    agreement: Mapping[Uncertainty, Concordance]
    """Of the mixed models, named first, and the forests."""

    def as_json(self, with_rows: bool = False) -> dict[str, Any]:
        """Return all numbers; `with_rows` adds the label of each row of the file."""
        data = self.fitted.data
        row = data.participants.row if with_rows else None
        found = subgroups_as_json(self.label, self.fitted.label_set, row, data.attrition.n_rows)
        median_error = np.median(self.estimates.errors, axis=0).tolist()
        agreement = {how: each.as_json() for how, each in self.agreement.items()}
        return {
            **data_as_json(data),
            "random_forest": {
                "how": self._how(),
                "runs": [self._run()],
                "models": {arm: _tuned(each) for arm, each in self.tuned.items()},
                "forest": found
                | {
                    "median_error": dict(
                        zip(data.participants.arms[1:], median_error, strict=True)
                    ),
                    "n_errors_not_above_zero": self.estimates.n_without_error,
                },
                "agreement": agreement,
            },
        }

    def counts_by_both(self) -> Iterator[tuple[str, str, str, int]]:
        """Yield uncertainty, label by mixed models, label by forests, and number, if above 0."""
        labels = self.fitted.label_set
        for how, own in self.fitted.labels.items():
            pairs = np.bincount(own * len(labels) + self.label, minlength=len(labels) ** 2)
            for pair in np.flatnonzero(pairs).tolist():
                first, second = divmod(pair, len(labels))
                yield how, labels[first], labels[second], int(pairs[pair])

    def _how(self) -> str:
        if self.recipe.is_published:
            return f"{_PUBLISHED.n_trees} trees, not tuned, as published. Warning: {WARNING}"
        return (
            f"{self.recipe.n_trees} trees, tuned by five-fold error; effects and errors are mean "
            f"and standard deviation of {self.recipe.n_resamples} resamples within arm"
        )

    def _run(self) -> dict[str, Any]:
        analytic, bootstrap = self.agreement["analytic"], self.agreement["bootstrap"]
        settings: dict[str, Any] = {"resamples": self.recipe.n_resamples}
        if self.recipe.is_published:
            settings = {
                "mtry": _PUBLISHED.max_features,
                "min_node_size": _PUBLISHED.min_samples_split - 1,
            }
        return {
            "seed": self.recipe.seed,
            "published": self.recipe.is_published,
            **settings,
            "concordance_with_analytic": analytic.concordance,
            "concordance_with_bootstrap": bootstrap.concordance,
            "same_label_as_analytic": analytic.same_label_share,
            "same_label_as_bootstrap": bootstrap.same_label_share,
            "no_preference_share": bootstrap.no_preference_share[1],
            "no_preference_share_of_mixed_models": {
                "analytic": analytic.no_preference_share[0],
                "bootstrap": bootstrap.no_preference_share[0],
            },
        }


def second_opinion(
    fitted: Fitted, recipe: Recipe, advance: Advance = lambda _: None
) -> ForestAnswer:
    """Assign the participants to subgroups by forests, and compare them with the mixed models.

    Parameters
    ----------
    fitted
        The mixed models.
    recipe
        How forests are grown.
    advance
        Called with a number of steps when they are done, from any thread.

    Raises
    ------
    ConfigurationError
        scikit-learn is not installed.
    FitError
        An arm has too few participants.
    """
    require_scikit_learn()
    participants = fitted.data.participants
    data = forest_data(participants)
    tuned = _tune_all(fitted, data, recipe, advance)
    growths = {arm: each.growth for arm, each in tuned.items()}
    if recipe.is_published:
        estimates = as_published(data, growths, recipe.seed, recipe.threads, advance)
    else:
        estimates = resample(
            data, growths, recipe.n_resamples, recipe.seed, recipe.threads, advance
        )
    arrays = arrays_of(fitted.models, fitted.moments, fitted.data.template, fitted.data.centres)
    label = rank_estimates(estimates.effects, estimates.errors, arrays).label.astype(np.int64)
    names = [each.label for each in fitted.data.template.classes]
    agreement = {how: compare_labels(own, label, names) for how, own in fitted.labels.items()}
    return ForestAnswer(fitted, recipe, tuned, estimates, label, agreement)


def _tune_all(
    fitted: Fitted, data: ForestData, recipe: Recipe, advance: Advance
) -> dict[str, Tuned]:
    """Tune the placebo forest, then those of the classes on what it leaves."""
    seed, threads, tuned = recipe.seed, recipe.threads, {}
    mixed = mixed_errors(
        fitted.data.participants, fitted.data.centres, fitted.models.placebo, data, seed
    )
    outcome = data.outcome
    for arm in data.arms:
        growths = [_PUBLISHED]
        if not recipe.is_published:
            growths = candidates(recipe.n_trees, data.values(arm).shape[1])
        rows = data.rows[arm]
        growth, rmse = tune(arm, data, outcome[rows], growths, seed, threads, advance)
        tuned[arm] = Tuned(growth, rmse, mixed[arm])
        if arm == PLACEBO:
            forest = grow(
                data.of_placebo[rows], outcome[rows], growth, seed_of(seed, _PLACEBO_SEED)
            )
            outcome = outcome - predict(forest, data.of_placebo)
    return tuned


def _tuned(tuned: Tuned) -> dict[str, Any]:
    return {
        "trees": tuned.growth.n_trees,
        "max_features": tuned.growth.max_features,
        "min_samples_leaf": tuned.growth.min_samples_leaf,
        "min_samples_split": tuned.growth.min_samples_split,
        "rmse": tuned.rmse,
        "rmse_mixed": tuned.mixed_rmse,
        "rmse_ratio": tuned.mixed_rmse and tuned.rmse / tuned.mixed_rmse,
    }
