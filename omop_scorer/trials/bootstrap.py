"""Moments of a parametric bootstrap of a mixed model, by exact draws of its sufficient statistics.

A refit depends on its simulated outcome through three independent quantities: the least-squares
estimate b0, the contrasts w, and S0. They are drawn, so no outcome is simulated. Only w and S0
decide the variance ratio of a refit, and b0 is normal given them. So the part of b0 in the moments
is exact, and only the part of the variance ratio carries a Monte Carlo error.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from omop_scorer.model.arrays import Floats
from omop_scorer.trials.mixed_model import (
    MixedFit,
    restricted,
    unit_covariance,
)
from omop_scorer.trials.variance_ratio import best_ratio

REFITS, SEED = 100_000, 20250531

BootstrapTrials: TypeAlias = Literal["held", "redrawn"]
"""Trial effects of a refit: those of the fit, as published, or drawn anew from their variance."""

BOOTSTRAP_TRIALS: tuple[BootstrapTrials, ...] = get_args(BootstrapTrials)

#: Refits of a chunk, fewer with many trials: a thread holds some ten arrays of this many numbers.
_CHUNK, _NUMBERS = 20_000, 300_000


@dataclass(frozen=True, eq=False)
class Moments:
    """Moments of the p coefficients over the refits."""

    mean: Floats
    """(p,)"""
    covariance: Floats
    """(p, p)"""
    share_at_zero: float
    """Share of the refits with a trial variance of exactly 0."""
    refits: int
    monte_carlo_error: Floats
    """(p,): standard error of `mean` that is due to the finite number of refits."""


@dataclass(frozen=True, eq=False)
class _Sums:
    """Sums over the refits of a chunk."""

    n_at_zero: int
    first: Floats
    second: Floats

    def __add__(self, other: "_Sums") -> "_Sums":
        return _Sums(
            self.n_at_zero + other.n_at_zero, self.first + other.first, self.second + other.second
        )


def bootstrap(
    fit: MixedFit,
    *,
    refits: int = REFITS,
    seed: int = SEED,
    stream: tuple[int, ...] = (),
    threads: int = 1,
    trials: BootstrapTrials = "held",
    advance: Callable[[int], None] = lambda _: None,
) -> Moments:
    """Return the moments of the coefficients over parametric bootstrap refits by REML.

    The same seed gives the same bytes with any number of threads. Memory does not grow with the
    number of refits.

    Parameters
    ----------
    fit
        The model.
    refits
        Number of refits, 2 or more.
    seed, stream
        Models that are bootstrapped with one seed need a stream of their own each.
    threads
        Number of threads.
    trials
        Trial effects of a refit.
    advance
        Called with a number of refits when they are done.
    """
    if refits < 2:
        raise ValueError(f"{refits} refits; allowed: 2 or more")
    q = fit.spectrum.q if fit.has_trial_variance else 0
    if not q:
        advance(refits)
        return _moments(fit, trials, _Sums(refits, np.zeros(0), np.zeros((0, 0))), refits)
    # The size of a chunk depends on the model alone, never on the threads.
    chunk_size = min(_CHUNK, max(1, _NUMBERS // q))
    sizes = [min(chunk_size, refits - start) for start in range(0, refits, chunk_size)]
    seeds = np.random.SeedSequence(seed, spawn_key=stream).spawn(len(sizes))

    def chunk(place: int) -> _Sums:
        sums = _chunk(fit, trials, sizes[place], np.random.default_rng(seeds[place]))
        advance(sizes[place])
        return sums

    with ThreadPoolExecutor(threads) as pool:
        whole = _Sums(0, np.zeros(q), np.zeros((q, q)))
        # The order of the chunks, not of their threads, is the order of the sum.
        for part in pool.map(chunk, range(len(sizes))):
            whole += part
    return _moments(fit, trials, whole, refits)


def _chunk(fit: MixedFit, trials: BootstrapTrials, size: int, random: np.random.Generator) -> _Sums:
    """Draw refits; return sums of what their variance ratios add to b0, as shrunken contrasts."""
    spectrum, q = fit.spectrum, fit.spectrum.q
    d, sd = spectrum.eigenvalues[:q, None], np.sqrt(fit.residual_variance)
    root = np.sqrt(d)
    contrasts = sd * random.standard_normal((q, size))
    if trials == "held":
        expected = _held_effects(fit)[:q, None]
        contrasts += root * expected
    else:
        contrasts *= np.sqrt(1.0 + fit.variance_ratio * d)
        expected = contrasts * (fit.variance_ratio * root / (1.0 + fit.variance_ratio * d))
    within = spectrum.degrees_of_freedom - q
    s0 = fit.residual_variance * random.chisquare(within, size)
    ratio = best_ratio(restricted(spectrum), s0, contrasts**2)
    change = expected - contrasts * (ratio * root / (1.0 + ratio * d))
    return _Sums(
        n_at_zero=int(np.count_nonzero(ratio == 0.0)),
        first=change.sum(axis=1),
        second=np.einsum("ib,jb->ij", change, change),
    )


def _held_effects(fit: MixedFit) -> Floats:
    """Return U'u, shape (k,)."""
    effects: Floats = fit.spectrum.vectors.T @ np.array(list(fit.trial_effects.values()))
    return effects


def _moments(fit: MixedFit, trials: BootstrapTrials, sums: _Sums, refits: int) -> Moments:
    spectrum, q = fit.spectrum, len(sums.first)
    mean_change = sums.first / refits
    spread = (sums.second - refits * np.outer(mean_change, mean_change)) / (refits - 1)
    loadings = spectrum.loadings[:, :q]
    added = loadings @ spread @ loadings.T
    ratio = 0.0 if trials == "held" else fit.variance_ratio
    covariance = fit.residual_variance * unit_covariance(spectrum, ratio) + added
    mean = fit.beta + loadings @ mean_change
    if trials == "held":
        # Trial effects that no contrast of trials shows are part of the terms, in every refit.
        mean = mean + spectrum.loadings[:, q:] @ _held_effects(fit)[q:]
    return Moments(
        mean=mean,
        covariance=(covariance + covariance.T) / 2.0,
        share_at_zero=sums.n_at_zero / refits,
        refits=refits,
        monte_carlo_error=np.sqrt(np.maximum(np.diag(added), 0.0) / refits),
    )
