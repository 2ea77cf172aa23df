"""Counts of records by outcome, and of patients by covariate status."""

from collections.abc import Mapping

from omop_scorer.staging.concept_mapping import MappedRecords, mapping_counts
from omop_scorer.staging.night import Night
from omop_scorer.terms import (
    AMBIGUOUS_FEET,
    COHORT,
    COHORT_MEASURES,
    COVARIATE_STATUSES,
    MEASUREMENT_MEASURES,
    STEROID_MEASURES,
    UNDATED_PREFIX,
)

Quality = dict[tuple[str, str], int]
"""Counts by (covariate or measured quantity, measure)."""

_COHORT_WARNINGS = {
    "n_excluded_condition": "person(s) with the disease are excluded for another condition",
    "n_records_without_date": "record(s) of the disease have no date and are ignored",
    "n_deaths_without_date": "person(s) of the cohort have a death without a date",
    "n_deaths_of_two_dates": "person(s) of the cohort have several dates of death; the earliest "
    "counts",
    f"{UNDATED_PREFIX}drug_exposure": "drug exposure(s) of the cohort have no start date and are "
    "ignored",
    f"{UNDATED_PREFIX}measurement": "measurement(s) of the cohort have no date and are ignored",
    f"{UNDATED_PREFIX}observation": "observation(s) of the cohort have no date and are ignored",
}
#: Counts of these tables are the last column of `quality_exposure`, and those of `quality_undated`.
_UNDATED_TABLES = ("drug_exposure", "measurement", "observation")


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
        *listed, n_ambiguous = map(_whole, numbers)
        for measure, n_records in zip(MEASUREMENT_MEASURES, listed, strict=True):
            counts[str(quantity), measure] = n_records
        if n_ambiguous:
            counts[str(quantity), AMBIGUOUS_FEET] = n_ambiguous
    for covariate in night.model.card.covariates:
        counts |= {(covariate.name, f"n_{status}"): 0 for status in COVARIATE_STATUSES}
    for name, status, n in night.fetch("covariates/quality_status"):
        counts[str(name), f"n_{status}"] = _whole(n)
    (steroid,) = night.fetch("covariates/quality_steroid")
    for measure, n in zip(STEROID_MEASURES, steroid, strict=True):
        counts["steroid", measure] = _whole(n)
    return counts | _of_cohort(night) | mapping_counts(mapped)


def _of_cohort(night: Night) -> Quality:
    """Return the counts about the whole cohort; of undated records, where there are any."""
    (cohort,) = night.fetch("cohort/quality_cohort")
    ((*exposures, undated_drugs),) = night.fetch("covariates/quality_exposure")
    (deaths,) = night.fetch("cohort/quality_death")
    (undated_measured,) = night.fetch("covariates/quality_undated")
    numbers = (*cohort, *exposures, *deaths)
    counts = {
        (COHORT, measure): _whole(n) for measure, n in zip(COHORT_MEASURES, numbers, strict=True)
    }
    undated = (undated_drugs, *undated_measured)
    for table, n in zip(_UNDATED_TABLES, undated, strict=True):
        if _whole(n):
            counts[COHORT, f"{UNDATED_PREFIX}{table}"] = _whole(n)
    return counts


def _whole(n: object) -> int:
    return int(str(n))


def cohort_warnings(counts: Quality) -> list[str]:
    """Return a warning for each count that limits how the cohort can be interpreted."""
    return [
        f"{counts[COHORT, measure]:,} {text}"
        for measure, text in _COHORT_WARNINGS.items()
        if counts.get((COHORT, measure))
    ]
