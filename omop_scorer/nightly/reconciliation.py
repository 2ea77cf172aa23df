"""The check before COMPLETE: a run whose counts do not add up is not published."""

from collections.abc import Iterable, Mapping
from typing import Any

from omop_scorer.config.definitions import Definitions
from omop_scorer.errors import ScoringError
from omop_scorer.scoring.tally import Tally
from omop_scorer.staging.audit_cells import AUDITS, TREATMENT_KEYS
from omop_scorer.staging.audits import Audits
from omop_scorer.staging.cohort import AttritionStep
from omop_scorer.staging.quality import Quality
from omop_scorer.terms import (
    ALL,
    COHORT,
    COVARIATE_STATUSES,
    FIRST_BIOLOGIC,
    FIRST_BIOLOGIC_SINCE,
    RACES,
)

#: The columns of `current_treatment` that name a population and a preference.
_NOW_KEYS = AUDITS["current_treatment"][0][:-1]

#: The columns of `persistence_mean` that name its curves, without the preference or the class.
_ON_DRUG = ("population", "index_rule", "drug_class")
_ON_CLASS = ("population", "index_rule", "preference")


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

    def compare(audit: str, found: Mapping[Any, int], expected: Mapping[Any, int]) -> None:
        if n_wrong := sum(found[key] != expected[key] for key in found):
            problems.append(f"{audit}: {n_wrong} sum(s) differ from the population")

    prevalence = audits["prevalence"].to_pylist()
    n_of = {row["population"]: row["n_population"] for row in prevalence}
    if n_of[COHORT] != n_cohort:
        problems.append(f"prevalence: counts {n_of[COHORT]} persons, but the cohort has {n_cohort}")
    races = [row for row in prevalence if row["measure"] in RACES]
    compare("prevalence by race", _sums(races, "population"), n_of)
    compare("age_sex_pyramid", _sums(audits["age_sex_pyramid"].to_pylist(), "population"), n_of)
    strata = _sums(audits["subgroup_summary"].to_pylist(), "stratum")
    compare("subgroup_summary", strata, dict.fromkeys(strata, n_scored))
    groups = _sums(audits["preference_summary"].to_pylist(), "stratum")
    compare("preference_summary", groups, dict.fromkeys(groups, n_scored))
    now = audits["current_treatment"].to_pylist()
    n_now = {tuple(row[key] for key in _NOW_KEYS): row["n_population"] for row in now}
    compare("current_treatment", _sums(now, *_NOW_KEYS), n_now)
    whole = {key: n for key, n in n_now.items() if (key[0], *key[2:]) == (ALL, ALL, ALL)}
    compare("current_treatment of all", whole, dict.fromkeys(whole, n_scored))
    yearly = {
        row["calendar_year"]: row["n_population"]
        for row in audits["prevalence_by_year"].to_pylist()
        if row["event"] == FIRST_BIOLOGIC
    }
    first = {FIRST_BIOLOGIC_SINCE: sum(yearly.values())}
    compare("prevalence_by_year", first, n_of)
    treated = audits["next_treatment"].to_pylist()
    n_treated = {tuple(row[key] for key in TREATMENT_KEYS): row["n_population"] for row in treated}
    compare("next_treatment", _sums(treated, *TREATMENT_KEYS), n_treated)
    n_indexed = {
        population: n
        for (population, rule, index_class), n in n_treated.items()
        if (rule, index_class) == (FIRST_BIOLOGIC, ALL)
    }
    if n_indexed[ALL] != n_of[FIRST_BIOLOGIC_SINCE]:
        problems.append(
            f"next_treatment: {n_indexed[ALL]} persons have an index treatment, but the population "
            f"{FIRST_BIOLOGIC_SINCE} has {n_of[FIRST_BIOLOGIC_SINCE]}"
        )
    curves = audits["persistence_mean"].to_pylist()
    for column, keys in (("preference", _ON_DRUG), ("drug_class", _ON_CLASS)):
        whole = _sums([row for row in curves if row[column] == ALL], *keys)
        parts = _sums([row for row in curves if row[column] != ALL], *keys)
        compare(f"persistence_mean by {column}", parts, whole)
    preferred = _sums(audits["preference_concordance"].to_pylist(), "population")
    compare("preference_concordance", preferred, n_indexed)
    return problems


def _sums(rows: Iterable[Mapping[str, Any]], *keys: str) -> dict[Any, int]:
    """Return the sum of n_persons per value of a key, or per tuple of several keys."""
    sums: dict[Any, int] = {}
    for row in rows:
        key = row[keys[0]] if len(keys) == 1 else tuple(row[key] for key in keys)
        sums[key] = sums.get(key, 0) + row["n_persons"]
    return sums
