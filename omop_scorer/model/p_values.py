"""Two-sided p-values of Student's t, for arrays of squared ratios."""

import math

import numpy as np
from scipy import special

from omop_scorer.model.arrays import Floats

# Hill's expansion of t as a normal deviate z = u (1 + (3 + u^2) / b - (855 + ...) / 10 b^2 + ...)
# with u^2 = a log(1 + t^2 / df), a = df - 1/2, b = 48 a^2. Each row holds the divisor of an order
# and its coefficients of the powers of u^2.
_HILL = (
    (1.0, (1.0,)),
    (1.0, (3.0, 1.0)),
    (-10.0, (855.0, 240.0, 33.0, 4.0)),
    (210.0, (1788885.0, 543375.0, 89775.0, 9801.0, 788.0, 64.0)),
)

_HILL_DEGREES_OF_FREEDOM = 500


def two_sided_p_value(
    squared_ratio: Floats, degrees_of_freedom: float, out: Floats | None = None
) -> Floats:
    """Return P(|T| >= |t|) of Student's t.

    Parameters
    ----------
    squared_ratio
        t squared divided by the degrees of freedom, of any shape.
    degrees_of_freedom
        Degrees of freedom of T.
    out
        Array for the result; may be squared_ratio itself.

    Notes
    -----
    For 500 or more degrees of freedom this is Hill's normal expansion to the third order (Comm. ACM
    1970;13:617), which is about ten times as fast as the incomplete beta function and equal to it
    within 1e-15. The choice depends only on the model, never on a patient.
    """
    square = np.empty_like(squared_ratio) if out is None else out
    if degrees_of_freedom < _HILL_DEGREES_OF_FREEDOM:
        t = np.sqrt(squared_ratio * degrees_of_freedom)
        return np.multiply(special.stdtr(degrees_of_freedom, -t), 2.0, out=square)
    a = degrees_of_freedom - 0.5
    b = 48.0 * a * a
    series = [
        sum(terms[i] / (divisor * b**k) for k, (divisor, terms) in enumerate(_HILL) if terms[i:])
        for i in range(len(_HILL[-1][1]))
    ]
    special.log1p(squared_ratio, out=square)
    square *= a
    factor = np.full_like(square, series[-1])
    for coefficient in reversed(series[:-1]):
        factor *= square
        factor += coefficient
    np.sqrt(square, out=square)
    square *= factor
    square *= math.sqrt(0.5)
    return special.erfc(square, out=square)
