"""Patients drawn at random, as the kernel takes them."""

import numpy as np

from omop_scorer.model.arrays import Floats

#: Mean and standard deviation, or the share of yes.
_DRAWN = {
    "cdai": (300.0, 60.0),
    "age": (38.0, 12.0),
    "bmi": (24.0, 5.0),
    "crp": (18.0, 20.0),
    "prior_anti_tnf": 0.3,
    "male": 0.45,
    "steroid": 0.35,
    "immunomodulator": 0.35,
    "ileal": 0.7,
}


def draw(n: int, covariates: tuple[str, ...], seed: int = 1) -> Floats:
    """Return n patients, (n, k) with contiguous columns, within what the calculator accepts."""
    generator = np.random.default_rng(seed)
    limits = {"cdai": (0, 600), "age": (18, 99), "bmi": (12, 45), "crp": (0, 200)}
    values = np.empty((len(covariates), n))
    for column, name in zip(values, covariates, strict=True):
        drawn = _DRAWN[name]
        if isinstance(drawn, float):
            column[:] = generator.random(n) < drawn
        else:
            column[:] = generator.normal(*drawn, n).clip(*limits[name])
    return values.T
