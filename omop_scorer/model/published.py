"""Published figures of a model, which the report compares with the figures of a site."""

from functools import cached_property
from typing import Annotated

from pydantic import Field, StrictFloat, StrictInt, StrictStr, ValidationError, model_validator

from omop_scorer.documents import Frozen, Name, Text, faults_of, read_yaml
from omop_scorer.errors import ConfigurationError
from omop_scorer.resources import shipped
from omop_scorer.terms import Population

Count = Annotated[StrictInt, Field(ge=0)]

Share = Annotated[StrictFloat, Field(ge=0, le=1)]

#: Index of the first age group of a pyramid that is 50 and over.
_FIRST_GROUP_FROM_50 = 10


class Figure(Frozen):
    """A count of persons and its source."""

    n_persons: Count
    source: Text


class Subgroups(Frozen):
    """Persons by preference label."""

    source: Text
    n_persons: dict[StrictStr, Count]


class Trials(Frozen):
    """The trial participants on whom the models were fitted."""

    title: Text
    description: Text
    n_persons: Annotated[StrictInt, Field(gt=0)]
    women_50_and_over: Figure
    subgroups: Subgroups

    @model_validator(mode="after")
    def _add_up(self) -> "Trials":
        total = sum(self.subgroups.n_persons.values())
        if total != self.n_persons:
            raise ValueError(
                f"the subgroups add up to {total}; allowed: n_persons, {self.n_persons}"
            )
        return self

    @property
    def share_of_women_50_and_over(self) -> float:
        """Share of women of 50 and over among the participants."""
        return self.women_50_and_over.n_persons / self.n_persons

    def share_alone_on_top(self, label: str) -> float:
        """Return the share of participants whose label ranks one class alone first."""
        first = [n for each, n in self.subgroups.n_persons.items() if each.startswith(f"{label} >")]
        return sum(first) / self.n_persons


class Pyramid(Frozen):
    """Persons by age group, in the order of the health system's `age_groups`."""

    female: tuple[Count, ...]
    male: tuple[Count, ...]

    @property
    def n_persons(self) -> int:
        """Number of persons of both sexes."""
        return sum(self.female) + sum(self.male)

    @property
    def n_women_50_and_over(self) -> int:
        """Number of women of 50 and over."""
        return sum(self.female[_FIRST_GROUP_FROM_50:])


class NextTreatment(Frozen):
    """The share of a population whose next treatment was not of a given class."""

    not_given: Name
    population: Name
    share: Share
    source: Text


class HealthSystem(Frozen):
    """The health system in which the authors counted the same populations."""

    title: Text
    description: Text
    age_rule: Text
    source: Text
    age_groups: tuple[Text, ...]
    pyramids: dict[Population, Pyramid]
    next_treatment: NextTreatment

    @model_validator(mode="after")
    def _have_one_length(self) -> "HealthSystem":
        for name, pyramid in self.pyramids.items():
            for sex, counts in (("female", pyramid.female), ("male", pyramid.male)):
                if len(counts) != len(self.age_groups):
                    raise ValueError(
                        f"pyramids.{name}.{sex} has {len(counts)} counts; allowed: one for each "
                        f"of the {len(self.age_groups)} age groups"
                    )
        return self

    @cached_property
    def shares_of_women_50_and_over(self) -> dict[str, float]:
        """Share of women of 50 and over in each population."""
        return {
            name: pyramid.n_women_50_and_over / pyramid.n_persons
            for name, pyramid in self.pyramids.items()
            if pyramid.n_persons
        }


class Ablation(Frozen):
    """The share without a preference with all covariates, and without each of some."""

    source: Text
    all_covariates: Share
    without: dict[Name, Share]


class Published(Frozen):
    """All published figures of a model that a report compares with."""

    citation: Text
    doi: Text
    licence: Text
    trials: Trials
    health_system: HealthSystem
    ablation: Ablation


def load_published(model_id: str) -> Published | None:
    """Return the published figures of a model; None if none are shipped.

    Raises
    ------
    ConfigurationError
        The shipped file is not valid. The message gives file, key, the value found and the values
        allowed.
    """
    folder = shipped("configs") / "published"
    paths = {path.stem: path for path in folder.glob("*.yaml")}
    if model_id not in paths:
        return None
    try:
        return Published.model_validate(read_yaml(paths[model_id]))
    except ValidationError as error:
        raise ConfigurationError(*faults_of(paths[model_id], error, Published)) from None
