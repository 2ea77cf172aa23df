"""The exact fit of one random intercept: hand-worked cases, dense algebra, faults."""

import math

import numpy as np
import pytest

from omop_scorer.trials.mixed_model import MixedFit, fit_mixed_model
from omop_scorer.trials.spectrum import FitError
from omop_scorer.trials.trial_sums import TrialSums, sums_of


def sums(design: np.ndarray, outcome: np.ndarray, trial: np.ndarray) -> TrialSums:
    terms = ["intercept", *(f"x{i}" for i in range(1, design.shape[1]))]
    trials = [f"T{j}" for j in range(int(trial.max()) + 1)]
    return sums_of(design, outcome, trial, trials, terms)


def one_way(*groups: tuple[float, ...]) -> MixedFit:
    """Fit the intercept alone to the outcomes of some trials."""
    outcome = np.concatenate([np.array(group, float) for group in groups])
    trial = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    return fit_mixed_model(sums(np.ones((len(outcome), 1)), outcome, trial), "placebo")


def made_up(
    seed: int, n: int = 60, p: int = 4, k: int = 6, trial_sd: float = 1.5
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make up unbalanced trials; the last has one participant."""
    random = np.random.default_rng(seed)
    design = np.column_stack([np.ones(n), random.normal(size=(n, p - 1))])
    trial = np.sort(random.integers(0, k - 1, n))
    trial[-1] = k - 1
    outcome = design @ np.arange(1.0, p + 1) + trial_sd * random.normal(size=k)[trial]
    return design, outcome + random.normal(size=n), trial


def test_balanced_one_way_analysis_of_variance() -> None:
    # Means 2, 6, 10. Within: 6 / 3 = 2. Between: 2 (16 + 0 + 16) / 2 = 32. Trial: (32 - 2) / 2.
    fit = one_way((1, 3), (5, 7), (9, 11))
    assert fit.beta.tolist() == pytest.approx([6.0], rel=1e-14)
    assert fit.residual_variance == pytest.approx(2.0, rel=1e-12)
    assert fit.trial_variance == pytest.approx(15.0, rel=1e-12)
    assert fit.covariance[0, 0] == pytest.approx(32 / 6, rel=1e-12)
    assert fit.satterthwaite_df[0] == pytest.approx(2.0, rel=1e-10)
    # ML divides the sum of squares between, 64, by 3 instead of 2.
    assert fit.ml_trial_variance == pytest.approx((64 / 3 - 2) / 2, rel=1e-12)
    assert fit.ml_residual_variance == pytest.approx(2.0, rel=1e-12)
    # Shrinkage 2 x 15 / (2 x 15 + 2).
    assert fit.trial_effects == pytest.approx({"T0": -3.75, "T1": 0.0, "T2": 3.75}, abs=1e-12)
    assert (fit.n, fit.n_trials, fit.degrees_of_freedom) == (6, 3, 5)
    assert not fit.singular
    # Eigenvalues of V: 32 / 2 of the means, 2 within; log likelihoods by the textbook.
    ml_mean = 64 / 3
    expected = -(6 * math.log(2 * math.pi) + 3 * math.log(2) + 3 * math.log(ml_mean) + 6) / 2
    assert fit.loglik_ml == pytest.approx(expected, abs=1e-12)
    restricted = 5 * math.log(2 * math.pi) + 3 * math.log(2) + 2 * math.log(32) + math.log(6) + 5
    assert fit.reml_criterion == pytest.approx(restricted, abs=1e-12)


def test_trials_that_differ_less_than_noise_have_a_trial_variance_of_exactly_0() -> None:
    # Means 0, 0.5, 1: between 2 (0.25 + 0 + 0.25) / 2 = 0.5, within 3 x 18 / 3 = 18.
    fit = one_way((-3, 3), (-2.5, 3.5), (-2, 4))
    assert fit.trial_variance == 0.0
    assert fit.ml_trial_variance == 0.0
    assert fit.variance_ratio == 0.0
    assert fit.singular
    assert fit.has_trial_variance
    assert set(fit.trial_effects.values()) == {0.0}
    # Least squares: all squares over n - 1.
    values = np.array([-3, 3, -2.5, 3.5, -2, 4])
    assert fit.residual_variance == pytest.approx(values.var(ddof=1), rel=1e-14)
    assert fit.satterthwaite_df.tolist() == [5.0]


@pytest.mark.parametrize("trial_sd", [0.0, 0.3, 1.5, 50.0])
@pytest.mark.parametrize("seed", range(4))
def test_the_fit_is_that_of_dense_algebra(seed: int, trial_sd: float) -> None:
    design, outcome, trial = made_up(seed, trial_sd=trial_sd)
    fit = fit_mixed_model(sums(design, outcome, trial), "placebo")
    z = np.eye(6)[trial]
    v = np.eye(60) + fit.variance_ratio * z @ z.T
    solved = np.linalg.solve(v, design)
    beta = np.linalg.solve(design.T @ solved, solved.T @ outcome)
    residual = outcome - design @ beta
    s2 = residual @ np.linalg.solve(v, residual) / 56
    covariance = s2 * np.linalg.inv(design.T @ solved)
    assert fit.beta == pytest.approx(beta, rel=1e-9)
    assert fit.residual_variance == pytest.approx(s2, rel=1e-10)
    assert fit.covariance == pytest.approx(covariance, rel=1e-8, abs=1e-12)
    signs = [np.linalg.slogdet(each)[1] for each in (v, design.T @ solved)]
    criterion = 56 * (1 + math.log(2 * math.pi * s2)) + sum(signs)
    assert fit.reml_criterion == pytest.approx(criterion, abs=1e-9)
    effects = fit.variance_ratio * z.T @ np.linalg.solve(v, residual)
    assert list(fit.trial_effects.values()) == pytest.approx(effects.tolist(), abs=1e-9)


def restricted_criterion(
    design: np.ndarray, outcome: np.ndarray, z: np.ndarray, ratio: float
) -> float:
    n, p = design.shape
    v = np.eye(n) + ratio * z @ z.T
    solved = np.linalg.solve(v, design)
    beta = np.linalg.solve(design.T @ solved, solved.T @ outcome)
    residual = outcome - design @ beta
    s2 = residual @ np.linalg.solve(v, residual) / (n - p)
    logs = [np.linalg.slogdet(each)[1] for each in (v, design.T @ solved)]
    return float((n - p) * (1 + math.log(2 * math.pi * s2)) + sum(logs))


@pytest.mark.parametrize("seed", range(6))
def test_no_other_ratio_is_better(seed: int) -> None:
    design, outcome, trial = made_up(seed, trial_sd=0.5)
    fit = fit_mixed_model(sums(design, outcome, trial), "placebo")
    ratios = np.concatenate([[0.0], np.geomspace(1e-4, 1e3, 60)])
    values = [restricted_criterion(design, outcome, np.eye(6)[trial], each) for each in ratios]
    assert fit.reml_criterion <= min(values) + 1e-9


def test_the_order_of_rows_and_trials_does_not_matter() -> None:
    design, outcome, trial = made_up(3)
    fit = fit_mixed_model(sums(design, outcome, trial), "placebo")
    order = np.random.default_rng(1).permutation(60)
    other = fit_mixed_model(sums(design[order], outcome[order], 5 - trial[order]), "placebo")
    assert other.beta == pytest.approx(fit.beta, rel=1e-11)
    assert other.trial_variance == pytest.approx(fit.trial_variance, rel=1e-10)
    assert other.satterthwaite_df == pytest.approx(fit.satterthwaite_df, rel=1e-9)
    assert other.trial_effects["T0"] == pytest.approx(fit.trial_effects["T5"], rel=1e-9)


def test_another_unit_of_a_covariate_changes_its_coefficient_alone() -> None:
    design, outcome, trial = made_up(4)
    fit = fit_mixed_model(sums(design, outcome, trial), "placebo")
    scale = np.array([1.0, 1e5, 1e-4, 1.0])
    other = fit_mixed_model(sums(design * scale, outcome, trial), "placebo")
    assert other.beta * scale == pytest.approx(fit.beta, rel=1e-10)
    assert other.p_satterthwaite == pytest.approx(fit.p_satterthwaite, rel=1e-8)
    assert other.variance_ratio == pytest.approx(fit.variance_ratio, rel=1e-10)
    assert other.lrt_chi2 == pytest.approx(fit.lrt_chi2, abs=1e-9)


def test_sums_of_parts_add_up_to_the_whole() -> None:
    design, outcome, trial = made_up(5)
    first = np.arange(60) % 3 == 0
    names = [f"T{j}" for j in range(6)]
    terms = ["intercept", "x1", "x2", "x3"]
    parts = [
        sums_of(design[rows], outcome[rows], trial[rows], names, terms) for rows in (first, ~first)
    ]
    whole = sums(design, outcome, trial)
    assert (parts[0] + parts[1]).trials == whole.trials
    found = (parts[0] + parts[1]).about(whole.origin).products
    assert found == pytest.approx(whole.products, rel=1e-12, abs=1e-12)
    assert whole.n == 60


def test_residuals_of_another_model_come_from_sums() -> None:
    design, outcome, trial = made_up(6)
    expected = sums(design, outcome - design @ np.array([2.0, 0.0, -1.0, 0.5]), trial)
    found = sums(design, outcome, trial).minus({"intercept": 2.0, "x2": -1.0, "x3": 0.5})
    moved = found.about(expected.origin).products
    assert moved == pytest.approx(expected.products, rel=1e-11, abs=1e-9)


def test_terms_and_trials_can_be_left_out_of_sums() -> None:
    design, outcome, trial = made_up(7)
    whole = sums(design, outcome, trial)
    found = whole.without({"x2", "x9"}).of_trials({"T0", "T3"})
    rows = np.isin(trial, [0, 3])
    expected = sums(design[rows][:, [0, 1, 3]], outcome[rows], trial[rows])
    assert (found.terms, found.trials) == (("intercept", "x1", "x3"), ("T0", "T3"))
    moved = found.about(expected.origin).products
    assert moved == pytest.approx(expected.products, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(("column", "offset"), [(0, 1e6), (0, 1e8), (1, 1e3), (1, 1e5), (3, -2e7)])
def test_a_column_far_from_0_loses_no_digits(column: int, offset: float) -> None:
    """Outcomes (column 0) or a term are moved: the slopes and variances stay."""
    design, outcome, trial = made_up(14)
    design = np.round(design * 2**16) / 2**16  # the sum with the offset is exact
    outcome = np.round(outcome * 2**16) / 2**16
    fit = fit_mixed_model(sums(design, outcome, trial), "placebo")
    moved = design.copy()
    moved[:, column] += offset if column else 0.0
    other = fit_mixed_model(sums(moved, outcome + (0.0 if column else offset), trial), "placebo")
    assert other.beta[1:] == pytest.approx(fit.beta[1:], rel=1e-10)
    assert other.covariance[1:, 1:] == pytest.approx(fit.covariance[1:, 1:], rel=1e-10)
    assert other.trial_variance == pytest.approx(fit.trial_variance, rel=1e-10)
    assert other.reml_criterion == pytest.approx(fit.reml_criterion, abs=1e-8)
    assert other.lrt_chi2 == pytest.approx(fit.lrt_chi2, abs=1e-8)
    assert other.trial_effects == pytest.approx(fit.trial_effects, abs=1e-6)


def test_one_trial_is_least_squares() -> None:
    design, outcome, trial = made_up(8)
    fit = fit_mixed_model(sums(design, outcome, np.zeros_like(trial)), "placebo")
    beta, squares, _, _ = np.linalg.lstsq(design, outcome, rcond=None)
    assert not fit.has_trial_variance
    assert fit.singular
    assert fit.beta == pytest.approx(beta, rel=1e-10)
    assert fit.residual_variance == pytest.approx(squares[0] / 56, rel=1e-10)
    assert fit.n_trials == 1


def test_one_participant_in_each_trial_is_least_squares() -> None:
    design, outcome, _ = made_up(9)
    fit = fit_mixed_model(sums(design, outcome, np.arange(60)), "placebo")
    assert not fit.has_trial_variance
    assert fit.trial_variance == 0.0


def test_two_trials_have_a_trial_variance() -> None:
    # Means 0 and 10, two each: within 2, between 100, trial (100 - 2) / 2.
    fit = one_way((-1, 1), (9, 11))
    assert fit.has_trial_variance
    assert fit.trial_variance == pytest.approx(49.0, rel=1e-12)


def test_terms_that_tell_the_trials_leave_no_trial_variance() -> None:
    design, outcome, trial = made_up(10)
    two = (trial > 2).astype(int)
    with_trial = np.column_stack([design, two])
    fit = fit_mixed_model(sums(with_trial, outcome, two), "placebo")
    assert not fit.has_trial_variance
    assert fit.trial_variance == 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: np.column_stack([x, 2 * x[:, 1] - x[:, 3] + 1]), "x4 is determined by x1, x3"),
        (
            lambda x: np.column_stack([x, x[:, 2]]),
            "x4 is determined by x2, or almost so (collinear),",
        ),
        (lambda x: np.column_stack([x, np.full(60, 7.0)]), "x4 is constant among"),
        (lambda x: np.column_stack([x, np.zeros(60)]), "x4 is constant among"),
    ],
)
def test_a_term_that_others_determine_is_named(change, message) -> None:  # type: ignore[no-untyped-def]
    design, outcome, trial = made_up(11)
    with pytest.raises(FitError) as caught:
        fit_mixed_model(sums(change(design), outcome, trial), "anti_tnf")
    assert str(caught.value).startswith(f"anti_tnf: {message}")


def test_too_few_participants_are_refused() -> None:
    design, outcome, trial = made_up(12)
    with pytest.raises(FitError, match="anti_tnf: 4 participants for 4 terms"):
        fit_mixed_model(sums(design[:4], outcome[:4], trial[:4]), "anti_tnf")


def test_an_outcome_without_residual_is_refused() -> None:
    design, _, trial = made_up(13)
    with pytest.raises(FitError, match="the terms determine the outcome"):
        fit_mixed_model(sums(design, design @ np.arange(4.0), trial), "placebo")
    outcome = design @ np.arange(4.0) + 100.0 * trial
    with pytest.raises(FitError, match="terms and trials determine the outcome"):
        fit_mixed_model(sums(design, outcome, trial), "placebo")
