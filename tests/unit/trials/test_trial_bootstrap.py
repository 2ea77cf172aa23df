"""Moments of the bootstrap: same bytes, exact parts, chunks."""

import numpy as np
import pytest

from omop_scorer.trials.bootstrap import bootstrap
from omop_scorer.trials.mixed_model import MixedFit, fit_mixed_model, unit_covariance
from tests.unit.trials.test_mixed_model import made_up, sums


def fitted(seed: int = 1, trial_sd: float = 1.5) -> MixedFit:
    return fit_mixed_model(sums(*made_up(seed, trial_sd=trial_sd)), "anti_tnf")


@pytest.mark.parametrize("trials", ["held", "redrawn"])
def test_the_bytes_do_not_depend_on_the_threads(trials: str) -> None:
    fit = fitted()
    one, three = (
        bootstrap(fit, refits=45_000, threads=threads, trials=trials)  # type: ignore[arg-type]
        for threads in (1, 3)
    )
    assert one.mean.tobytes() == three.mean.tobytes()
    assert one.covariance.tobytes() == three.covariance.tobytes()
    assert one.share_at_zero == three.share_at_zero


def test_seeds_and_streams_give_other_draws() -> None:
    fit = fitted()
    means = [
        bootstrap(fit, refits=1000, seed=seed, stream=stream).mean.tobytes()
        for seed, stream in ((1, ()), (2, ()), (1, (1,)), (1, (1, 0)), (1, ()))
    ]
    assert len(set(means)) == 4
    assert means[0] == means[-1]


def test_progress_counts_every_refit() -> None:
    done: list[int] = []
    bootstrap(fitted(), refits=41_000, advance=done.append)
    assert sorted(done) == [1000, 20_000, 20_000]


def test_one_trial_has_exact_moments() -> None:
    design, outcome, trial = made_up(2)
    fit = fit_mixed_model(sums(design, outcome, 0 * trial), "anti_tnf")
    found = bootstrap(fit, refits=100)
    expected = fit.residual_variance * np.linalg.inv(design.T @ design)
    assert found.mean == pytest.approx(fit.beta, rel=1e-14)
    assert found.covariance == pytest.approx(expected, rel=1e-10)
    assert found.share_at_zero == 1.0
    assert found.monte_carlo_error.tolist() == [0.0] * 4


def test_effects_drawn_anew_add_the_spread_between_trials() -> None:
    fit = fitted(trial_sd=4.0)
    held, redrawn = (
        bootstrap(fit, refits=20_000, trials=each)  # type: ignore[arg-type]
        for each in ("held", "redrawn")
    )
    of_fit = fit.residual_variance * unit_covariance(fit.spectrum, fit.variance_ratio)
    intercept = [float(each.covariance[0, 0]) for each in (held, redrawn)]
    assert intercept[0] < intercept[1] / 4
    # The variance ratio of each refit differs, which adds a little to the covariance of the fit.
    assert intercept[1] == pytest.approx(of_fit[0, 0], rel=0.05)
    assert redrawn.mean == pytest.approx(fit.beta, abs=5 * redrawn.monte_carlo_error.max())


def test_the_monte_carlo_error_is_that_of_repeated_bootstraps() -> None:
    fit = fitted(trial_sd=0.4)
    runs = [bootstrap(fit, refits=500, seed=seed) for seed in range(40)]
    spread = np.std([each.mean for each in runs], axis=0, ddof=1)
    told = np.mean([each.monte_carlo_error for each in runs], axis=0)
    # The standard deviation of 40 has a relative error of 1 / sqrt(78).
    assert (abs(spread / told - 1.0) < 4 / np.sqrt(78)).all()


def test_fewer_than_two_refits_are_refused() -> None:
    with pytest.raises(ValueError, match="2 or more"):
        bootstrap(fitted(), refits=1)
