"""Populations from which the two arms of a planned trial are drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from omop_scorer.model.arrays import Floats
from omop_scorer.model.load import Model
from omop_scorer.model.reduced import score_patterns
from omop_scorer.model.subgroups import first_group
from omop_scorer.terms import Uncertainty

Sex: TypeAlias = Literal["any", "female", "male"]

#: Patients below which a population or a subgroup says little about other patients.
FEW = 50

#: Start of the name of a population by sex, without and with an age.
_NAMES = {"any": ("all", "age"), "female": ("women", "women"), "male": ("men", "men")}


@dataclass(frozen=True)
class Criteria:
    """Ages and sex of a population; a limit of None is open, and the limits are included."""

    youngest: int | None = None
    oldest: int | None = None
    sex: Sex = "any"

    @property
    def name(self) -> str:
        """Name of the population, such as `age_50_and_over` or `women_18_to_49`."""
        whole, prefix = _NAMES[self.sex]
        if self.youngest is None:
            return whole if self.oldest is None else f"{prefix}_up_to_{self.oldest}"
        until = "and_over" if self.oldest is None else f"to_{self.oldest}"
        return f"{prefix}_{self.youngest}_{until}"

    def met_by(self, persons: "Persons") -> NDArray[np.bool_]:
        """Return (N,): True for each person who meets the criteria."""
        is_met = np.ones(len(persons.values), np.bool_)
        if persons.age is not None:
            is_met &= persons.age >= (-np.inf if self.youngest is None else self.youngest)
            is_met &= persons.age <= (np.inf if self.oldest is None else self.oldest)
        if persons.is_male is not None and self.sex != "any":
            is_met &= persons.is_male == (self.sex == "male")
        return is_met


@dataclass(frozen=True, eq=False)
class Persons:
    """The N persons of a CSV file or of a run. Nothing here tells who a person is."""

    values: Floats
    """(N, k): covariates in the order of the card; NaN where left out."""
    age: Floats | None
    """(N,): completed years; None if it is not known."""
    is_male: NDArray[np.bool_] | None
    """(N,): None if it is not known."""
    missing: Mapping[str, int] = field(default_factory=dict)
    """By covariate, persons without a recorded value: it is imputed, or left out of the models."""


@dataclass(frozen=True, eq=False)
class Population:
    """Persons under the two classes that a trial compares; the first class is hoped to be better.

    Pairs are in the order of the arms.
    """

    name: str
    probability: Floats
    """(n, 2): probability of response, as `score` gives it."""
    reduction: Floats
    """(n, 2): expected reduction of the outcome, in its unit."""
    is_first_alone: NDArray[np.bool_]
    """(n,): True if the label of the person ranks the first class alone first."""

    def __len__(self) -> int:
        return len(self.probability)


def is_few(n: int | None) -> bool:
    """Return True for a known number of patients, above zero, that says little about others."""
    return bool(n) and n is not None and n < FEW


def populations(
    persons: Persons,
    criteria: Sequence[Criteria],
    arms: tuple[str, str],
    model: Model,
    uncertainty: Uncertainty = "bootstrap",
) -> list[Population]:
    """Score persons, and return those who meet each of the criteria.

    Parameters
    ----------
    persons
        Every person.
    criteria
        Criteria of each population.
    arms
        Keys of the two classes.
    model
        The model card.
    uncertainty
        Uncertainty of the labels. Probabilities and reductions come from the fit with either.

    Raises
    ------
    ScoringError
        A person lacks a covariate, and the card has no variant without it.
    """
    columns = [[each.key for each in model.card.classes].index(key) for key in arms]
    fitted = score_patterns(persons.values, model, "analytic")
    ranked = fitted
    if uncertainty != "analytic":
        ranked = score_patterns(persons.values, model, uncertainty, with_response=False)
    first = model.card.classes[columns[0]].label
    is_alone = np.array([first_group(label) == first for label in ranked.labels])
    found = []
    for each in criteria:
        rows = each.met_by(persons)
        found.append(
            Population(
                name=each.name,
                probability=fitted.response_probability[rows][:, columns],
                reduction=fitted.expected_reduction[rows][:, columns],
                is_first_alone=is_alone[ranked.label[rows]],
            )
        )
    return found
