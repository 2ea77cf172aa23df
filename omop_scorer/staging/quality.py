"""Counts of records by outcome, and of patients by covariate status."""

from collections.abc import Mapping

from omop_scorer.staging.concept_mapping import MappedRecords, mapping_counts
from omop_scorer.staging.night import Night
from omop_scorer.terms import (
    COHORT,
    COHORT_MEASURES,
    COVARIATE_STATUSES,
    MEASUREMENT_MEASURES,
    STEROID_MEASURES,
)

Quality = dict[tuple[str, str], int]
"""Counts by (covariate or measured quantity, measure)."""

_COHORT_WARNINGS = {
    "n_excluded_condition": "person(s) with the disease are excluded for another condition",
    "n_records_without_date": "record(s) of the disease have no date and are ignored",
    "n_deaths_without_date": "person(s) of the cohort have a death without a date",
}


def fetch_quality(night: Night, mapped: Mapping[str, MappedRecords]) -> Quality:
    """Return the records by outcome and the patients by status, zeros included.

    `mapped` holds the records by concept set that `fetch_mapped_records` returns.
    """
    counts: Quality = {
        (quantity, measure): 0
        for quantity in night.config.covariates.quantities()
        for measure in MEASUREMENT_MEASURES
    }
    for quantity, *numbers in night.fetch("covariates/quality_measurement"):
        for measure, n in zip(MEASUREMENT_MEASURES, numbers, strict=True):
            counts[str(quantity), measure] = int(str(n))
    for covariate in night.model.card.covariates:
        counts |= {(covariate.name, f"n_{status}"): 0 for status in COVARIATE_STATUSES}
    for name, status, n in night.fetch("covariates/quality_status"):
        counts[str(name), f"n_{status}"] = int(str(n))
    (steroid,) = night.fetch("covariates/quality_steroid")
    for measure, n in zip(STEROID_MEASURES, steroid, strict=True):
        counts["steroid", measure] = int(str(n))
    (cohort,) = night.fetch("cohort/quality_cohort")
    for measure, n in zip(COHORT_MEASURES, cohort, strict=True):
        counts[COHORT, measure] = int(str(n))
    return counts | mapping_counts(mapped)


def cohort_warnings(counts: Quality) -> list[str]:
    """Return a warning for each count that limits how the cohort can be interpreted."""
    return [
        f"{counts[COHORT, measure]:,} {text}"
        for measure, text in _COHORT_WARNINGS.items()
        if counts[COHORT, measure]
    ]
