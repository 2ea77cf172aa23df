"""Linear mixed models with one random intercept per trial, fitted exactly by REML.

Formulas: Patterson and Thompson, Biometrika 1971;58:545 (REML); Bates et al., J Stat Softw
2015;67(1) (profiled criteria); Kuznetsova et al., J Stat Softw 2017;82(13) (degrees of freedom).
"""

import math
from dataclasses import dataclass, field

import numpy as np
from scipy import special

from omop_scorer.model.arrays import Floats
from omop_scorer.model.contradictions import INTERCEPT
from omop_scorer.trials.spectrum import Spectrum, spectrum_of
from omop_scorer.trials.trial_sums import TrialSums
from omop_scorer.trials.variance_ratio import FINE, Criterion, best_ratio


@dataclass(frozen=True, eq=False)
class MixedFit:
    """A fitted model of p terms in k trials; (p,) and (p, p) arrays are in the order of `terms`.

    Estimates and variances are those of REML if their name does not say otherwise.
    """

    n: int
    n_trials: int
    terms: tuple[str, ...]
    beta: Floats
    covariance: Floats
    """Generalised least squares, at the estimated variances."""
    trial_variance: float
    """Exactly 0 for a singular fit."""
    residual_variance: float
    degrees_of_freedom: int
    """n - p, as the t-tests of the subgroups use."""
    satterthwaite_df: Floats
    se: Floats
    p_satterthwaite: Floats
    """Two-sided, of Student's t."""
    p_normal: Floats
    """Two-sided, of the normal distribution."""
    trial_effects: dict[str, float]
    """Predicted effect of each trial, shrunk towards 0."""
    n_per_trial: dict[str, int]
    reml_criterion: float
    """-2 times the restricted log likelihood."""
    loglik_reml: float
    loglik_ml: float
    ml_trial_variance: float
    ml_residual_variance: float
    loglik_ml_null: float
    """Of the intercept and the trial effect alone, by ML."""
    lrt_chi2: float
    """Likelihood ratio of all slopes together, by ML."""
    lrt_df: int
    lrt_p: float
    variance_ratio: float
    """Trial variance / residual variance."""
    singular: bool
    has_trial_variance: bool
    """False if these trials cannot tell a trial variance from 0; the fit is least squares."""
    spectrum: Spectrum = field(repr=False)

    @property
    def coefficients(self) -> dict[str, float]:
        """Coefficient of each term."""
        return dict(zip(self.terms, self.beta.tolist(), strict=True))


def fit_mixed_model(sums: TrialSums, name: str) -> MixedFit:
    """Fit one model.

    Parameters
    ----------
    sums
        Of the participants, with the terms of the model only.
    name
        `placebo` or the key of the drug class, for messages.

    Raises
    ------
    FitError
        Too few participants, a term that others determine, or an outcome without residual.
    """
    spectrum = spectrum_of(sums, name)
    ratio, criterion = restricted_fit(spectrum)
    residual_variance = spread_at(spectrum, ratio) / spectrum.degrees_of_freedom
    beta = spectrum.beta - spectrum.loadings @ shrunken_contrasts(spectrum, ratio)
    covariance = residual_variance * unit_covariance(spectrum, ratio)
    se = np.sqrt(np.diag(covariance))
    df = _satterthwaite(spectrum, ratio, residual_variance, covariance)
    t = abs(beta / se)
    ml = _maximum_likelihood(spectrum, sums.n_per_trial)
    null = _null_likelihood(sums, name)
    n_slopes = len(sums.terms) - 1
    chi2 = max(0.0, 2.0 * (ml[0] - null))
    return MixedFit(
        n=sums.n,
        n_trials=len(sums.trials),
        terms=sums.terms,
        beta=beta,
        covariance=covariance,
        trial_variance=ratio * residual_variance,
        residual_variance=residual_variance,
        degrees_of_freedom=spectrum.degrees_of_freedom,
        satterthwaite_df=df,
        se=se,
        p_satterthwaite=2.0 * special.stdtr(df, -t),
        p_normal=2.0 * special.ndtr(-t),
        trial_effects=_trial_effects(sums, beta, ratio),
        n_per_trial=dict(zip(sums.trials, map(round, sums.n_per_trial.tolist()), strict=True)),
        reml_criterion=criterion,
        loglik_reml=-criterion / 2.0,
        loglik_ml=ml[0],
        ml_trial_variance=ml[1],
        ml_residual_variance=ml[2],
        loglik_ml_null=null,
        lrt_chi2=chi2,
        lrt_df=n_slopes,
        lrt_p=float(special.chdtrc(n_slopes, chi2)) if n_slopes else math.nan,
        variance_ratio=ratio,
        singular=ratio == 0.0,
        has_trial_variance=spectrum.has_trial_variance,
        spectrum=spectrum,
    )


def restricted(spectrum: Spectrum) -> Criterion:
    """Return the REML criterion of a model, without its outcome."""
    eigenvalues = spectrum.eigenvalues[: spectrum.q]
    return Criterion(eigenvalues, eigenvalues, float(spectrum.degrees_of_freedom))


def restricted_fit(spectrum: Spectrum) -> tuple[float, float]:
    """Return the variance ratio and -2 log likelihood of REML."""
    ratio = _ratio_of(spectrum, restricted(spectrum))
    degrees = spectrum.degrees_of_freedom
    spread = spread_at(spectrum, ratio)
    criterion = degrees * (1.0 + math.log(2.0 * math.pi * spread / degrees))
    criterion += float(np.log1p(spectrum.eigenvalues * ratio).sum())
    return ratio, criterion + spectrum.log_determinant


def _ratio_of(spectrum: Spectrum, criterion: Criterion) -> float:
    if not spectrum.has_trial_variance:
        return 0.0
    s0, squares = np.array([spectrum.s0]), spectrum.squares()[:, None]
    return float(best_ratio(criterion, s0, squares, FINE)[0])


def _maximum_likelihood(spectrum: Spectrum, n_per_trial: Floats) -> tuple[float, float, float]:
    """Return log likelihood, trial variance and residual variance of ML."""
    n = spectrum.n
    ratio = _ratio_of(spectrum, Criterion(spectrum.eigenvalues[: spectrum.q], n_per_trial, n))
    variance = spread_at(spectrum, ratio) / n
    criterion = n * (1.0 + math.log(2.0 * math.pi * variance))
    criterion += float(np.log1p(n_per_trial * ratio).sum())
    return -criterion / 2.0, ratio * variance, variance


def _null_likelihood(sums: TrialSums, name: str) -> float:
    intercept_only = spectrum_of(sums.keep([INTERCEPT]), name)
    return _maximum_likelihood(intercept_only, sums.n_per_trial)[0]


def spread_at(spectrum: Spectrum, ratio: float) -> float:
    """Return S(L): the generalised residual sum of squares at a variance ratio."""
    shrunken = spectrum.contrasts**2 / (1.0 + ratio * spectrum.eigenvalues)
    return spectrum.s0 + float(shrunken.sum())


def shrunken_contrasts(spectrum: Spectrum, ratio: float) -> Floats:
    """Return w L sqrt(d) / (1 + L d), shape (k,); G times it leads from least squares to beta."""
    d = spectrum.eigenvalues
    answer: Floats = spectrum.contrasts * ratio * np.sqrt(d) / (1.0 + ratio * d)
    return answer


def unit_covariance(spectrum: Spectrum, ratio: float) -> Floats:
    """Return the covariance of beta at a variance ratio and a residual variance of 1."""
    weights = ratio / (1.0 + ratio * spectrum.eigenvalues)
    answer: Floats = spectrum.inverse + (spectrum.loadings * weights) @ spectrum.loadings.T
    return (answer + answer.T) / 2.0


def _trial_effects(sums: TrialSums, beta: Floats, ratio: float) -> dict[str, float]:
    p = len(sums.terms)
    moved = sums.coefficients_about_origin(beta)
    residual = sums.products[:, 0, p] - sums.products[:, 0, :p] @ moved
    effects = ratio * residual / (1.0 + ratio * sums.n_per_trial)
    return dict(zip(sums.trials, effects.tolist(), strict=True))


def _satterthwaite(
    spectrum: Spectrum, ratio: float, residual_variance: float, covariance: Floats
) -> Floats:
    """Return Satterthwaite's degrees of freedom of each coefficient; n - p for a singular fit."""
    degrees = float(spectrum.degrees_of_freedom)
    if ratio == 0.0:
        return np.full(len(covariance), degrees)
    d, s2 = spectrum.eigenvalues, residual_variance
    shrinkage = 1.0 / (1.0 + ratio * d)
    squares = spectrum.contrasts**2 * d * shrinkage**2
    first, second = -squares.sum(), 2.0 * (squares * d * shrinkage).sum()
    hessian = np.array(
        [
            [second / s2 - ((d * shrinkage) ** 2).sum(), -first / s2**2],
            [-first / s2**2, degrees / s2**2],
        ]
    )
    by_ratio = s2 * (spectrum.loadings**2 @ shrinkage**2)
    by_residual = np.diag(covariance) / s2
    gradient = np.stack([by_ratio, by_residual])
    scatter = (gradient * (2.0 * np.linalg.inv(hessian) @ gradient)).sum(axis=0)
    answer: Floats = 2.0 * np.diag(covariance) ** 2 / scatter
    return answer
