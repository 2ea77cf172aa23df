"""The least-squares fit of one model, and the eigenvalues that its trial effects depend on.

Every quantity of the mixed model is a short sum over them. Formulas: with X the terms, Z the trial
indicators and e the least-squares residuals, E = Z'Z - Z'X (X'X)^-1 X'Z = U diag(d) U'.
"""

from dataclasses import dataclass

import numpy as np

from omop_scorer.errors import ScoringError
from omop_scorer.model.arrays import Floats
from omop_scorer.trials.subject import NO_YEAR, YEAR
from omop_scorer.trials.trial_sums import TrialSums

#: Share of a term's sum of squares that other terms must leave unexplained.
_LEAST_SHARE = 1e-10
#: Share of a term, scaled to length 1, that counts as its part in another.
_LEAST_PART = 1e-6
#: The same of the outcome, after all terms, and within trials.
_LEAST_RESIDUAL = 1e-13
#: Standard deviation of a term that is not constant, as a share of its mean.
_LEAST_SPREAD = 1e-14
#: An eigenvalue below this share of the largest trial is 0.
_LEAST_EIGENVALUE = 1e-10


class FitError(ScoringError):
    """A model cannot be fitted to these participants. The message names the model and the term."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Least squares and eigenvalues of a model with p terms in k trials; q of them are above 0."""

    n: int
    beta: Floats
    """(p,): least squares."""
    inverse: Floats
    """(p, p): (X'X)^-1."""
    log_determinant: float
    """Of X'X."""
    eigenvalues: Floats
    """(k,): d, falling; exactly 0 where no contrast of trials is left."""
    vectors: Floats
    """(k, k): U, a column for each eigenvalue."""
    loadings: Floats
    """(p, k): G = (X'X)^-1 X'Z U."""
    contrasts: Floats
    """(k,): w = U'Z'e / sqrt(d); 0 where d is 0."""
    s0: float
    """Residual sum of squares that no trial effect can explain."""

    @property
    def q(self) -> int:
        """Number of eigenvalues above 0."""
        return int(np.count_nonzero(self.eigenvalues))

    @property
    def degrees_of_freedom(self) -> int:
        """Participants less terms, n - p."""
        return self.n - len(self.beta)

    @property
    def has_trial_variance(self) -> bool:
        """False if the trial variance cannot be estimated.

        That is so with one trial, if terms explain all differences between trials, and if trial
        effects could explain every residual, as with one participant in each trial: the likelihood
        of ML is then infinite without a residual variance.
        """
        return 0 < self.q < self.degrees_of_freedom

    def squares(self) -> Floats:
        """Return w^2 of the q eigenvalues above 0."""
        positive: Floats = self.contrasts[: self.q] ** 2
        return positive


def spectrum_of(sums: TrialSums, name: str) -> Spectrum:
    """Return the least-squares fit and the eigenvalues of a model.

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
    p = len(sums.terms)
    if sums.n <= p:
        raise FitError(
            f"{name}: {sums.n} participants for {p} terms; a model needs more participants than "
            "terms: leave out covariates or the drug class"
        )
    refuse_dependent_terms(sums, name)
    gram, with_outcome = sums.total[:p, :p], sums.total[:p, p]
    scale = 1.0 / np.sqrt(np.diag(gram))
    inverse = np.linalg.inv(gram * np.outer(scale, scale)) * np.outer(scale, scale)
    inverse = (inverse + inverse.T) / 2.0
    beta = inverse @ with_outcome
    # One refinement removes what the inverse left.
    beta += inverse @ (with_outcome - gram @ beta)
    by_trial = sums.products[:, :p, 0].T
    residual = sums.products[:, 0, p] - by_trial.T @ beta
    eigenvalues, vectors = _eigenvalues(sums.n_per_trial, by_trial, inverse)
    root = np.sqrt(np.where(eigenvalues > 0.0, eigenvalues, 1.0))
    contrasts = np.where(eigenvalues > 0.0, vectors.T @ residual / root, 0.0)
    change = np.append(-beta, 1.0)
    squares = float(change @ sums.total @ change)
    s0 = squares - float(contrasts @ contrasts)
    to_terms = sums.to_terms
    beta = to_terms @ beta
    beta[0] += sums.origin[p]
    found = Spectrum(
        n=sums.n,
        beta=beta,
        inverse=to_terms @ inverse @ to_terms.T,
        log_determinant=float(np.linalg.slogdet(gram * np.outer(scale, scale))[1])
        - 2.0 * float(np.log(scale).sum()),
        eigenvalues=eigenvalues,
        vectors=vectors,
        loadings=to_terms @ inverse @ by_trial @ vectors,
        contrasts=contrasts,
        s0=s0,
    )
    _refuse_no_residual(found, squares, float(sums.total[p, p]), name)
    return found


def _eigenvalues(n_per_trial: Floats, by_trial: Floats, inverse: Floats) -> tuple[Floats, Floats]:
    """Return d, falling, and U of E = Z'Z - Z'X (X'X)^-1 X'Z."""
    between = np.diag(n_per_trial) - by_trial.T @ inverse @ by_trial
    values, vectors = np.linalg.eigh((between + between.T) / 2.0)
    values, vectors = values[::-1].copy(), vectors[:, ::-1].copy()
    values[values < _LEAST_EIGENVALUE * n_per_trial.max()] = 0.0
    return values, vectors


def refuse_dependent_terms(sums: TrialSums, name: str) -> None:
    """Raise a FitError that names the first term that others determine."""
    p = len(sums.terms)
    gram = sums.total[:p, :p]
    sizes = np.sqrt(np.diag(gram))
    least = _LEAST_SPREAD * np.sqrt(sums.n) * abs(sums.origin)
    for j, term in enumerate(sums.terms[1:], start=1):
        others: list[str] = []
        if sizes[j] > least[j]:
            scaled = gram[: j + 1, : j + 1] / np.outer(sizes[: j + 1], sizes[: j + 1])
            shares = np.linalg.solve(scaled[:j, :j], scaled[:j, j])
            if 1.0 - float(shares @ scaled[:j, j]) >= _LEAST_SHARE:
                continue
            others = [sums.terms[i] for i in range(1, j) if abs(shares[i]) > _LEAST_PART]
        fault = "is constant"
        if others:
            fault = f"is determined by {', '.join(others)}, or almost so (collinear),"
        advice = NO_YEAR if term == YEAR else "leave it out of the template"
        raise FitError(
            f"{name}: {term} {fault} among its {sums.n} participants; {advice}, or add "
            "participants in whom it varies"
        )


def _refuse_no_residual(found: Spectrum, squares: float, whole: float, name: str) -> None:
    if squares <= _LEAST_RESIDUAL * whole:
        raise FitError(f"{name}: the terms determine the outcome; no residual is left to estimate")
    if found.q < found.degrees_of_freedom and found.s0 <= _LEAST_RESIDUAL * squares:
        raise FitError(
            f"{name}: terms and trials determine the outcome; no residual is left to estimate"
        )
