"""The demands of a template on trial data: columns, arms, and what becomes of missing values."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from omop_scorer.model.card import Covariate, Template
from omop_scorer.trials.participants import PLACEBO

YEAR = "year"

#: What makes models without a term for the year.
NO_YEAR = "write `placebo: {fixed_terms: {}}` in the template (--template)"


@dataclass(frozen=True)
class Subject:
    """A template, seen from trial data."""

    template: Template

    @cached_property
    def covariates(self) -> Mapping[str, Covariate]:
        """The covariates by the name of their column, in the order of the card."""
        return {each.csv_column: each for each in self.template.covariates}

    @cached_property
    def column_of(self) -> Mapping[str, str]:
        """The name of the column of each covariate, by that name and by the covariate's own."""
        own = {each.name: each.csv_column for each in self.template.covariates}
        return own | {column: column for column in self.covariates}

    @property
    def has_year(self) -> bool:
        """True if the placebo model has a term for the calendar year."""
        return YEAR in self.template.placebo.fixed_terms

    @property
    def arms(self) -> tuple[str, ...]:
        """`placebo`, then the keys of the drug classes."""
        return (PLACEBO, *(each.key for each in self.template.classes))

    @property
    def centres(self) -> dict[str, float]:
        """The centre of each covariate, and of the year if the models have it."""
        fixed = self.template.placebo.fixed_terms
        years = {YEAR: fixed[YEAR].centre} if YEAR in fixed else {}
        return years | {each.name: each.centre for each in self.template.covariates}

    @cached_property
    def baseline(self) -> str | None:
        """The column of the disease activity at baseline, which visits are compared with."""
        return next(
            (
                column
                for column, each in self.covariates.items()
                if each.name == self.template.activity_covariate and each.kind == "continuous"
            ),
            None,
        )

    @cached_property
    def imputed(self) -> tuple[str, ...]:
        """Columns of numbers whose missing values become a median."""
        return tuple(
            column
            for column, each in self.covariates.items()
            if each.kind == "continuous"
            and each.imputed_value is not None
            and column != self.baseline
        )

    @cached_property
    def required(self) -> tuple[str, ...]:
        """Columns without whose value a participant is left out, besides the baseline.

        Those that a card never imputes, such as age and sex, come first.
        """
        columns = [each for each in self.covariates if each not in (self.baseline, *self.imputed)]
        return tuple(sorted(columns, key=self.can_be_no))

    def can_be_no(self, column: str) -> bool:
        """Return True if a missing value may be taken for No; sex, for example, may not."""
        covariate = self.covariates[column]
        return covariate.kind == "yes_no" and covariate.imputed_value is not None
