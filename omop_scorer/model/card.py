"""The schema of a model card and its variants file. Each value is checked on its own here.

A card consists of a template (the disease, its covariates and drug classes) and of fitted numbers.
"""

from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Field, StrictFloat, StrictInt, StrictStr

from omop_scorer.documents import Frozen, whole_number_only
from omop_scorer.model.calculator import Calculator
from omop_scorer.model.subgroups import MAXIMUM_CLASSES

_YES_NO = {"yes": 1.0, "true": 1.0, "1": 1.0, "no": 0.0, "false": 0.0, "0": 0.0}

_SYMMETRY_TOLERANCE = 1e-9

_SMALLEST_EIGENVALUE = 1e-12


def _symmetric_positive_definite(matrix: tuple[tuple[float, ...], ...]) -> Any:
    size = len(matrix)
    if any(len(row) != size for row in matrix):
        lengths = ", ".join(str(n) for n in sorted({len(row) for row in matrix}))
        raise ValueError(f"found {size} rows of {lengths} numbers; allowed: a square matrix")
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
            f"found a smallest eigenvalue of {smallest:.3g} (of the correlation matrix); allowed: "
            "a positive definite matrix"
        )
    return matrix


Positive = Annotated[StrictFloat, Field(gt=0)]

NotNegative = Annotated[StrictFloat, Field(ge=0)]

Share = Annotated[StrictFloat, Field(ge=0, le=1)]

Count = Annotated[StrictInt, Field(gt=0)]

Text = Annotated[StrictStr, Field(pattern=r"\S")]

Name = Annotated[StrictStr, Field(pattern=r"^[a-z][a-z0-9_]*$")]

Label = Annotated[StrictStr, Field(pattern=r"^[^\s()=>,]+$")]

FileName = Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*\.json$")]

Numbers = tuple[StrictFloat, ...]

Covariance = Annotated[
    tuple[Numbers, ...], Field(min_length=1), AfterValidator(_symmetric_positive_definite)
]

_ZeroOrOne = Annotated[Literal[0, 1], BeforeValidator(whole_number_only)]

Bounds = tuple[StrictFloat | None, StrictFloat | None]


class Source(Frozen):
    """A publication or data set that the numbers come from."""

    citation: Text
    doi: Annotated[StrictStr, Field(pattern=r"^10\.\d{4,9}/\S+$")] | None = None
    licence: Text | None = None
    gives: Text


class Outcome(Frozen):
    """The quantity that the models predict; higher is better."""

    title: Text
    unit: Text


class Limits(Frozen):
    """The limits of use of the model, in one line and in full."""

    line: Annotated[StrictStr, Field(min_length=1, max_length=78, pattern=r"^[^\n]+$")]
    text: Text


class Covariate(Frozen):
    """One covariate of a patient, in its natural unit."""

    name: Name
    title: Text
    unit: Text
    kind: Literal["continuous", "yes_no"]
    column: Name | None = None
    coding: dict[Text, _ZeroOrOne] | None = None
    centre: StrictFloat
    imputed_value: StrictFloat | None
    accepted_range: Bounds | None = None
    plausible_range: Bounds | None = None
    within_trial_range: Bounds | None = None

    @property
    def csv_column(self) -> str:
        """Name of the CSV column of the covariate."""
        return self.column or self.name

    @cached_property
    def words(self) -> dict[str, float]:
        """Value, 0 or 1, of each accepted word of a yes/no covariate, in lower case."""
        coding = self.coding or _YES_NO
        return {word.lower(): float(value) for word, value in coding.items()}


class FixedTerm(Frozen):
    """A term with the same value for every patient."""

    value: StrictFloat
    centre: StrictFloat = 0.0


class Fit(Frozen):
    """A fitted linear mixed model: fixed effects, their covariance, and the variance components."""

    terms: tuple[Name, ...]
    beta: Numbers
    covariance: Covariance
    trial_variance: NotNegative
    residual_variance: Positive
    n_observations: Count


class ClassFit(Fit):
    """A fit of the effect attributable to one drug class, and the moments of its bootstrap."""

    degrees_of_freedom: Positive
    bootstrap_mean: Numbers
    bootstrap_covariance: Covariance


class PlaceboTemplate(Frozen):
    """The terms of the placebo model that are not patient covariates."""

    fixed_terms: dict[Name, FixedTerm] = Field(default_factory=dict)


class Regression(Fit, PlaceboTemplate):
    """A fit, its terms that are not patient covariates, and its number of trials."""

    n_trials: Count


class ClassTemplate(Frozen):
    """One drug class."""

    key: Name
    label: Label
    title: Text
    drugs: tuple[Text, ...] = Field(min_length=1)


class DrugClass(Regression, ClassFit, ClassTemplate):
    """The model of the effect attributable to one drug class."""


class TrainingPopulation(Frozen):
    """The persons on whom the models were fitted; `covariance` is in the order of covariates."""

    n: Count
    mean: dict[Name, StrictFloat]
    covariance: Covariance
    percentiles: dict[Name, dict[StrictInt, StrictFloat]]
    counts: dict[Name, Count] = Field(default_factory=dict)


class Medians(Frozen):
    """Medians that replace missing values; None if they rest on too few values to be shown."""

    by_trial: dict[StrictStr, StrictFloat | None]
    pooled: StrictFloat | None


class LikelihoodRatio(Frozen):
    """The test of all slopes of a model at once, by maximum likelihood."""

    chi2: NotNegative
    df: Count
    p: Share


class FitRecord(Frozen):
    """Record of the fit that gave a card its numbers."""

    method: Literal["reml"]
    tool_version: Text
    data_sha256: Annotated[StrictStr, Field(pattern=r"^[0-9a-f]{64}$")]
    seed: Annotated[StrictInt, Field(ge=0)]
    refits: Count
    bootstrap_trials: Literal["held", "redrawn"]
    share_at_zero: dict[Name, Share]
    """By class, the share of bootstrap refits with a trial variance of 0."""
    monte_carlo_error: dict[Name, NotNegative]
    """By class, the largest error of a bootstrap mean; the unit is the coefficient's deviation."""
    likelihood_ratio: dict[Name, LikelihoodRatio]
    """By model."""
    attrition: dict[StrictStr, StrictInt | dict[StrictStr, StrictInt]]
    medians: dict[StrictStr, Medians]
    warnings: tuple[Text, ...] = ()


class CardTemplate(Frozen):
    """The parts of a model card that no data change: the disease, its covariates, its limits."""

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
    calculator: Calculator | None = None


class Template(CardTemplate):
    """A model card without its fitted numbers: what models of trial data are fitted for."""

    placebo: PlaceboTemplate = PlaceboTemplate()
    classes: tuple[ClassTemplate, ...] = Field(min_length=2, max_length=MAXIMUM_CLASSES)


class ModelCard(CardTemplate):
    """A model card."""

    placebo: Regression
    classes: tuple[DrugClass, ...] = Field(min_length=2, max_length=MAXIMUM_CLASSES)
    training_population: TrainingPopulation
    variants: FileName | None = None
    fit: FitRecord | None = None


class Variant(Frozen):
    """The models refitted without some covariates; fixed terms are those of the card."""

    left_out: tuple[Name, ...] = Field(min_length=1)
    placebo: Fit
    classes: dict[Name, ClassFit]


class Variants(Frozen):
    """The variants file of a model card."""

    about: Text | None = None
    variants: tuple[Variant, ...] = Field(min_length=1)
