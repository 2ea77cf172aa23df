"""Digits of the means that are printed."""

#: Significant digits of a printed mean.
DIGITS = 4


def rounded_mean(value: float) -> float:
    """Return a mean or a standard deviation with the digits that are printed."""
    return float(f"{value:.{DIGITS}g}")
