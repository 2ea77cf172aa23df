"""The check before COMPLETE: a run whose counts do not add up is not published."""

import pandas as pd

from omop_scorer.config.definitions import Definitions
from omop_scorer.errors import ScoringError
from omop_scorer.scoring.tally import Tally
from omop_scorer.staging.audit_cells import TREATMENT_KEYS
from omop_scorer.staging.audits import Audits
from omop_scorer.staging.cohort import AttritionStep
from omop_scorer.staging.quality import Quality
from omop_scorer.terms import ALL, COVARIATE_STATUSES, RACES


def reconcile(
    definitions: Definitions,
    attrition: list[AttritionStep],
    tally: Tally,
    quality: Quality,
    audits: Audits,
) -> None:
    """Fail unless cohort, scores, covariate statuses and audits add up.

    Raises
    ------
    ScoringError
        Names every sum that differs.
    """
    n_cohort = attrition[0].n_persons
    n_left_out = sum(step.n_excluded for step in attrition)
    problems = []
    if tally.n + n_left_out != n_cohort:
        problems.append(
            f"{tally.n} scored and {n_left_out} left out do not add up to a cohort of {n_cohort}"
        )
    if sum(tally.subgroups().values()) != tally.n:
        problems.append(f"the subgroups do not add up to the {tally.n} scored")
    for covariate in definitions.model.card.covariates:
        n = sum(quality[covariate.name, f"n_{status}"] for status in COVARIATE_STATUSES)
        if n != tally.n:
            problems.append(
                f"{covariate.name}: its statuses count {n} patients, but {tally.n} are scored"
            )
    problems += audit_contradictions(audits, n_cohort, tally.n)
    if problems:
        raise ScoringError(*problems)


def audit_contradictions(audits: Audits, n_cohort: int, n_scored: int) -> list[str]:
    """Return a message for each audit whose counts do not sum to its population."""
    problems = []

    def compare(audit: str, found: pd.Series, expected: pd.Series | int) -> None:
        if n_wrong := int(found.ne(expected).sum()):
            problems.append(f"{audit}: {n_wrong} sum(s) differ from the population")

    prevalence = audits["prevalence"].set_index(["population", "measure"])
    n_of = prevalence["n_population"].xs("women_50_and_over", level="measure")
    if n_of["crohns_disease"] != n_cohort:
        problems.append(
            f"prevalence: counts {n_of['crohns_disease']} persons, but the cohort has {n_cohort}"
        )
    races = prevalence["n_persons"][prevalence.index.get_level_values("measure").isin(RACES)]
    compare("prevalence by race", races.groupby("population").sum(), n_of)
    pyramid = audits["age_sex_pyramid"].groupby("population")["n_persons"].sum()
    compare("age_sex_pyramid", pyramid, n_of)
    strata = audits["subgroup_summary"].groupby("stratum")["n_persons"].sum()
    compare("subgroup_summary", strata, n_scored)
    treated = audits["next_treatment"].groupby(TREATMENT_KEYS)
    n_treated = treated["n_population"].first()
    compare("next_treatment", treated["n_persons"].sum(), n_treated)
    n_indexed = n_treated.loc[:, "first_biologic", ALL]
    if n_indexed[ALL] != n_of["first_biologic_since"]:
        problems.append(
            f"next_treatment: {n_indexed[ALL]} persons have an index treatment, but the population "
            f"first_biologic_since has {n_of['first_biologic_since']}"
        )
    preferred = audits["preference_concordance"].groupby("population")["n_persons"].sum()
    compare("preference_concordance", preferred, n_indexed)
    return problems
