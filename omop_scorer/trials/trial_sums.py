"""Sums of products of terms and outcome, per trial. A mixed model needs nothing else of the rows.

The sums of two sets of participants add up. So folds, left-out trials, reduced models and residuals
of another model all come from one pass over the rows, and owners of trials could share sums instead
of rows. A residual sum of squares that is 10^6 times smaller than that of the outcome itself loses
6 of its 16 digits.
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
    products: Floats
    """(k, p + 1, p + 1): [X y]'[X y] over the participants of each trial."""

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
        return replace(self, terms=tuple(terms), products=self.products[:, places][:, :, places])

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
        change = np.eye(len(self.terms) + 1)
        for term, coefficient in coefficients.items():
            change[self.terms.index(term), -1] = -coefficient
        return replace(self, products=change.T @ self.products @ change)

    def __add__(self, other: "TrialSums") -> "TrialSums":
        """Return the sums over the participants of both, with trials in sorted order."""
        trials = tuple(sorted({*self.trials, *other.trials}))
        products = np.zeros((len(trials), *self.products.shape[1:]))
        for each in (self, other):
            products[[trials.index(trial) for trial in each.trials]] += each.products
        return TrialSums(self.terms, trials, products)

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
    present = [int(j) for j in np.unique(trial)]
    products = np.zeros((len(present), columns.shape[1], columns.shape[1]))
    for place, j in enumerate(present):
        rows = columns[trial == j]
        # einsum adds in a fixed order. A matrix product may depend on the threads of BLAS.
        products[place] = np.einsum("ni,nj->ij", rows, rows)
    return TrialSums(tuple(terms), tuple(trials[j] for j in present), products)
