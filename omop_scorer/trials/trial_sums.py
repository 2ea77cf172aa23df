"""Sums of products of terms and outcome, per trial. A mixed model needs nothing else of the rows.

The sums of two sets of participants add up. So folds, left-out trials, reduced models and residuals
of another model all come from one pass over the rows, and owners of trials could share sums instead
of rows. Terms and outcome are summed about their means, so a column far from 0 loses no digit.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from omop_scorer.model.arrays import Floats
from omop_scorer.model.contradictions import INTERCEPT
from omop_scorer.trials.participants import Integers


@dataclass(frozen=True, eq=False)
class TrialSums:
    """Sums of products of p terms, the intercept first, and the outcome, in k trials."""

    terms: tuple[str, ...]
    trials: tuple[str, ...]
    """Names of the k trials; each has at least one participant."""
    origin: Floats
    """(p + 1,): what is taken away from each term and from the outcome; 0 for the intercept."""
    products: Floats
    """(k, p + 1, p + 1): [X y]'[X y] over the participants of each trial, about the origin."""

    @cached_property
    def n_per_trial(self) -> Floats:
        """(k,): participants of each trial."""
        return self.products[:, 0, 0]

    @cached_property
    def n(self) -> int:
        """Number of participants."""
        return round(float(self.n_per_trial.sum()))

    @cached_property
    def total(self) -> Floats:
        """(p + 1, p + 1): [X y]'[X y] over all participants."""
        whole: Floats = self.products.sum(axis=0)
        return whole

    def keep(self, terms: Sequence[str]) -> "TrialSums":
        """Return the sums of some of the terms, in the given order."""
        places = [*map(self.terms.index, terms), len(self.terms)]
        return replace(
            self,
            terms=tuple(terms),
            origin=self.origin[places],
            products=self.products[:, places][:, :, places],
        )

    def without(self, names: Collection[str]) -> "TrialSums":
        """Return the sums without some of the terms; a name that is no term changes nothing."""
        return self.keep([term for term in self.terms if term not in names])

    def of_trials(self, names: Collection[str]) -> "TrialSums":
        """Return the sums of some of the trials."""
        kept = [j for j, trial in enumerate(self.trials) if trial in names]
        return self._of(kept)

    def minus(self, coefficients: Mapping[str, float]) -> "TrialSums":
        """Return the sums with the outcome less the prediction of another model.

        Parameters
        ----------
        coefficients
            Coefficient of each of its terms, which must be among the terms here.
        """
        change, origin = np.eye(len(self.terms) + 1), self.origin.copy()
        for term, coefficient in coefficients.items():
            place = self.terms.index(term)
            if term == INTERCEPT:
                origin[-1] -= coefficient
            else:
                change[place, -1] = -coefficient
                origin[-1] -= coefficient * self.origin[place]
        return replace(self, origin=origin, products=change.T @ self.products @ change)

    def about(self, origin: Floats) -> "TrialSums":
        """Return the same sums about another origin, shape (p + 1,), whose first is 0."""
        change = np.eye(len(origin))
        change[0] += self.origin - origin
        return replace(self, origin=origin, products=change.T @ self.products @ change)

    def coefficients_about_origin(self, beta: Floats) -> Floats:
        """Return coefficients, (p,), of the terms less the origin for the outcome less its own."""
        moved = beta.copy()
        moved[0] += beta[1:] @ self.origin[1:-1] - self.origin[-1]
        return moved

    @property
    def to_terms(self) -> Floats:
        """(p, p): matrix from coefficients about the origin to those of the terms as they are.

        It leaves out the origin of the outcome, which belongs to the intercept.
        """
        change = np.eye(len(self.terms))
        change[0, 1:] = -self.origin[1:-1]
        return change

    def __add__(self, other: "TrialSums") -> "TrialSums":
        """Return the sums over the participants of both, with trials in sorted order."""
        trials = tuple(sorted({*self.trials, *other.trials}))
        products = np.zeros((len(trials), *self.products.shape[1:]))
        for each in (self, other.about(self.origin)):
            products[[trials.index(trial) for trial in each.trials]] += each.products
        return TrialSums(self.terms, trials, self.origin, products)

    def _of(self, kept: list[int]) -> "TrialSums":
        return replace(
            self, trials=tuple(self.trials[j] for j in kept), products=self.products[kept]
        )


def sums_of(
    design: Floats,
    outcome: Floats,
    trial: Integers,
    trials: Sequence[str],
    terms: Sequence[str],
) -> TrialSums:
    """Return the sums over some participants.

    Parameters
    ----------
    design
        (n, p): the terms of each participant, centred, the intercept first.
    outcome
        (n,): in the outcome's unit.
    trial
        (n,): place of each participant's trial in `trials`. Trials without a participant are left
        out of the sums.
    trials, terms
        Names of the trials and of the p terms.
    """
    if tuple(terms)[:1] != (INTERCEPT,):
        raise ValueError(f"terms {', '.join(terms)}; allowed: {INTERCEPT} first")
    columns = np.column_stack([design, outcome])
    origin = columns.mean(axis=0)
    origin[0] = 0.0
    columns -= origin
    present = [int(j) for j in np.unique(trial)]
    products = np.zeros((len(present), columns.shape[1], columns.shape[1]))
    for place, j in enumerate(present):
        rows = columns[trial == j]
        # einsum adds in a fixed order. A matrix product may depend on the threads of BLAS.
        products[place] = np.einsum("ni,nj->ij", rows, rows)
    return TrialSums(tuple(terms), tuple(trials[j] for j in present), origin, products)
