"""Links of treatments and years that are no plain sums over columns of the results.

Some hold of nearly every person, such as that whoever was last on an anti-TNF had one before. A
reader may guess them, so they are protected, but no bounds are worked out from them.
"""

from omop_scorer import terms
from omop_scorer.disclosure import coded
from omop_scorer.disclosure.cells import Cell
from omop_scorer.disclosure.coded import ALL, WOMEN_50_AND_OVER, YES
from omop_scorer.disclosure.identities import Tables, scored
from omop_scorer.disclosure.rules_labels import grouped
from omop_scorer.disclosure.years import years_of

_NOW, _YEARS = "current_treatment", "prevalence_by_year"

#: The class of the covariate `prior_anti_tnf`.
_ANTI_TNF = "anti_tnf"


def link_first_biologics_by_year(tables: Tables) -> None:
    """Link the first biologics of each whole year with the scored patients among them."""
    if tables.config is None:
        return
    since = tables.config.audit.since
    first_whole = since.year + ((since.month, since.day) != (1, 1))
    for value in tables.stratum(coded.FIRST_BIOLOGIC_YEAR, None):
        if value != coded.NONE and years_of(value)[0] >= first_whole:
            first, last = years_of(value)
            years = [("~year", coded.FIRST_BIOLOGIC, str(year)) for year in range(first, last + 1)]
            total = tables.figures.add_sum(("first biologics in", value), years)
            own = scored(coded.FIRST_BIOLOGIC_YEAR, value, None)
            tables.figures.add_rest(("first biologic, not scored", value), total, [own])


def link_women_by_year(tables: Tables) -> None:
    """Link women of 50 and over in a year with those of that age on the as-of date.

    In a year its number minus the year of birth counts, so hardly anybody is younger afterwards,
    and nobody who is 50 on the index date is younger in its year.
    """
    figures = tables.figures
    for year in tables.values(_YEARS, "calendar_year", event=coded.DISEASE_RECORD):
        figures.add_rest(
            ("women of 50 and over without a record", year),
            ("prevalence", "n_persons", terms.COHORT, WOMEN_50_AND_OVER),
            [_women(coded.DISEASE_RECORD, year)],
            is_certain=False,
        )
    years = tables.values(_YEARS, "calendar_year", event=coded.FIRST_BIOLOGIC)
    starting = figures.add_sum(
        ("women of 50 and over at the start",),
        [_women(coded.FIRST_BIOLOGIC, year) for year in years],
    )
    figures.add_rest(
        ("women who turned 50 since the start",),
        ("prevalence", "n_persons", coded.FIRST_BIOLOGIC_SINCE, WOMEN_50_AND_OVER),
        [starting],
        is_certain=False,
    )
    if tables.config is not None and tables.config.audit.age_at == "index":
        indexed = ("~indexed", WOMEN_50_AND_OVER, coded.FIRST_BIOLOGIC, ALL)
        figures.add_rest(
            ("women who turned 50 after the start",), starting, [indexed], is_certain=False
        )


def _women(event: str, year: str) -> Cell:
    return (_YEARS, "n_persons", event, year, WOMEN_50_AND_OVER)


def link_prior_anti_tnf(tables: Tables) -> None:
    """Link who was last on an anti-TNF with who had one before, who may be on another drug now."""
    for group in tables.values(_NOW, "preference_group"):
        had_one = (
            scored(coded.PRIOR_ANTI_TNF, YES, None)
            if group == ALL
            else grouped(coded.PRIOR_ANTI_TNF, YES, group)
        )
        tables.figures.add_rest(
            ("left the anti-TNF", group),
            had_one,
            [(_NOW, "n_persons", ALL, coded.LAST, group, ALL, _ANTI_TNF)],
            is_certain=False,
        )
