"""Labels of coded words: each mapping covers exactly the words of its domain."""

from collections.abc import Mapping
from typing import get_args

import pytest

from omop_scorer import terms
from omop_scorer.config.run_file import RunConfig
from omop_scorer.disclosure.leaving import STAYING_STRATA
from omop_scorer.report import words

DOMAINS = {
    "POPULATIONS": terms.POPULATIONS,
    "AUDITED": terms.TREATED_POPULATIONS,
    "NOW": terms.NOW_POPULATIONS,
    "EVENTS": terms.YEARLY_EVENTS,
    "INDEX_RULES": terms.INDEX_RULES,
    "NEXT": (terms.OTHER_ADVANCED, *terms.NONE_NEXT),
    "STATES": terms.COVARIATE_STATUSES,
    # All patients, and women of 50 and over, have sections of their own. Groups divide no labels.
    "STRATA": set(terms.STRATUM_VALUES)
    - {terms.ALL, terms.WOMEN_50_AND_OVER, "preference_group", "ruled_out_class", *STAYING_STRATA},
    "WITHIN_RANGE": terms.STRATUM_VALUES["within_trial_range"],
    "REASONS": terms.ATTRITION_REASONS,
    "ASSUMPTIONS": terms.ASSUMPTIONS,
    "RECORD_MEASURES": terms.MEASUREMENT_MEASURES,
    "COHORT_MEASURES": terms.COHORT_MEASURES,
    "MAPPED_RECORDS": get_args(RunConfig.model_fields["concept_mapping"].annotation),
    "LABEL_CHECKS": terms.LABEL_CHECKS,
    "UNCERTAINTIES": terms.UNCERTAINTIES,
    "UNCERTAINTIES_UNPUBLISHED": terms.UNCERTAINTIES,
    "EFFECTS": (terms.EFFECT, terms.RESPONSE),
    "MISSING_VALUES": get_args(RunConfig.model_fields["missing"].annotation),
    "IMPUTED_CONSTANTS": get_args(RunConfig.model_fields["impute"].annotation),
}


@pytest.mark.parametrize("mapping", DOMAINS)
def test_a_mapping_covers_exactly_the_words_of_its_domain(mapping: str) -> None:
    assert set(getattr(words, mapping)) == set(DOMAINS[mapping])


def test_every_mapping_is_compared_with_its_domain() -> None:
    mappings = {name for name, value in vars(words).items() if isinstance(value, Mapping)}
    assert {name for name in mappings if name.isupper()} == set(DOMAINS)


@pytest.mark.parametrize("name", terms.RACES)
def test_a_race_is_named_without_its_prefix(name: str) -> None:
    assert words.race(name)
    assert "race" not in words.race(name).lower()


def test_a_race_keeps_the_spelling_of_omop() -> None:
    assert words.race("race_black_or_african_american") == "Black or African American"
    assert words.race("race_unknown") == "Unknown"
