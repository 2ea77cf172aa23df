"""A covariate as a page asks for it: the words, the limits and the unit of its answers."""

from omop_scorer.model.card import Covariate


def choices_of(covariate: Covariate) -> list[tuple[str, int]]:
    """Return the words of a yes/no covariate with their values; empty for a number."""
    if covariate.kind != "yes_no":
        return []
    if not covariate.coding:
        return [("Yes", 1), ("No", 0)]
    by_value = {value: word for word, value in reversed(covariate.coding.items())}
    return [(by_value[value].capitalize(), value) for value in sorted(by_value)]


def limits_of(covariate: Covariate) -> str:
    """Return the range of a number that a form accepts; empty without limits or for yes/no."""
    low, high = covariate.accepted_range or covariate.plausible_range or (None, None)
    if covariate.kind == "yes_no" or (low is None and high is None):
        return ""
    if low is None:
        return f"up to {high:g}"
    return f"from {low:g}" if high is None else f"{low:g} to {high:g}"


def unit_of(covariate: Covariate | None) -> str:
    """Return the unit of a number; empty for yes/no or for a covariate that is not known."""
    if covariate is None or covariate.kind == "yes_no":
        return ""
    return covariate.unit.replace("m2", "m²")
