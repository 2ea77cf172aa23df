"""The covariates of one person, with every candidate record and the verdict of the rules on it.

Cohort and covariates are staged as in a run, so value and status are those that a run stores.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date

from omop_scorer import sql
from omop_scorer.config.definitions import Definitions
from omop_scorer.config.run_file import EVER_DAYS
from omop_scorer.engines import open_engine
from omop_scorer.errors import CdmError
from omop_scorer.journal import Journal
from omop_scorer.model.card import Covariate
from omop_scorer.nightly.as_of import planned_as_of, with_last_day
from omop_scorer.nightly.candidates import Candidate, Candidates
from omop_scorer.staging.cdm_views import map_cdm
from omop_scorer.staging.cohort import stage_cohort
from omop_scorer.staging.concept_sets import stage_concept_sets
from omop_scorer.staging.covariates import stage_covariates
from omop_scorer.staging.night import Night


@dataclass(frozen=True)
class ExplainedCovariate:
    """A covariate as a run would store it, its window in words, and its candidates.

    `status` is None for a person who is not scored.
    """

    name: str
    unit: str
    value: float | None
    status: str | None
    window: str
    candidates: Sequence[Candidate]


@dataclass(frozen=True)
class Explanation:
    """One person as of a date: whether scored, in words, and the covariates."""

    as_of: date
    is_scored: bool
    cohort: str
    covariates: Sequence[ExplainedCovariate]


def explain(
    definitions: Definitions, person_id: int, covariates: Sequence[Covariate], journal: Journal
) -> Explanation:
    """Explain the covariates of one person. Nothing is written, and nothing of the person logged.

    Raises
    ------
    OmopScorerError
        As for a run.
    """
    with journal.step("connect"):
        engine = open_engine(definitions.config.connections)
    with closing(engine):
        as_of = planned_as_of(definitions.config, allow_future=True)
        night = Night(engine, definitions, as_of, journal)
        with night.step("CDM"):
            cdm = map_cdm(engine)
        if cdm.problems:
            raise CdmError(*cdm.problems)
        night, _ = with_last_day(night)
        with night.step("concept sets") as step:
            step.rows, _ = stage_concept_sets(night)
        stage_cohort(night)
        stage_covariates(night)
        return _explanation(night, person_id, covariates)


def _explanation(night: Night, person_id: int, covariates: Sequence[Covariate]) -> Explanation:
    given = {"person_id": person_id}
    member = night.engine.fetch(
        sql.parse("SELECT left_out_reason FROM work.cohort_member WHERE person_id = :person_id"),
        given,
    )
    if not member:
        excluded = night.engine.fetch(
            sql.parse("SELECT is_excluded FROM work.disease WHERE person_id = :person_id"), given
        )
        if excluded:
            reason = (
                "not in the cohort: a record of cohort.exclude_concept_sets excludes the person"
            )
        elif night.engine.reads_in_place and not night.engine.fetch(
            sql.parse("SELECT person_id FROM cdm.person WHERE person_id = :person_id"), given
        ):
            reason = "the CDM has no such person"
        else:
            reason = "not in the cohort: too few records of cohort.concept_ids up to the as-of date"
        return Explanation(night.as_of, False, reason, ())
    left_out = member[0][0]
    stored = night.engine.fetch(
        sql.parse(
            "SELECT covariate, covariate_value, status FROM work.patient_covariate "
            "WHERE person_id = :person_id"
        ),
        given,
    )
    by_name = {str(name): (value, str(status)) for name, value, status in stored}
    candidates = Candidates(night, person_id)
    explained = []
    for covariate in covariates:
        value, status = by_name.get(covariate.name, (None, None))
        explained.append(
            ExplainedCovariate(
                name=covariate.name,
                unit=covariate.unit,
                value=None if value is None else float(str(value)),
                status=status,
                window=_window(night, covariate.name),
                candidates=candidates.of(covariate.name, status),
            )
        )
    cohort = f"not scored: {str(left_out).replace('_', ' ')}" if left_out else "scored"
    return Explanation(night.as_of, not left_out, cohort, explained)


def _window(night: Night, covariate: str) -> str:
    rule = getattr(night.config.covariates, covariate, None)
    if rule is None or not hasattr(rule, "lookback_days"):
        return ""
    days = rule.lookback_days
    return "ever" if days in (None, EVER_DAYS) else f"{days:,} days"
