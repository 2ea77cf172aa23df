"""Model cards: the YAML of a model, every fault of it named at once, and its numbers as arrays."""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, Field, StrictFloat, StrictInt, StrictStr, ValidationError

from omop_scorer.documents import ExponentLoader, Frozen, faults_of, read_yaml
from omop_scorer.errors import ConfigurationError
from omop_scorer.kernel import ClassArrays, Floats, ModelArrays
from omop_scorer.resources import shipped
from omop_scorer.subgroups import MAXIMUM_CLASSES

INTERCEPT = "intercept"
YES_NO_UNIT = "yes/no"
_YES_NO = {"yes": 1.0, "true": 1.0, "1": 1.0, "no": 0.0, "false": 0.0, "0": 0.0}
_SYMMETRY_TOLERANCE = 1e-9
_SMALLEST_EIGENVALUE = 1e-12


def _symmetric_positive_definite(matrix: tuple[tuple[float, ...], ...]) -> Any:
    size = len(matrix)
    if any(len(row) != size for row in matrix):
        lengths = ", ".join(str(n) for n in sorted({len(row) for row in matrix}))
        raise ValueError(f"found {size} rows of {lengths} numbers; allowed: a square")
    values = np.array(matrix)
    diagonal = np.diag(values)
    if (diagonal <= 0).any():
        i = int(np.argmax(diagonal <= 0))
        raise ValueError(f"found {diagonal[i]} at [{i}][{i}]; allowed: a variance above 0")
    correlation = values / np.sqrt(np.outer(diagonal, diagonal))
    asymmetry = np.argwhere(np.triu(abs(correlation - correlation.T) > _SYMMETRY_TOLERANCE))
    if asymmetry.size:
        i, j = asymmetry[0]
        raise ValueError(
            f"found {values[i, j]} at [{i}][{j}] and {values[j, i]} at [{j}][{i}]"
            f"{' (and more)' if len(asymmetry) > 1 else ''}; allowed: a symmetric matrix"
        )
    smallest = float(np.linalg.eigvalsh(correlation)[0])
    if smallest < _SMALLEST_EIGENVALUE:
        raise ValueError(
            f"found a smallest eigenvalue of {smallest:.3g} (of its correlations); allowed: a "
            "positive definite matrix"
        )
    return matrix


Positive = Annotated[StrictFloat, Field(gt=0)]
Count = Annotated[StrictInt, Field(gt=0)]
Text = Annotated[StrictStr, Field(pattern=r"\S")]
Name = Annotated[StrictStr, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Label = Annotated[StrictStr, Field(pattern=r"^[^\s()=>,]+$")]
Numbers = tuple[StrictFloat, ...]
Covariance = Annotated[
    tuple[Numbers, ...], Field(min_length=1), AfterValidator(_symmetric_positive_definite)
]
Bounds = tuple[StrictFloat | None, StrictFloat | None]


class Source(Frozen):
    """Where the numbers come from."""

    citation: Text
    doi: Annotated[StrictStr, Field(pattern=r"^10\.\d{4,9}/\S+$")] | None = None
    licence: Text | None = None
    gives: Text


class Outcome(Frozen):
    """What the models predict; higher is better."""

    title: Text
    unit: Text


class Limits(Frozen):
    """What the model must not be used for, in one line and in full."""

    line: Annotated[StrictStr, Field(min_length=1, max_length=78, pattern=r"^[^\n]+$")]
    text: Text


class Covariate(Frozen):
    """One covariate of a patient, in its natural unit."""

    name: Name
    title: Text
    unit: Text
    kind: Literal["continuous", "yes_no"]
    column: Name | None = None
    coding: dict[Text, Literal[0, 1]] | None = None
    centre: StrictFloat
    imputed_value: StrictFloat | None
    accepted_range: Bounds | None = None
    plausible_range: Bounds | None = None
    within_trial_range: Bounds | None = None

    @property
    def csv_column(self) -> str:
        """The column of a CSV that holds it."""
        return self.column or self.name

    @cached_property
    def words(self) -> dict[str, float]:
        """The words of a yes/no covariate, in lower case, and what they mean."""
        coding = self.coding or _YES_NO
        return {word.lower(): float(value) for word, value in coding.items()}


class FixedTerm(Frozen):
    """A term with the same value for every patient."""

    value: StrictFloat
    centre: StrictFloat = 0.0


class Regression(Frozen):
    """A linear mixed model: fixed effects, their covariance, and the variance components."""

    fixed_terms: dict[Name, FixedTerm] = Field(default_factory=dict)
    terms: tuple[Name, ...]
    beta: Numbers
    covariance: Covariance
    trial_variance: Positive
    residual_variance: Positive
    n_observations: Count
    n_trials: Count


class DrugClass(Regression):
    """The model of the effect attributable to one class of drugs."""

    key: Name
    label: Label
    title: Text
    drugs: tuple[Text, ...] = Field(min_length=1)
    degrees_of_freedom: Positive
    bootstrap_mean: Numbers
    bootstrap_covariance: Covariance


class TrainingPopulation(Frozen):
    """The persons the models were fitted on; `covariance` in the order of the covariates."""

    n: Count
    mean: dict[Name, StrictFloat]
    covariance: Covariance
    percentiles: dict[Name, dict[int, StrictFloat]]
    counts: dict[Name, Count] = Field(default_factory=dict)


class ModelCard(Frozen):
    """The whole card."""

    id: Name
    title: Text
    sources: tuple[Source, ...] = Field(min_length=1)
    credit: Text
    outcome: Outcome
    response_threshold: StrictFloat
    alpha: Annotated[StrictFloat, Field(gt=0, lt=1)]
    limits: Limits
    covariates: tuple[Covariate, ...] = Field(min_length=1)
    activity_covariate: Name | None = None
    placebo: Regression
    classes: tuple[DrugClass, ...] = Field(min_length=2, max_length=MAXIMUM_CLASSES)
    training_population: TrainingPopulation


@dataclass(frozen=True, eq=False)
class Model:
    """A valid card, its numbers as arrays, and what identifies it in a run's provenance."""

    card: ModelCard
    arrays: ModelArrays
    sha256: str
    """Of the file's content, as hexadecimal text."""
    path: Path


def load_model(reference: str | Path) -> Model:
    """Load a model card.

    Parameters
    ----------
    reference
        A path, or the name of a card that is shipped, such as `crohns_srs_2025`.

    Raises
    ------
    ConfigurationError
        The file is missing, is not YAML, or contradicts itself: every fault at once, each with
        file, key, what was found and what is allowed.
    """
    path = _find(reference)
    document = read_yaml(path, ExponentLoader)
    contradictions = [f"{path}: {each}" for each in _contradictions(document)]
    try:
        card = ModelCard.model_validate(document)
    except ValidationError as error:
        raise ConfigurationError(*faults_of(path, error, ModelCard), *contradictions) from None
    if contradictions:
        raise ConfigurationError(*contradictions)
    return Model(card, _arrays(card), hashlib.sha256(path.read_bytes()).hexdigest(), path)


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
        yield from (f"{where}.{fault}" for fault in _regression_contradictions(regression, names))
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


def _regression_contradictions(regression: dict[str, Any], names: list[str]) -> Iterator[str]:
    terms, fixed = regression.get("terms"), regression.get("fixed_terms")
    expected = [INTERCEPT, *_texts(fixed), *names]
    if isinstance(terms, list):
        if sorted(_texts(terms)) != sorted(expected):
            found, listed = ", ".join(map(str, terms)), ", ".join(expected)
            yield f"terms: found {found}; allowed: each of {listed} once"
        for key in ("beta", "bootstrap_mean", "covariance", "bootstrap_covariance"):
            values = regression.get(key)
            if isinstance(values, list) and len(values) != len(terms):
                what = "rows" if key.endswith("covariance") else "numbers"
                yield f"{key}: found {len(values)} {what}; allowed: {len(terms)}, one a term"
    n, degrees = regression.get("n_observations"), regression.get("degrees_of_freedom")
    if isinstance(n, int) and isinstance(degrees, int | float) and degrees >= n:
        yield f"degrees_of_freedom: found {degrees}; allowed: fewer than n_observations, {n}"


def _arrays(card: ModelCard) -> ModelArrays:
    names = tuple(covariate.name for covariate in card.covariates)
    low, high = zip(*(ends(each.within_trial_range) for each in card.covariates), strict=True)
    return ModelArrays(
        covariates=names,
        centre=np.array([covariate.centre for covariate in card.covariates], dtype=np.float64),
        placebo_coefficients=_basis(card.placebo, names).T @ np.array(card.placebo.beta),
        classes=tuple(_class_arrays(drug_class, names) for drug_class in card.classes),
        response_threshold=card.response_threshold,
        alpha=card.alpha,
        trial_low=np.array(low),
        trial_high=np.array(high),
        activity_covariate=card.activity_covariate,
    )


def _class_arrays(drug_class: DrugClass, names: tuple[str, ...]) -> ClassArrays:
    basis = _basis(drug_class, names)
    covariance, bootstrap_covariance = (
        basis.T @ (matrix + matrix.T) @ basis / 2
        for matrix in map(np.array, (drug_class.covariance, drug_class.bootstrap_covariance))
    )
    return ClassArrays(
        key=drug_class.key,
        label=drug_class.label,
        coefficients=basis.T @ np.array(drug_class.beta),
        covariance=covariance,
        bootstrap_mean=basis.T @ np.array(drug_class.bootstrap_mean),
        bootstrap_covariance=bootstrap_covariance,
        prediction_variance=drug_class.trial_variance + drug_class.residual_variance,
        degrees_of_freedom=drug_class.degrees_of_freedom,
    )


def _basis(regression: Regression, names: tuple[str, ...]) -> Floats:
    """Return B so that the model's own terms are B times (1, centred covariates).

    It puts the terms in the card's order and folds fixed terms into the intercept.
    """
    basis = np.zeros((len(regression.terms), len(names) + 1))
    for row, term in enumerate(regression.terms):
        if term in regression.fixed_terms:
            fixed = regression.fixed_terms[term]
            basis[row, 0] = fixed.value - fixed.centre
        else:
            basis[row, (INTERCEPT, *names).index(term)] = 1.0
    return basis
