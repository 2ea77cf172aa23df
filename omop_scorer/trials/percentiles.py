"""Percentiles of the participants of trials, for a model card.

They are by linear interpolation. With fewer than 101 participants, the most extreme value would be
a part of the first or the last percentile, so each one is then the mean over five neighbours.
"""

from collections.abc import Sequence

import numpy as np

from omop_scorer.model.arrays import Floats

#: Participants from which on the most extreme value has no part in the first percentile.
MANY = 101

_NEIGHBOURS = 5


def percentiles(values: Floats, percents: Sequence[int]) -> list[float]:
    """Return percentiles of one or more values, shape (n,), without a missing one.

    Of fewer than 101 values, the interpolated values at the place of the percentile and at the two
    places on both sides of it are averaged; near an end, the places are moved inwards.
    """
    n = len(values)
    if n >= MANY:
        found: list[float] = np.percentile(values, percents, method="linear").tolist()
        return found
    reach = min(_NEIGHBOURS // 2, (n - 1) / 2)
    centres = np.clip(np.asarray(percents) / 100 * (n - 1), reach, n - 1 - reach)
    places = centres[:, None] + np.linspace(-reach, reach, _NEIGHBOURS)
    averaged: list[float] = np.interp(places, np.arange(n), np.sort(values)).mean(axis=1).tolist()
    return averaged
