"""The cohort: persons with the disease, and the patients among them who can be scored."""

from dataclasses import dataclass

import pyarrow as pa

from omop_scorer.errors import CdmError
from omop_scorer.staging.night import Night
from omop_scorer.staging.pull import pull_persons
from omop_scorer.staging.rule_sets import condition_sets
from omop_scorer.terms import ATTRITION_REASONS, RACE_SETS


@dataclass(frozen=True)
class AttritionStep:
    """One numbered step of the attrition: persons left after it, and persons excluded by it."""

    step: int
    reason: str
    n_persons: int
    n_excluded: int


def stage_cohort(night: Night) -> list[AttritionStep]:
    """Stage `work.cohort_member`, `work.patient` and `work.attrition`; return the attrition.

    Raises
    ------
    CdmError
        A person of the cohort has more than one row in person.
    """
    excluded = night.config.cohort.exclude_concept_sets
    night.load("excluded_set", pa.table({"concept_set": pa.array(excluded, pa.string())}))
    searched = condition_sets(night.config)
    night.load("condition_set", pa.table({"concept_set": pa.array(searched, pa.string())}))
    order = pa.array(range(len(RACE_SETS)), pa.int32())
    night.load("race_set", pa.table({"concept_set": list(RACE_SETS), "display_order": order}))
    night.stage("cohort/race")
    steps = pa.array(range(1, len(ATTRITION_REASONS) + 1), pa.int32())
    night.load("attrition_step", pa.table({"step": steps, "reason": list(ATTRITION_REASONS)}))
    pull_persons(night)
    with night.step("cohort") as step:
        night.stage("cohort/condition_record")
        night.stage("cohort/disease")
        step.rows = night.stage("cohort/cohort")
    (duplicates,) = night.fetch("cohort/duplicate_person")
    if duplicates[0]:
        raise CdmError(
            f"person: {duplicates[0]} person(s) of the cohort have more than one row, and nothing "
            "says which one is right; remove the duplicate rows"
        )
    night.stage("cohort/person_care_site")
    with night.step("attrition") as step:
        step.rows = stage_patients(night)
        night.stage("cohort/attrition")
    rows = night.fetch("cohort/attrition")
    found = [AttritionStep(int(str(a)), str(b), int(str(c)), int(str(d))) for a, b, c, d in rows]
    return sorted(found, key=lambda each: each.step)


def stage_patients(night: Night) -> int:
    """Stage `cohort_member`, with each person's reason for exclusion, and `patient`."""
    night.stage("cohort/left_out", "cohort_member")
    return night.stage("cohort/patient")
