"""Model cards: the YAML of a model, every fault of it named at once, and its numbers as arrays."""

import hashlib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import numpy as np
import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from omop_scorer.errors import ConfigurationError
from omop_scorer.kernel import MAXIMUM_CLASSES, ClassArrays, Floats, ModelArrays
from omop_scorer.resources import shipped

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


Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0)]
Count = Annotated[int, Field(strict=True, gt=0)]
Text = Annotated[str, Field(strict=True, pattern=r"\S")]
Name = Annotated[str, Field(strict=True, pattern=r"^[a-z][a-z0-9_]*$")]
Label = Annotated[str, Field(strict=True, pattern=r"^[^\s()=>,]+$")]
Covariance = Annotated[tuple[tuple[Number, ...], ...], AfterValidator(_symmetric_positive_definite)]
Bounds = tuple[Number | None, Number | None]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Section):
    """Where the numbers come from."""

    citation: Text
    doi: Annotated[str, Field(strict=True, pattern=r"^10\.\d{4,9}/\S+$")] | None = None
    licence: Text | None = None
    gives: Text


class Outcome(_Section):
    """What the models predict; higher is better."""

    title: Text
    unit: Text


class Limits(_Section):
    """What the model must not be used for, in one line and in full."""

    line: Annotated[str, Field(strict=True, min_length=1, max_length=78, pattern=r"^[^\n]+$")]
    text: Text


class Covariate(_Section):
    """One covariate of a patient, in its natural unit."""

    name: Name
    title: Text
    unit: Text
    kind: Literal["continuous", "yes_no"]
    column: Name | None = None
    coding: dict[Text, Literal[0, 1]] | None = None
    centre: Number
    imputed_value: Number | None
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


class FixedTerm(_Section):
    """A term with the same value for every patient."""

    value: Number
    centre: Number = 0.0


class Regression(_Section):
    """A linear mixed model: fixed effects, their covariance, and the variance components."""

    fixed_terms: dict[Name, FixedTerm] = Field(default_factory=dict)
    terms: tuple[Name, ...]
    beta: tuple[Number, ...]
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
    bootstrap_mean: tuple[Number, ...]
    bootstrap_covariance: Covariance


class TrainingPopulation(_Section):
    """The persons the models were fitted on; `covariance` in the order of the covariates."""

    n: Count
    mean: dict[Name, Number]
    covariance: Covariance
    percentiles: dict[Name, dict[int, Number]]
    counts: dict[Name, Count] = Field(default_factory=dict)


class ModelCard(_Section):
    """The whole card."""

    id: Name
    title: Text
    sources: tuple[Source, ...] = Field(min_length=1)
    credit: Text
    outcome: Outcome
    response_threshold: Number
    alpha: Annotated[Number, Field(gt=0, lt=1)]
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
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror})") from None
    raw, problems = _parse(content, path)
    if not isinstance(raw, dict):
        raise ConfigurationError(f"{path}: found {_found(raw)}; allowed: the keys of a model card")
    card = None
    try:
        card = ModelCard.model_validate(raw)
    except ValidationError as error:
        faults = [fault for fault in error.errors() if not _is_echo(fault)]
        problems += [f"{path}: {_describe(fault, raw)}" for fault in faults]
    problems += [f"{path}: {problem}" for problem in _contradictions(raw)]
    if card is None or problems:
        raise ConfigurationError(*problems)
    return Model(card, _arrays(card), hashlib.sha256(content).hexdigest(), path)


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


class _CardLoader(yaml.SafeLoader):
    """YAML 1.1 takes `1e-05` for text and the last of two equal keys; a card needs neither."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.repeated: list[tuple[int, str]] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for i, key in enumerate(keys):
            if any(key.value == earlier.value for earlier in keys[:i]):
                self.repeated.append((key.start_mark.line + 1, key.value))
        return super().construct_mapping(node, deep)


_CardLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


def _parse(content: bytes, path: Path) -> tuple[Any, list[str]]:
    try:
        loader = _CardLoader(content.decode("utf-8-sig"))
        raw = loader.get_single_data()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigurationError(f"{path}, line {line}: not UTF-8 text") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise ConfigurationError(f"{path}, line {line}: not YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    return raw, [
        f"{path}, line {line}: found the key {key!r} twice; allowed: once"
        for line, key in loader.repeated
    ]


def _is_echo(fault: ErrorDetails) -> bool:
    """Tell a list that is only short because its items were refused, each by a fault of its own."""
    return fault["type"] == "too_short" and len(fault["input"]) >= fault["ctx"]["min_length"]


def _describe(fault: ErrorDetails, raw: Any) -> str:
    """Say where, what was found and what is allowed, for one fault that pydantic found."""
    where = _place(fault["loc"], raw)
    if fault["type"] == "missing":
        return f"{where}: found nothing; it is required"
    if fault["type"] == "extra_forbidden":
        return f"{where}: unknown key; allowed: {', '.join(_allowed_keys(fault['loc'][:-1]))}"
    if fault["type"] == "value_error":
        return f"{where}: {fault['ctx']['error']}"
    # Pydantic speaks of Python; the writer of a card knows YAML.
    rule = re.sub(r"^\w+ should ", "it should ", fault["msg"])
    rule = re.sub(r"dictionary or instance of \w+", "mapping", rule).replace("tuple", "list")
    return f"{where}: found {_found(fault['input'])}; {rule}"


def _place(location: tuple[int | str, ...], raw: Any) -> str:
    """Write `classes[anti_tnf].beta[3]`: an item by its name or key where it has one."""
    text = ""
    for part in location:
        try:
            raw = raw[part]
        except (KeyError, IndexError, TypeError):
            raw = None
        if isinstance(part, str):
            text += f".{part}" if text else part
        elif isinstance(raw, dict):
            text += f"[{raw.get('name', raw.get('key', part))}]"
        else:
            text += f"[{part}]"
    return text


def _allowed_keys(location: tuple[int | str, ...]) -> list[str]:
    section: type[BaseModel] = ModelCard
    for part in location:
        if part in section.model_fields:
            section = next(_sections(section.model_fields[str(part)].annotation), section)
    return list(section.model_fields)


def _sections(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _sections(argument)


def _found(value: Any) -> str:
    if isinstance(value, list | dict):
        return f"a {'mapping' if isinstance(value, dict) else 'list'} of {len(value)}"
    text = repr(value) if value is not None else "nothing"
    return text if len(text) <= 60 else text[:57] + "..."


def _contradictions(raw: dict[str, Any]) -> Iterator[str]:
    """Check keys against each other on the raw YAML, so that no other fault hides one."""
    covariates, classes = _mappings(raw.get("covariates")), _mappings(raw.get("classes"))
    names = [_text(covariate.get("name")) for covariate in covariates]
    known = ", ".join(map(str, names))
    for where, key, values in (
        ("covariates", "name", names),
        ("covariates", "column", [_text(c.get("column") or c.get("name")) for c in covariates]),
        ("classes", "key", [_text(c.get("key")) for c in classes]),
        ("classes", "label", [_text(c.get("label")) for c in classes]),
    ):
        for value in sorted({value for value in values if value and values.count(value) > 1}):
            yield f"{where}: found the {key} {value!r} more than once; allowed: once"
        # They name the intercept's term and the placebo effect's column.
        for value in sorted({INTERCEPT, "placebo"}.intersection(values)):
            yield f"{where}: found the {key} {value!r}; allowed: another {key}"
    activity = raw.get("activity_covariate")
    if activity is not None and _text(activity) not in names:
        yield f"activity_covariate: found {_found(activity)}; allowed: one of {known}"
    for covariate in covariates:
        where = f"covariates[{covariate.get('name')}]"
        yield from (f"{where}.{fault}" for fault in _covariate_contradictions(covariate))
    regressions = [("placebo", placebo) for placebo in _mappings([raw.get("placebo")])]
    regressions += [(f"classes[{c.get('key')}]", c) for c in classes]
    for where, regression in regressions:
        yield from (f"{where}.{fault}" for fault in _regression_contradictions(regression, names))
    for population in _mappings([raw.get("training_population")]):
        for key in ("mean", "percentiles"):
            found = population.get(key)
            given = {_text(name) for name in found} if isinstance(found, dict) else set(names)
            for name in sorted(given.difference(names)):
                yield f"training_population.{key}: found {name!r}; allowed: {known}"
            for name in sorted(set(names) - given) if key == "mean" else ():
                yield f"training_population.mean.{name}: found nothing; it is required"
        rows = population.get("covariance")
        if isinstance(rows, list) and len(rows) != len(names):
            where = "training_population.covariance"
            yield f"{where}: found {len(rows)} rows; allowed: {len(names)}, one a covariate"


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _mappings(items: Any) -> list[dict[str, Any]]:
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _covariate_contradictions(covariate: dict[str, Any]) -> Iterator[str]:
    is_yes_no = covariate.get("kind") == "yes_no"
    if is_yes_no != (covariate.get("unit") == YES_NO_UNIT):
        allowed = repr(YES_NO_UNIT) if is_yes_no else "the unit of its values"
        yield f"unit: found {_found(covariate.get('unit'))}; allowed: {allowed}"
    if covariate.get("coding") is not None and not is_yes_no:
        yield "coding: found words for a continuous covariate; allowed: none"
    plausible = (0.0, 1.0) if is_yes_no else _bounds(covariate.get("plausible_range"))
    for key in ("accepted_range", "plausible_range", "within_trial_range"):
        low, high = _bounds(covariate.get(key))
        if low >= high:
            yield f"{key}: found {low:g} to {high:g}; allowed: low < high"
    low, high = _bounds(covariate.get("accepted_range"), plausible)
    if low < plausible[0] or high > plausible[1]:
        yield f"accepted_range: found {low:g} to {high:g}; allowed: inside plausible_range"
    value = covariate.get("imputed_value")
    if isinstance(value, int | float) and not plausible[0] <= value <= plausible[1]:
        yield f"imputed_value: found {value}; allowed: {plausible[0]:g} to {plausible[1]:g}"


def _bounds(raw: Any, default: tuple[float, float] = (-math.inf, math.inf)) -> tuple[float, float]:
    """Return the bounds of a range; a bound that is no number is the default's."""
    if not isinstance(raw, list) or len(raw) != 2:
        return default
    low, high = (b if isinstance(b, int | float) else d for b, d in zip(raw, default, strict=True))
    return low, high


def _regression_contradictions(regression: dict[str, Any], names: list[str]) -> Iterator[str]:
    terms, fixed = regression.get("terms"), regression.get("fixed_terms")
    expected = [INTERCEPT, *map(_text, fixed if isinstance(fixed, dict) else ()), *names]
    if isinstance(terms, list):
        found = [_text(term) for term in terms]
        if sorted(found) != sorted(expected):
            listed = ", ".join(expected)
            yield f"terms: found {', '.join(found)}; allowed: each of {listed} once"
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
    ranges = [covariate.within_trial_range or (None, None) for covariate in card.covariates]
    return ModelArrays(
        covariates=names,
        centre=np.array([covariate.centre for covariate in card.covariates], dtype=np.float64),
        placebo_coefficients=_basis(card.placebo, names).T @ np.array(card.placebo.beta),
        classes=tuple(_class_arrays(drug_class, names) for drug_class in card.classes),
        response_threshold=card.response_threshold,
        alpha=card.alpha,
        trial_low=np.array([-np.inf if low is None else low for low, _ in ranges]),
        trial_high=np.array([np.inf if high is None else high for _, high in ranges]),
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
