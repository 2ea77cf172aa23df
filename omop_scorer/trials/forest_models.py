"""Sequential regression with forests: one of placebo, and one of what it leaves for each class.

A trial is no covariate, as published. The placebo forest has the year, if there is one.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from omop_scorer.model.arrays import Floats
from omop_scorer.trials.participants import PLACEBO, Integers, Participants
from omop_scorer.trials.random_forest import Forest, Growth, grow, predict, seed_of
from omop_scorer.trials.spectrum import FitError

#: Fewest participants of an arm whose forest can be tuned.
FEWEST = 10


@dataclass(frozen=True, eq=False)
class ForestData:
    """Participants as forests take them."""

    arms: tuple[str, ...]
    """`placebo`, then the classes in the order of the card."""
    rows: Mapping[str, Integers]
    """Places of the participants of each arm."""
    of_placebo: Floats
    """(n, k + 1): year and covariates; (n, k) without a year."""
    of_classes: Floats
    """(n, k): covariates."""
    outcome: Floats

    def values(self, arm: str) -> Floats:
        """Return the covariates of the model of an arm, for all participants."""
        return self.of_placebo if arm == PLACEBO else self.of_classes


def forest_data(participants: Participants) -> ForestData:
    """Return participants as forests take them.

    Raises
    ------
    FitError
        An arm has too few participants.
    """
    rows = {
        arm: np.flatnonzero(participants.arm == place)
        for place, arm in enumerate(participants.arms)
    }
    problems = [
        f"{arm}: fewer than {FEWEST} participants; forests need more in each arm"
        for arm, each in rows.items()
        if len(each) < FEWEST
    ]
    if problems:
        raise FitError(*problems)
    years = [] if np.isnan(participants.year).all() else [participants.year]
    return ForestData(
        participants.arms,
        rows,
        np.column_stack([*years, participants.values]),
        participants.values,
        participants.outcome,
    )


def grow_all(
    data: ForestData, drawn: Mapping[str, Integers], growths: Mapping[str, Growth], *seeds: int
) -> dict[str, Forest]:
    """Grow the forests of all arms from some participants of each.

    Parameters
    ----------
    data
        All participants.
    drawn
        Places of the participants of each arm, some perhaps more than once.
    growths
        How the forest of each arm is grown.
    seeds
        Numbers of this set of forests; each forest gets a seed of its own from them.
    """
    forests: dict[str, Forest] = {}
    for place, arm in enumerate(data.arms):
        rows = drawn[arm]
        outcome = data.outcome[rows]
        if arm != PLACEBO:
            outcome = outcome - predict(forests[PLACEBO], data.of_placebo[rows])
        seed = seed_of(*seeds, place)
        forests[arm] = grow(data.values(arm)[rows], outcome, growths[arm], seed)
    return forests


def class_effects(data: ForestData, forests: Mapping[str, Forest]) -> Floats:
    """Return the effect of each class for each of the n participants, (n, c)."""
    return np.column_stack([predict(forests[arm], data.of_classes) for arm in data.arms[1:]])
