"""Contradictions within a model card that its schema cannot detect."""

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

from omop_scorer.documents import shown
from omop_scorer.model.calculator import calculator_contradictions

INTERCEPT = "intercept"

YES_NO_UNIT = "yes/no"


def ends(
    bounds: object, default: tuple[float, float] = (-math.inf, math.inf)
) -> tuple[float, float]:
    """Return the ends of a range, with the default for an end that is open or not a number."""
    given = bounds if isinstance(bounds, list | tuple) and len(bounds) == 2 else (None, None)
    low, high = (
        b if isinstance(b, int | float) else d for b, d in zip(given, default, strict=True)
    )
    return low, high


def card_contradictions(document: object) -> Iterator[str]:
    """Check keys of a card against each other.

    The checks read the raw YAML, so they also run if the card does not match its schema.
    """
    covariates, classes = _mappings(document, "covariates"), _mappings(document, "classes")
    names = _texts([each.get("name") for each in covariates.values()])
    columns = [each.get("column") or each.get("name") for each in covariates.values()]
    for where, key, values in (
        ("covariates", "name", names),
        ("covariates", "column", _texts(columns)),
        ("classes", "key", _texts([each.get("key") for each in classes.values()])),
        ("classes", "label", _texts([each.get("label") for each in classes.values()])),
    ):
        for value in sorted(value for value, n in Counter(values).items() if n > 1):
            yield f"{where}: found the {key} {value!r} more than once; allowed: once"
        # Reserved: the term of the intercept, and the column of the placebo effect.
        for value in sorted({INTERCEPT, "placebo"}.intersection(values)):
            yield f"{where}: found the {key} {value!r}; allowed: a different {key}"
    for where, covariate in covariates.items():
        yield from (f"{where}.{fault}" for fault in _covariate_contradictions(covariate))
    for where, regression in (_mappings(document, "placebo") | classes).items():
        yield from (f"{where}.{fault}" for fault in _fit_contradictions(regression, names))
    listed = ", ".join(names)
    activity = document.get("activity_covariate") if isinstance(document, dict) else None
    if activity is not None and activity not in names:
        yield f"activity_covariate: found {shown(activity)}; allowed: one of {listed}"
    yield from calculator_contradictions(document)
    for where, population in _mappings(document, "training_population").items():
        mean, rows = population.get("mean"), population.get("covariance")
        if isinstance(mean, dict) and sorted(_texts(mean)) != sorted(names):
            yield f"{where}.mean: found {', '.join(_texts(mean))}; allowed: each of {listed} once"
        if unknown := sorted(set(_texts(population.get("percentiles"))).difference(names)):
            yield f"{where}.percentiles: found {', '.join(unknown)}; allowed: {listed}"
        if isinstance(rows, list) and len(rows) != (n := len(names)):
            yield f"{where}.covariance: found {len(rows)} rows; allowed: {n}, one per covariate"


def variant_contradictions(given: object, card: object) -> Iterator[str]:
    """Check the variants of a card against each other and against the card, both as raw YAML."""
    names = _texts([each.get("name") for each in _mappings(card, "covariates").values()])
    fits = {"placebo": _mappings(card, "placebo").get("placebo", {})}
    classes = {str(each.get("key")): each for each in _mappings(card, "classes").values()}
    fits |= {f"classes.{key}": each for key, each in classes.items()}
    seen = set()
    for where, variant in _mappings(given, "variants").items():
        left_out = _texts(variant.get("left_out"))
        found = ", ".join(left_out)
        if not set(left_out) < set(names) or len(set(left_out)) < len(left_out):
            allowed = f"some of {', '.join(names)}, each once"
            yield f"{where}.left_out: found {found}; allowed: {allowed}"
        if frozenset(left_out) in seen:
            yield f"{where}.left_out: found {found} more than once; allowed: once"
        seen.add(frozenset(left_out))
        own = variant.get("classes")
        if isinstance(own, dict) and sorted(_texts(own)) != sorted(classes):
            yield (
                f"{where}.classes: found {', '.join(_texts(own))}; allowed: each of "
                f"{', '.join(classes)} once"
            )
        kept = [name for name in names if name not in left_out]
        for key, fit in (_mappings(variant, "placebo") | _members(own)).items():
            whole = {**fit, "fixed_terms": fits.get(key, {}).get("fixed_terms")}
            yield from (f"{where}.{key}.{each}" for each in _fit_contradictions(whole, kept))


def _members(classes: object) -> dict[str, dict[str, Any]]:
    given = classes.items() if isinstance(classes, dict) else ()
    return {f"classes.{key}": each for key, each in given if isinstance(each, dict)}


def _mappings(document: object, key: str) -> dict[str, dict[str, Any]]:
    """Return the mapping under a key, or each mapping of a list there, by dotted key."""
    given = document.get(key) if isinstance(document, dict) else None
    if isinstance(given, list):
        found = {f"{key}.{i}": each for i, each in enumerate(given)}
    else:
        found = {key: given}
    return {dotted: each for dotted, each in found.items() if isinstance(each, dict)}


def _texts(values: object) -> list[str]:
    return [v for v in values if isinstance(v, str)] if isinstance(values, list | dict) else []


def _covariate_contradictions(covariate: dict[str, Any]) -> Iterator[str]:
    is_yes_no = covariate.get("kind") == "yes_no"
    if is_yes_no != (covariate.get("unit") == YES_NO_UNIT):
        allowed = repr(YES_NO_UNIT) if is_yes_no else "the unit of its values"
        yield f"unit: found {shown(covariate.get('unit'))}; allowed: {allowed}"
    if covariate.get("coding") is not None and not is_yes_no:
        yield "coding: found a coding for a continuous covariate; allowed: none"
    plausible = (0.0, 1.0) if is_yes_no else ends(covariate.get("plausible_range"))
    for key in ("accepted_range", "plausible_range", "within_trial_range"):
        low, high = ends(covariate.get(key))
        if low >= high:
            yield f"{key}: found {low:g} to {high:g}; allowed: low < high"
    low, high = ends(covariate.get("accepted_range"), plausible)
    if low < plausible[0] or high > plausible[1]:
        yield f"accepted_range: found {low:g} to {high:g}; allowed: inside plausible_range"
    value = covariate.get("imputed_value")
    if isinstance(value, int | float) and not plausible[0] <= value <= plausible[1]:
        yield f"imputed_value: found {value}; allowed: {plausible[0]:g} to {plausible[1]:g}"


def _fit_contradictions(fit: dict[str, Any], names: list[str]) -> Iterator[str]:
    terms, fixed = fit.get("terms"), fit.get("fixed_terms")
    expected = [INTERCEPT, *_texts(fixed), *names]
    if isinstance(terms, list):
        if sorted(_texts(terms)) != sorted(expected):
            found, listed = ", ".join(str(each)[:60] for each in terms), ", ".join(expected)
            yield f"terms: found {found}; allowed: each of {listed} once"
        for key in ("beta", "bootstrap_mean", "covariance", "bootstrap_covariance"):
            values = fit.get(key)
            if isinstance(values, list) and len(values) != len(terms):
                unit = "rows" if key.endswith("covariance") else "numbers"
                yield f"{key}: found {len(values)} {unit}; allowed: {len(terms)}, one per term"
    n, degrees = fit.get("n_observations"), fit.get("degrees_of_freedom")
    if isinstance(n, int) and isinstance(degrees, int | float) and degrees >= n:
        yield f"degrees_of_freedom: found {degrees}; allowed: fewer than n_observations, {n}"
