"""Values that cannot be right and that decide a covariate: what a site must be told in words.

Nothing here changes a value. A warning appears where such values decide a covariate of more than
1% of the patients, or leave more than 1% of the cohort out.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from omop_scorer.config.run_file import CurrentExposure
from omop_scorer.staging.covariates import windows
from omop_scorer.staging.night import Night
from omop_scorer.staging.quality import Quality
from omop_scorer.terms import AMBIGUOUS_FEET, COHORT

_SHARE = 0.01


@dataclass(frozen=True)
class WithoutNumber:
    """Records of a quantity in its window that have no number."""

    n_records: int
    n_without: int
    n_with_text: int
    n_persons: int
    """Patients without a usable value who have such a record."""

    def __str__(self) -> str:
        text = f" ({self.n_with_text:,} have a text in value_source_value)"
        return (
            f"{self.n_without:,} of {self.n_records:,} records have no number"
            f"{text if self.n_with_text else ''}"
        )


def without_number(night: Night, counts: Quality) -> dict[str, WithoutNumber]:
    """Return the records without a number of each quantity that has some."""
    return {
        str(quantity): WithoutNumber(counts[str(quantity), "n_records"], *(int(str(n)) for n in ns))
        for quantity, *ns in sorted(night.fetch("covariates/quality_number"), key=str)
    }


def doubts(night: Night, counts: Quality, n_cohort: int, n_scored: int) -> list[str]:
    """Return a warning for each kind of value that cannot be right and decides too much."""
    return [
        *_deaths(counts, n_cohort),
        *_exposures(night, n_scored),
        *_heights(counts),
        *_numbers(night, counts, n_scored),
    ]


def _deaths(counts: Quality, n_cohort: int) -> Iterator[str]:
    for measure, contradiction in (
        ("n_death_contradicted", "have records more than 60 days after their death"),
        ("n_death_before_birth", "have a death dated before their birth"),
    ):
        n = counts[COHORT, measure]
        if n > _SHARE * n_cohort:
            yield (
                f"{n:,} person(s) of the cohort ({n / n_cohort:.1%}) {contradiction}; they count "
                "as deceased and are not scored"
            )


def _exposures(night: Night, n_scored: int) -> Iterator[str]:
    rules = night.config.covariates
    current = windows(rules.immunomodulator)
    found = night.fetch(
        "covariates/quality_support",
        prior_days=windows(rules.prior_anti_tnf)["lookback_days"],
        immunomodulator_days=current["lookback_days"],
        immunomodulator_maximum=current["maximum_days"],
    )
    scored = {covariate.name for covariate in night.model.card.covariates}
    for covariate, *numbers in sorted(found, key=str):
        name = str(covariate)
        cap = f"; covariates.{name}.maximum_days can cap them"
        kinds = (
            "only because of exposures longer than 366 days"
            + (cap if isinstance(getattr(rules, name), CurrentExposure) else ""),
            "only by exposures with a negative supply",
            "only by exposures that start before 1900 or before birth",
        )
        for kind, number in zip(kinds, numbers, strict=True):
            n = int(str(number))
            if name in scored and n > _SHARE * n_scored:
                yield f"{name}: {n:,} patient(s) ({n / n_scored:.1%}) have it {kind}"


def _heights(counts: Quality) -> Iterator[str]:
    if n := counts.get(("body_height", AMBIGUOUS_FEET), 0):
        yield (
            f"body_height: {n:,} record(s) in feet may be in feet and inches, and are rejected; "
            "record heights in cm, or in inches"
        )


def _numbers(night: Night, counts: Quality, n_scored: int) -> Iterator[str]:
    if not any(counts[q, "n_rejected_value"] for q in night.config.covariates.quantities()):
        return
    for quantity, records in without_number(night, counts).items():
        if records.n_persons > _SHARE * n_scored:
            yield (
                f"{quantity}: {records}; {records.n_persons:,} patient(s) "
                f"({records.n_persons / n_scored:.1%}) have no usable value because of it"
            )
