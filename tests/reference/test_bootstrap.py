"""`bootstrap` against a simulation: draw the coefficients, predict, take mean and deviation.

The paper refits its models 10,000 times and takes the mean and the standard deviation of a
patient's 10,000 predictions. Coefficients drawn from the stated moments must give the same within
Monte Carlo error.
"""

import numpy as np
import pytest

from omop_scorer.model import kernel, p_values
from omop_scorer.model.load import load_model

N_DRAWS = 10_000
N_PATIENTS = 300


@pytest.fixture(scope="module")
def model():
    return load_model("crohns_srs_2025")


@pytest.fixture(scope="module")
def covariates(model):
    """Patients like the trials' participants, yes/no covariates drawn at their shares."""
    random = np.random.default_rng(20250327)
    population = model.card.training_population
    mean = np.array([population.mean[name] for name in model.arrays.covariates])
    drawn = random.multivariate_normal(mean, np.array(population.covariance), N_PATIENTS)
    is_yes_no = np.array([each.kind == "yes_no" for each in model.card.covariates])
    return np.where(is_yes_no, random.random(drawn.shape) < mean, drawn)


def test_bootstrap_moments_agree_with_simulation(model, covariates):
    random = np.random.default_rng(1)
    scores = kernel.score(covariates, model.arrays, "bootstrap")
    design = np.column_stack([np.ones(N_PATIENTS), covariates - model.arrays.centre])
    for i, drug_class in enumerate(model.card.classes):
        draws = random.multivariate_normal(
            drug_class.bootstrap_mean, drug_class.bootstrap_covariance, N_DRAWS
        )
        predictions = design @ draws.T
        error = scores.standard_error[:, i]
        z_mean = (predictions.mean(axis=1) - scores.attributable_effect[:, i]) / error
        ratio = predictions.std(axis=1, ddof=1) / error
        # Monte Carlo errors: 1 / sqrt(N) of the mean, 1 / sqrt(2 N) of the deviation. All patients
        # share the draws, so five of these errors hold for the worst of them.
        assert abs(z_mean).max() < 5 / np.sqrt(N_DRAWS)
        assert abs(ratio - 1).max() < 5 / np.sqrt(2 * N_DRAWS)


def test_contrasts_agree_with_simulation(model, covariates):
    """Independent draws of two classes differ with the error that the t-test uses."""
    random = np.random.default_rng(2)
    scores = kernel.score(covariates, model.arrays, "bootstrap")
    design = np.column_stack([np.ones(N_PATIENTS), covariates - model.arrays.centre])
    predictions = [
        design
        @ random.multivariate_normal(each.bootstrap_mean, each.bootstrap_covariance, N_DRAWS).T
        for each in model.card.classes
    ]
    for pair, (a, b) in enumerate(((0, 1), (0, 2), (1, 2))):
        difference = predictions[a] - predictions[b]
        t = abs(difference.mean(axis=1)) / difference.std(axis=1, ddof=1)
        df = model.card.classes[a].degrees_of_freedom + model.card.classes[b].degrees_of_freedom
        simulated = p_values.two_sided_p_value(t**2 / df, df)
        # dp/dt is at most 0.8; t has errors of 1 / sqrt(N) and, of its size, 1 / sqrt(2 N).
        allowed = 0.8 * 5 * (1 + t) / np.sqrt(N_DRAWS)
        assert (abs(simulated - scores.contrast_p_value[:, pair]) < allowed).all()


def test_the_two_ways_differ_but_response_does_not(model, covariates):
    bootstrap = kernel.score(covariates, model.arrays, "bootstrap")
    analytic = kernel.score(covariates, model.arrays, "analytic")
    assert (analytic.response_probability == bootstrap.response_probability).all()
    assert (analytic.placebo_effect == bootstrap.placebo_effect).all()
    assert not (analytic.attributable_effect == bootstrap.attributable_effect).any()
    # The between-trial uncertainty makes `analytic` wider.
    assert (analytic.standard_error.mean(axis=0) > bootstrap.standard_error.mean(axis=0)).all()
