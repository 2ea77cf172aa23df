"""Fits of made-up trial data: a peer, outcomes really simulated, planted truth, and the null."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats
from statsmodels.regression.mixed_linear_model import MixedLM, MixedLMParams

from omop_scorer.model.card import Template
from omop_scorer.model.subgroups import label_set
from omop_scorer.trials.bootstrap import BOOTSTRAP_TRIALS, BootstrapTrials, bootstrap
from omop_scorer.trials.class_moments import Refitting
from omop_scorer.trials.mixed_model import (
    MixedFit,
    fit_mixed_model,
    restricted_fit,
    shrunken_contrasts,
)
from omop_scorer.trials.spectrum import spectrum_of
from omop_scorer.trials.srs import fit_models
from omop_scorer.trials.subgroup_labels import arrays_of, label_participants
from omop_scorer.trials.trial_sums import TrialSums, sums_of
from tests.support.trial_data import Made, Plan, make_up, template


@dataclass(frozen=True, eq=False)
class Rows:
    """Terms and trials of made-up participants."""

    design: np.ndarray
    trial: np.ndarray
    trials: tuple[str, ...]
    terms: tuple[str, ...]

    def sums(self, outcome: np.ndarray) -> TrialSums:
        return sums_of(self.design, outcome, self.trial, self.trials, self.terms)

    def fit(self, outcome: np.ndarray) -> MixedFit:
        return fit_mixed_model(self.sums(outcome), "anti_tnf")


def rows(seed: int, n: int, p: int, k: int) -> Rows:
    """Make up unbalanced trials with covariates of any scale; the first differs between trials."""
    random = np.random.default_rng(seed)
    share = random.dirichlet(np.full(k, 1.5))
    trial = np.concatenate([np.arange(k), random.choice(k, n - k, p=share)])
    columns = random.normal(size=(n, p - 1)) * 10.0 ** random.integers(-2, 3, p - 1)
    columns[:, 0] += 5.0 * random.normal(size=k)[trial] * abs(columns[:, 0]).mean()
    design = np.column_stack([np.ones(n), columns])
    names = tuple(f"T{j:02d}" for j in range(k))
    return Rows(design, trial, names, ("intercept", *(f"x{i}" for i in range(1, p))))


@pytest.mark.parametrize("is_restricted", [True, False])
@pytest.mark.parametrize("seed", range(12))
def test_statsmodels_says_the_same_at_our_ratio(seed: int, is_restricted: bool) -> None:
    random = np.random.default_rng(100 + seed)
    k = int(random.integers(2, 16))
    made = rows(seed, int(random.integers(40, 200)), int(random.integers(2, 9)), k)
    effect = random.choice([0.3, 3.0]) * random.normal(size=k)[made.trial]
    size = abs(made.design).mean(axis=0)
    outcome = made.design @ (random.normal(size=len(size)) / size) + effect
    outcome = outcome + random.normal(size=len(outcome))
    fit = made.fit(outcome)
    peer = MixedLM(outcome, made.design, made.trial)
    # `fit` of statsmodels would set these.
    peer.reml, peer.cov_pen, peer.fe_pen = is_restricted, None, None
    ratio = (
        fit.variance_ratio if is_restricted else fit.ml_trial_variance / fit.ml_residual_variance
    )
    covariance, none = np.array([[ratio]]), np.array([])
    if ratio == 0.0:
        pytest.skip("statsmodels has no trial variance of exactly 0")
    beta, _ = peer.get_fe_params(covariance, none)
    scale = peer.get_scale(beta, covariance, none)
    params = MixedLMParams.from_components(fe_params=beta, cov_re=covariance)
    if is_restricted:
        assert fit.beta == pytest.approx(beta, rel=1e-8)
        assert fit.residual_variance == pytest.approx(scale, rel=1e-11)
        found = fit.loglik_reml
    else:
        assert fit.ml_residual_variance == pytest.approx(scale, rel=1e-11)
        found = fit.loglik_ml
    assert found == pytest.approx(peer.loglike(params, profile_fe=False), abs=1e-8)
    # No other ratio is better in its eyes either.
    for factor in (0.5, 0.99, 1.01, 2.0, 20.0):
        other = np.array([[ratio * factor]])
        beta, _ = peer.get_fe_params(other, none)
        params = MixedLMParams.from_components(fe_params=beta, cov_re=other)
        assert peer.loglike(params, profile_fe=False) <= found + 1e-9


@pytest.mark.parametrize("trial_sd", [0.0, 0.5])
@pytest.mark.parametrize("trials", BOOTSTRAP_TRIALS)
def test_the_bootstrap_is_that_of_outcomes_really_simulated(
    trials: BootstrapTrials, trial_sd: float
) -> None:
    random = np.random.default_rng(11)
    made, n_refits = rows(21, 50, 4, 7), 3000
    effect = trial_sd * random.normal(size=7)[made.trial]
    fit = made.fit(effect + random.normal(size=50))
    held = np.array([fit.trial_effects[name] for name in made.trials])
    betas, n_at_zero = np.empty((n_refits, 4)), 0
    for refit in range(n_refits):
        effects = held
        if trials == "redrawn":
            effects = np.sqrt(fit.trial_variance) * random.normal(size=7)
        noise = np.sqrt(fit.residual_variance) * random.normal(size=50)
        spectrum = spectrum_of(made.sums(made.design @ fit.beta + effects[made.trial] + noise), "x")
        ratio, _ = restricted_fit(spectrum)
        betas[refit] = spectrum.beta - spectrum.loadings @ shrunken_contrasts(spectrum, ratio)
        n_at_zero += ratio == 0.0
    found = bootstrap(fit, refits=50_000, trials=trials)
    sd = betas.std(axis=0, ddof=1)
    assert (abs(betas.mean(axis=0) - found.mean) < 4 * sd / np.sqrt(n_refits)).all()
    relative = sd / np.sqrt(np.diag(found.covariance)) - 1.0
    assert (abs(relative) < 4 / np.sqrt(2 * n_refits)).all()
    correlation = np.corrcoef(betas.T)
    own = np.sqrt(np.diag(found.covariance))
    expected = found.covariance / np.outer(own, own)
    assert (abs(correlation - expected) < 4 / np.sqrt(n_refits)).all()
    share = found.share_at_zero
    assert abs(n_at_zero / n_refits - share) < 4 * np.sqrt(share * (1 - share) / n_refits) + 1e-3


def rejection(counts: int, n: int) -> tuple[float, float]:
    """Return the share of tests that reject, and its Monte Carlo error under 5 %."""
    return counts / n, np.sqrt(0.05 * 0.95 / n)


@pytest.mark.parametrize("trial_sd", [0.0, 0.6])
def test_the_null_is_rejected_in_five_percent(trial_sd: float) -> None:
    # With many participants all tests keep their level, with or without a trial variance.
    random = np.random.default_rng(31)
    made, n_sets = rows(31, 400, 10, 12), 1200
    n_t, n_ratio = np.zeros(9), 0
    for _ in range(n_sets):
        effect = trial_sd * random.normal(size=12)[made.trial]
        fit = made.fit(effect + random.normal(size=400))
        n_t += fit.p_satterthwaite[1:] < 0.05
        n_ratio += fit.lrt_p < 0.05
    share, error = rejection(int(n_ratio), n_sets)
    # The likelihood-ratio test of 9 slopes from 400 participants rejects in about 5.7 %: it is
    # an F test whose quantile is taken from chi-squared.
    quantile = 400 * (np.exp(stats.chi2.isf(0.05, 9) / 400) - 1) * (390 / 400) / 9
    exact = float(stats.f.sf(quantile, 9, 390))
    assert 0.05 < exact < 0.06
    assert abs(share - exact) < 4 * error
    shares = n_t / n_sets
    # The first covariate differs mostly between trials, where Satterthwaite's t is approximate.
    assert abs(shares[0] - 0.05) < 4 * error + 0.015
    assert (abs(shares[1:] - 0.05) < 4 * error).all()


def test_few_participants_make_the_likelihood_ratio_test_reject_too_often() -> None:
    # With 40 participants it rejects in one of eight: the exact share is that of an F test.
    random = np.random.default_rng(41)
    made, n_sets = rows(41, 40, 10, 2), 1500
    one_trial = Rows(made.design, np.zeros(40, int), ("T00",), made.terms)
    fits = [one_trial.fit(random.normal(size=40)) for _ in range(n_sets)]
    share, _ = rejection(sum(fit.lrt_p < 0.05 for fit in fits), n_sets)
    exact = float(stats.f.sf((np.exp(stats.chi2.isf(0.05, 9) / 40) - 1) * 30 / 9, 9, 30))
    assert exact > 0.11
    assert abs(share - exact) < 4 * np.sqrt(exact * (1 - exact) / n_sets)
    # The t-tests keep their level; the normal ones of the published table do not.
    n_tests, error = 9 * n_sets, np.sqrt(0.05 * 0.95 / n_sets)
    t = sum(int((fit.p_satterthwaite[1:] < 0.05).sum()) for fit in fits) / n_tests
    normal = sum(int((fit.p_normal[1:] < 0.05).sum()) for fit in fits) / n_tests
    assert abs(t - 0.05) < 4 * error / 2
    assert normal > 0.055


def test_planted_effects_are_recovered() -> None:
    effects = {
        "anti_tnf": {"intercept": 40.0, "cdai": 0.25, "prior_anti_tnf": -30.0},
        "anti_il12_23": {"intercept": 10.0, "crp": 0.8},
        "anti_integrin": {"intercept": -10.0, "ileal": 35.0},
    }
    plan = Plan(n=6000, n_trials=12, effects=effects, residual_deviation=60.0)
    data = make_up(51, plan)
    models = fit_models(data.participants(), data.centres)
    truths = {"placebo": {**plan.placebo, "year": plan.year}, **effects}
    z = []
    for name, fit in models.named().items():
        for term, beta, se in zip(fit.terms, fit.beta, fit.se, strict=True):
            # A class model inherits the error of the placebo model, which its own leaves out.
            placebo = models.placebo
            inherited = 0.0 if name == "placebo" else placebo.se[placebo.terms.index(term)]
            z.append((beta - (truths[name].get(term) or 0.0)) / np.hypot(se, inherited))
        assert fit.residual_variance == pytest.approx(3600.0, rel=5 * np.sqrt(2 / fit.n))
    assert max(abs(np.array(z))) < 4.5
    assert np.mean(np.square(z)) < 2.0


def test_a_planted_preference_is_found_in_those_who_have_it() -> None:
    covariates = {"marker": Made(0.5), "score": Made(100, 20, 100)}
    effects = {
        "a": {"intercept": 50.0, "marker": -100.0},
        "b": {"intercept": -50.0, "marker": 100.0},
    }
    plan = Plan(
        n=1500,
        classes=("a", "b"),
        covariates=covariates,
        placebo={"intercept": 20.0},
        effects=effects,
        year=None,
        residual_deviation=40.0,
    )
    data = make_up(61, plan)
    participants, card = data.participants(), Template.model_validate(template(plan))
    models = fit_models(participants, data.centres)
    moments = Refitting(refits=5000).moments(models)
    found = label_participants(participants, arrays_of(models, moments, card, data.centres))
    labels = np.array(label_set(["A", "B"]))
    has_marker = participants.values[:, 0] == 1.0
    for label in found.values():
        assert (labels[label][has_marker] == "B > A").all()
        assert (labels[label][~has_marker] == "A > B").all()
