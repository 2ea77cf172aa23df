"""The authors' sample of trial data against lme4, whose fits were polished to the exact optimum.

`trials/trials_sample_expected.json` says how each number was made. The sample is read from the path
in OMOP_SCORER_TRIALS_SAMPLE, and without it these tests are skipped.
"""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from omop_scorer.trials.bootstrap import Moments
from omop_scorer.trials.class_moments import Refitting
from omop_scorer.trials.cross_validation import UNASSIGNED, WAYS, cross_validate
from omop_scorer.trials.fitting import fit_card
from omop_scorer.trials.folds import Folds
from omop_scorer.trials.load import TrialData, load_trials
from omop_scorer.trials.mixed_model import MixedFit
from omop_scorer.trials.srs import Models, fit_models
from omop_scorer.trials.subgroup_labels import Labels, arrays_of, label_participants
from omop_scorer.trials.validation import Validation
from omop_scorer.trials.variants import fit_variants
from tests.support.trials import LAYOUT, trials_sample

__all__ = ["trials_sample"]

EXPECTED = json.loads(
    Path(__file__).with_name("trials").joinpath("trials_sample_expected.json").read_text("utf-8")
)
MODELS = ("placebo", "anti_tnf", "anti_il12_23", "anti_integrin")
REFITTING = Refitting(refits=20_000)


@cache
def sample(path: Path) -> TrialData:
    return load_trials(path, LAYOUT)


@cache
def models(path: Path) -> Models:
    data = sample(path)
    return fit_models(data.participants, data.centres)


@cache
def moments(path: Path) -> dict[str, Moments]:
    return replace(REFITTING, refits=100_000).moments(models(path))


@cache
def labels(path: Path) -> Labels:
    data = sample(path)
    arrays = arrays_of(models(path), moments(path), data.template, data.centres)
    return label_participants(data.participants, arrays)


def of(path: Path, name: str) -> tuple[MixedFit, dict[str, Any]]:
    return models(path).named()[name], EXPECTED["models"][name]


@pytest.mark.parametrize("name", MODELS)
def test_estimates_and_variances(trials_sample: Path, name: str) -> None:
    fit, expected = of(trials_sample, name)
    assert list(fit.terms) == expected["terms"]
    for key in ("beta", "se", "residual_variance", "ml_residual_variance", "variance_ratio"):
        assert getattr(fit, key) == pytest.approx(expected[key], rel=1e-8, abs=0), key
    for key in ("trial_variance", "ml_trial_variance"):
        assert getattr(fit, key) == pytest.approx(expected[key], rel=1e-8, abs=0), key
    sds = np.sqrt(np.diag(expected["covariance"]))
    scaled = (fit.covariance - np.array(expected["covariance"])) / np.outer(sds, sds)
    assert abs(scaled).max() < 1e-8
    assert fit.trial_effects == pytest.approx(expected["trial_effects"], rel=1e-8, abs=1e-9)
    assert fit.n_per_trial == expected["n_per_trial"]
    assert (fit.n, fit.n_trials) == (expected["n"], expected["n_trials"])


@pytest.mark.parametrize("name", MODELS)
def test_likelihoods_and_tests(trials_sample: Path, name: str) -> None:
    fit, expected = of(trials_sample, name)
    for key in ("loglik_reml", "loglik_ml", "loglik_ml_null", "reml_criterion", "lrt_chi2"):
        assert getattr(fit, key) == pytest.approx(expected[key], rel=0, abs=1e-8), key
    assert fit.lrt_df == expected["lrt_df"]
    for key in ("satterthwaite_df", "p_satterthwaite", "p_normal", "lrt_p"):
        assert getattr(fit, key) == pytest.approx(expected[key], rel=1e-7, abs=0), key


@pytest.mark.parametrize("name", MODELS)
def test_a_singular_fit_has_exactly_0(trials_sample: Path, name: str) -> None:
    fit, expected = of(trials_sample, name)
    assert fit.singular == expected["singular"]
    assert (fit.trial_variance == 0.0) == expected["singular"]


@pytest.mark.parametrize("name", MODELS[1:])
def test_moments_of_the_bootstrap(trials_sample: Path, name: str) -> None:
    found, expected = moments(trials_sample)[name], EXPECTED["bootstrap"]["moments"][name]
    n = found.refits
    sd = np.sqrt(np.diag(expected["covariance"]))
    assert (abs(found.mean - np.array(expected["mean"])) < 4 * sd / np.sqrt(n)).all()
    relative = np.sqrt(np.diag(found.covariance)) / sd - 1.0
    assert (abs(relative) < 4 / np.sqrt(2 * n)).all()
    share = expected["share_at_zero"]
    assert abs(found.share_at_zero - share) < 4 * np.sqrt(share * (1 - share) * (1 / n + 1e-6))


@pytest.mark.parametrize("name", MODELS)
def test_moments_of_bootmer(trials_sample: Path, name: str) -> None:
    expected = EXPECTED["bootstrap"]["bootMer"][name]
    place = MODELS.index(name)
    fit = models(trials_sample).named()[name]
    found = REFITTING.moments(Models(fit, {name: fit}), (7, place))[name]
    n, sd = expected["refits"], np.array(expected["sd"])
    assert (abs(found.mean - np.array(expected["mean"])) < 4 * sd / np.sqrt(n)).all()
    assert (abs(np.sqrt(np.diag(found.covariance)) / sd - 1.0) < 4 / np.sqrt(2 * n)).all()


def differing(found: np.ndarray, expected: list[int | None]) -> set[int]:
    wanted = np.array([UNASSIGNED if each is None else each for each in expected])
    return set(np.flatnonzero(found != wanted).tolist())


def test_subgroups_of_all_participants(trials_sample: Path) -> None:
    found, expected = labels(trials_sample), EXPECTED["full_data"]
    assert differing(found["analytic"], expected["analytic"]["label"]) == set()
    unsettled = set(expected["bootstrap"]["unsettled_rows"])
    assert differing(found["bootstrap"], expected["bootstrap"]["label"]) <= unsettled


def test_effects_of_the_first_rows(trials_sample: Path) -> None:
    fitted = fit_card(sample(trials_sample), REFITTING)
    assert "first_rows" not in str(fitted.as_json())
    for how, found in fitted.as_json(with_rows=True)["full_data"].items():
        expected = EXPECTED["full_data"][how]["first_rows"]
        given = found["first_rows"]
        assert given["n"] == expected["n"] == 25
        is_exact = how == "analytic"
        for name in ("effect", "standard_error"):
            ours, theirs = np.array(given[name]), np.array(expected[name])
            error = np.array(expected["standard_error"])
            assert (abs(ours - theirs) <= error * (1e-8 if is_exact else 4 / np.sqrt(20_000))).all()
        if is_exact:
            name = "p_first_second__second_third__first_third"
            assert np.array(given[name]) == pytest.approx(np.array(expected[name]), rel=1e-7)


@pytest.mark.parametrize("way", WAYS)
def test_subgroups_of_folds(trials_sample: Path, way: str) -> None:
    data = sample(trials_sample)
    folds = Folds(np.array(EXPECTED["fold"]), "column")
    found = cross_validate(
        way,  # type: ignore[arg-type]
        data.participants,
        data.template,
        data.centres,
        folds,
        REFITTING,
    )
    expected = EXPECTED["cross_validation"][way]
    assert differing(found.labels["analytic"], expected["analytic"]["label"]) == set()
    unsettled = set(expected["bootstrap"]["unsettled_rows"])
    assert differing(found.labels["bootstrap"], expected["bootstrap"]["label"]) <= unsettled
    for fold, wanted in zip(found.folds, expected["models"], strict=True):
        assert fold.models is not None
        for name, each in wanted.items():
            fit = fold.models.named()[name]
            assert fit.n == each["n"]
            assert fit.singular == each["singular"]
            for key in ("beta", "trial_variance", "residual_variance"):
                assert getattr(fit, key) == pytest.approx(each[key], rel=1e-8, abs=0), (name, key)
    validation = Validation(data, REFITTING, folds, labels(trials_sample), {found.way: found}, {})
    document = validation.as_json(with_rows=True)
    assert document["fold"] == EXPECTED["fold"]
    written = document["cross_validation"][way]["analytic"]
    assert written["label"] == expected["analytic"]["label"]
    assert written["subgroup_counts"] == expected["analytic"]["subgroup_counts"]
    for each, wanted in zip(written["folds"], expected["analytic"]["folds"], strict=True):
        assert {key: each[key] for key in wanted} == wanted


def test_variants(trials_sample: Path) -> None:
    data = sample(trials_sample)
    found = fit_variants(
        data.participants,
        data.template,
        data.centres,
        labels(trials_sample),
        ("cdai", "crp", "ileal"),
        REFITTING,
    )
    assert [each.name for each in found] == list(EXPECTED["ablation"])
    for variant in found:
        expected, written = EXPECTED["ablation"][variant.name], variant.as_json()
        for name, each in expected["models"].items():
            for key, value in each.items():
                given = written["models"][name][key]
                assert given == pytest.approx(value, rel=1e-8, abs=0), (variant.name, name, key)
        for key, value in expected["analytic"].items():
            assert written["analytic"][key] == pytest.approx(value, abs=1e-12), (variant.name, key)
        # A row or two near p = 0.05 may differ with the seed.
        share = expected["bootstrap"]["no_preference_share"]
        assert written["bootstrap"]["no_preference_share"] == pytest.approx(share, abs=0.0025)
        assert written["bootstrap"]["contradictory"] == expected["bootstrap"]["contradictory"]
