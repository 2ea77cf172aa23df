"""Model cards: the YAML of a model, every fault of it named at once, and its numbers as arrays."""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import ValidationError

from omop_scorer.card import ClassFit, DrugClass, Fit, FixedTerm, ModelCard, Variant, Variants
from omop_scorer.documents import ExponentLoader, Frozen, faults_of, read_yaml
from omop_scorer.errors import ConfigurationError
from omop_scorer.kernel import ClassArrays, Floats, ModelArrays
from omop_scorer.resources import shipped

INTERCEPT = "intercept"
YES_NO_UNIT = "yes/no"

_Kind = TypeVar("_Kind", bound=Frozen)


@dataclass(frozen=True, eq=False)
class Model:
    """A valid card, its numbers as arrays, and what identifies it in a run's provenance."""

    card: ModelCard
    arrays: ModelArrays
    sha256: str
    """Of the card's content and then its variants', as hexadecimal text."""
    path: Path
    reduced: Mapping[frozenset[str], ModelArrays] = field(default_factory=dict)
    """The models without some covariates, by the set of those left out."""


def load_model(reference: str | Path) -> Model:
    """Load a model card, and its variants when it has any.

    Parameters
    ----------
    reference
        A path, or the name of a card that is shipped, such as `crohns_srs_2025`.

    Raises
    ------
    ConfigurationError
        A file is missing, is not YAML or JSON, or contradicts itself or the other: every fault at
        once, each with file, key, what was found and what is allowed.
    """
    path = _find(reference)
    document = read_yaml(path, ExponentLoader)
    problems: list[str] = []
    card = _validate(path, document, ModelCard, _contradictions(document), problems)
    content, variants = path.read_bytes(), None
    beside = _beside(path, document)
    if beside is not None:
        try:
            given, more = _read_json(beside)
        except ConfigurationError as error:
            problems += error.problems
        else:
            contradictions = _variant_contradictions(given, document)
            variants = _validate(beside, given, Variants, contradictions, problems)
            content += more
    if card is None or problems:
        raise ConfigurationError(*problems)
    reduced = {
        frozenset(variant.left_out): _arrays(card, variant)
        for variant in (variants.variants if variants else ())
    }
    return Model(card, _arrays(card), hashlib.sha256(content).hexdigest(), path, reduced)


def _beside(path: Path, document: object) -> Path | None:
    """Return the file of a card's variants, also of a card that has other faults."""
    name = document.get("variants") if isinstance(document, dict) else None
    is_name = isinstance(name, str) and Path(name).name == name
    return path.parent / str(name) if is_name else None


def _validate(
    path: Path,
    document: object,
    kind: type[_Kind],
    contradictions: Iterable[str],
    problems: list[str],
) -> _Kind | None:
    """Return the document as a model of this kind, or None; add what is wrong to the problems."""
    valid = None
    try:
        valid = kind.model_validate(document)
    except ValidationError as error:
        problems += faults_of(path, error, kind)
    problems += [f"{path}: {each}" for each in contradictions]
    return valid


def _read_json(path: Path) -> tuple[object, bytes]:
    """Return the document of a JSON file, in which no key may stand twice, and its content.

    Raises
    ------
    ConfigurationError
    """
    repeated: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        repeated.extend(sorted({key for key in keys if keys.count(key) > 1}))
        return dict(pairs)

    try:
        content = path.read_bytes()
        document: object = json.loads(content.decode("utf-8"), object_pairs_hook=unique)
    except OSError as error:
        reason = f"cannot be read: {error}; the card names it under `variants`"
        raise ConfigurationError(f"{path}: {reason}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigurationError(f"{path}: line {line}: cannot be read: not UTF-8 text") from None
    except json.JSONDecodeError as error:
        reason = f"line {error.lineno}: not valid JSON: {error.msg}"
        raise ConfigurationError(f"{path}: {reason}") from None
    if repeated:
        raise ConfigurationError(
            *(f"{path}: not valid JSON: the key {key!r} stands twice" for key in repeated)
        )
    return document, content


def shipped_models() -> list[str]:
    """Return the names of the cards that come with the program."""
    return sorted(path.stem for path in (shipped("configs") / "models").glob("*.yaml"))


def _find(reference: str | Path) -> Path:
    path = Path(reference)
    if isinstance(reference, Path) or path.suffix in {".yaml", ".yml"} or len(path.parts) > 1:
        return path
    if reference not in shipped_models():
        names = ", ".join(shipped_models())
        raise ConfigurationError(f"model: found {reference!r}; allowed: a path, or one of {names}")
    return shipped("configs") / "models" / f"{reference}.yaml"


def ends(
    bounds: object, default: tuple[float, float] = (-math.inf, math.inf)
) -> tuple[float, float]:
    """Return the ends of a range; one that is open, or no number, is the default's."""
    given = bounds if isinstance(bounds, list | tuple) and len(bounds) == 2 else (None, None)
    low, high = (
        b if isinstance(b, int | float) else d for b, d in zip(given, default, strict=True)
    )
    return low, high


def _contradictions(document: object) -> Iterator[str]:
    """Check keys against each other on the raw YAML, so that no other fault hides one."""
    covariates, classes = _mappings(document, "covariates"), _mappings(document, "classes")
    names = _texts([each.get("name") for each in covariates.values()])
    columns = [each.get("column") or each.get("name") for each in covariates.values()]
    for where, key, values in (
        ("covariates", "name", names),
        ("covariates", "column", _texts(columns)),
        ("classes", "key", _texts([each.get("key") for each in classes.values()])),
        ("classes", "label", _texts([each.get("label") for each in classes.values()])),
    ):
        for value in sorted({value for value in values if values.count(value) > 1}):
            yield f"{where}: found the {key} {value!r} more than once; allowed: once"
        # They name the intercept's term and the placebo effect's column.
        for value in sorted({INTERCEPT, "placebo"}.intersection(values)):
            yield f"{where}: found the {key} {value!r}; allowed: another {key}"
    for where, covariate in covariates.items():
        yield from (f"{where}.{fault}" for fault in _covariate_contradictions(covariate))
    for where, regression in (_mappings(document, "placebo") | classes).items():
        yield from (f"{where}.{fault}" for fault in _fit_contradictions(regression, names))
    listed = ", ".join(names)
    activity = document.get("activity_covariate") if isinstance(document, dict) else None
    if activity is not None and activity not in names:
        yield f"activity_covariate: found {activity!r}; allowed: one of {listed}"
    for where, population in _mappings(document, "training_population").items():
        mean, rows = population.get("mean"), population.get("covariance")
        if isinstance(mean, dict) and sorted(_texts(mean)) != sorted(names):
            yield f"{where}.mean: found {', '.join(_texts(mean))}; allowed: each of {listed} once"
        if unknown := sorted(set(_texts(population.get("percentiles"))).difference(names)):
            yield f"{where}.percentiles: found {', '.join(unknown)}; allowed: {listed}"
        if isinstance(rows, list) and len(rows) != (n := len(names)):
            yield f"{where}.covariance: found {len(rows)} rows; allowed: {n}, one a covariate"


def _variant_contradictions(given: object, card: object) -> Iterator[str]:
    """Check variants against each other and against their card, both raw."""
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
        for place, fit in (_mappings(variant, "placebo") | _members(own)).items():
            whole = {**fit, "fixed_terms": fits.get(place, {}).get("fixed_terms")}
            yield from (f"{where}.{place}.{each}" for each in _fit_contradictions(whole, kept))


def _members(classes: object) -> dict[str, dict[str, Any]]:
    given = classes.items() if isinstance(classes, dict) else ()
    return {f"classes.{key}": each for key, each in given if isinstance(each, dict)}


def _mappings(document: object, key: str) -> dict[str, dict[str, Any]]:
    """Return the mapping under a key, or those of the list there, each by its place."""
    given = document.get(key) if isinstance(document, dict) else None
    if isinstance(given, list):
        places = {f"{key}.{i}": each for i, each in enumerate(given)}
    else:
        places = {key: given}
    return {place: each for place, each in places.items() if isinstance(each, dict)}


def _texts(values: object) -> list[str]:
    return [v for v in values if isinstance(v, str)] if isinstance(values, list | dict) else []


def _covariate_contradictions(covariate: dict[str, Any]) -> Iterator[str]:
    is_yes_no = covariate.get("kind") == "yes_no"
    if is_yes_no != (covariate.get("unit") == YES_NO_UNIT):
        allowed = repr(YES_NO_UNIT) if is_yes_no else "the unit of its values"
        yield f"unit: found {covariate.get('unit')!r}; allowed: {allowed}"
    if covariate.get("coding") is not None and not is_yes_no:
        yield "coding: found words for a continuous covariate; allowed: none"
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
            found, listed = ", ".join(map(str, terms)), ", ".join(expected)
            yield f"terms: found {found}; allowed: each of {listed} once"
        for key in ("beta", "bootstrap_mean", "covariance", "bootstrap_covariance"):
            values = fit.get(key)
            if isinstance(values, list) and len(values) != len(terms):
                what = "rows" if key.endswith("covariance") else "numbers"
                yield f"{key}: found {len(values)} {what}; allowed: {len(terms)}, one a term"
    n, degrees = fit.get("n_observations"), fit.get("degrees_of_freedom")
    if isinstance(n, int) and isinstance(degrees, int | float) and degrees >= n:
        yield f"degrees_of_freedom: found {degrees}; allowed: fewer than n_observations, {n}"


def _arrays(card: ModelCard, variant: Variant | None = None) -> ModelArrays:
    """Return the numbers of the card, or of a variant of it."""
    left_out = () if variant is None else variant.left_out
    covariates = [each for each in card.covariates if each.name not in left_out]
    names = tuple(each.name for each in covariates)
    low, high = zip(*(ends(each.within_trial_range) for each in covariates), strict=True)
    placebo = card.placebo if variant is None else variant.placebo
    is_activity_left_out = card.activity_covariate in left_out
    return ModelArrays(
        covariates=names,
        centre=np.array([each.centre for each in covariates], dtype=np.float64),
        placebo_coefficients=_basis(placebo, card.placebo.fixed_terms, names).T
        @ np.array(placebo.beta),
        classes=tuple(
            _class_arrays(each, each if variant is None else variant.classes[each.key], names)
            for each in card.classes
        ),
        response_threshold=card.response_threshold,
        alpha=card.alpha,
        trial_low=np.array(low),
        trial_high=np.array(high),
        activity_covariate=None if is_activity_left_out else card.activity_covariate,
    )


def _class_arrays(drug_class: DrugClass, fit: ClassFit, names: tuple[str, ...]) -> ClassArrays:
    basis = _basis(fit, drug_class.fixed_terms, names)
    covariance, bootstrap_covariance = (
        basis.T @ (matrix + matrix.T) @ basis / 2
        for matrix in map(np.array, (fit.covariance, fit.bootstrap_covariance))
    )
    return ClassArrays(
        key=drug_class.key,
        label=drug_class.label,
        coefficients=basis.T @ np.array(fit.beta),
        covariance=covariance,
        bootstrap_mean=basis.T @ np.array(fit.bootstrap_mean),
        bootstrap_covariance=bootstrap_covariance,
        prediction_variance=fit.trial_variance + fit.residual_variance,
        degrees_of_freedom=fit.degrees_of_freedom,
    )


def _basis(fit: Fit, fixed_terms: Mapping[str, FixedTerm], names: tuple[str, ...]) -> Floats:
    """Return B so that the model's own terms are B times (1, centred covariates).

    It puts the terms in the card's order and folds fixed terms into the intercept.
    """
    basis = np.zeros((len(fit.terms), len(names) + 1))
    for row, term in enumerate(fit.terms):
        if term in fixed_terms:
            basis[row, 0] = fixed_terms[term].value - fixed_terms[term].centre
        else:
            basis[row, (INTERCEPT, *names).index(term)] = 1.0
    return basis
