"""As-of date of a run, compared with today and with the last day of the CDM.

The last day is the newest date among the conditions, drugs and measurements of all persons and the
release date of the CDM. Dates after the as-of date do not count, so a wrong future date changes
nothing.
"""

from dataclasses import replace
from datetime import date

from omop_scorer.cdm.tables import LAST_DATE_TABLES
from omop_scorer.config.run_file import LAST_DAY_OF_CDM, RunConfig
from omop_scorer.errors import CdmError, ConfigurationError
from omop_scorer.staging.night import Night


def planned_as_of(config: RunConfig, *, allow_future: bool = False) -> date:
    """Return the as-of date of the run file, or today where it names none or the word cdm.

    Raises
    ------
    ConfigurationError
        The date is after today and `allow_future` is False.
    """
    today, wanted = date.today(), config.as_of_date
    if wanted is None or wanted == LAST_DAY_OF_CDM:
        return today
    assert isinstance(wanted, date)
    if wanted > today and not allow_future:
        raise ConfigurationError(
            f"as_of_date: {wanted} is after today, {today}, and would be shown to readers until "
            "then; correct the date, or allow it with --allow-future"
        )
    return wanted


def with_last_day(night: Night) -> tuple[Night, date | None]:
    """Return the night with its final as-of date, and the last day of the CDM.

    The tables of the CDM are mapped. The last day is None if there is no date up to the as-of date,
    or if nobody asks for it (`cdm.maximum_age_days` is null).

    Raises
    ------
    CdmError
        The as-of date is the last day of the CDM, and there is none.
    """
    is_last_day = night.config.as_of_date == LAST_DAY_OF_CDM
    if night.config.cdm.maximum_age_days is None and not is_last_day:
        return night, None
    last = _last_day(night)
    if not is_last_day:
        return night, last
    if last is None:
        raise CdmError(
            f"as_of_date: cdm: the CDM has no date up to {night.as_of} in condition_occurrence, "
            "drug_exposure, measurement or cdm_source; give a date, or load the CDM"
        )
    return replace(night, as_of=last), last


def _last_day(night: Night) -> date | None:
    file = "cohort/last_date"
    if not night.engine.reads_in_place:
        file = "cohort/pulled_last_date"
        for table in LAST_DATE_TABLES:
            night.engine.map_table(table, night.engine.find_table(table))
            night.pull(table.name, as_of_date=night.as_of)
    ((found,),) = night.fetch(file)
    return found if isinstance(found, date) else None


def old_cdm_warnings(night: Night, last: date | None) -> list[str]:
    """Return a warning if the last day of the CDM is too long before the as-of date."""
    maximum = night.config.cdm.maximum_age_days
    if last is None or maximum is None:
        return []
    age = (night.as_of - last).days
    if age <= maximum:
        return []
    return [
        f"newest record is {age} days older than the as-of date (cdm.maximum_age_days: {maximum}): "
        "check that the CDM is loaded regularly"
    ]
