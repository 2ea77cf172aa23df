"""The participants of trials, cleaned, as arrays: what every analysis of trial data starts from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from omop_scorer.model.arrays import Floats

Integers = NDArray[np.int64]

PLACEBO = "placebo"


@dataclass(frozen=True, eq=False)
class Participants:
    """Included participants, in the order of the file; n rows, k covariates.

    Nothing here tells who a participant is: rows are places, trials and arms are places in lists.
    """

    row: Integers
    """(n,): place in the file, from 0."""
    trials: tuple[str, ...]
    """Names of trials with an included participant, sorted."""
    trial: Integers
    """(n,): place in `trials`."""
    arms: tuple[str, ...]
    """`placebo`, then the keys of the drug classes in the order of the card."""
    arm: Integers
    """(n,): place in `arms`."""
    year: Floats
    """(n,): calendar year, not centred; NaN if the model has no term for it."""
    covariates: tuple[str, ...]
    """Names of the covariates, in the order of the card."""
    values: Floats
    """(n, k): covariates, not centred, none missing."""
    outcome: Floats
    """(n,): the reduction; higher is better."""
    fold: Integers | None = None
    """(n,): fold of each participant as the file gives it, 0 to 9."""

    def __len__(self) -> int:
        return len(self.outcome)
