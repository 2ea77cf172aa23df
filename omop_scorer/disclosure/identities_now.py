"""Identities of the treatment in use and last used, and of the counts by calendar year."""

from itertools import product

from omop_scorer.disclosure import coded
from omop_scorer.disclosure.cells import Cell
from omop_scorer.disclosure.coded import ALL, WOMEN_50_AND_OVER, YES
from omop_scorer.disclosure.identities import N_COHORT, Tables, scored
from omop_scorer.disclosure.identities_cohort import whole
from omop_scorer.terms import COVARIATE, FIRST_BIOLOGIC_SINCE, OTHER_ADVANCED

NOW, YEARLY = "current_treatment", "prevalence_by_year"

#: The covariate that comes first in saying whether the disease is active.
_CDAI = "cdai"


def link_now(tables: Tables) -> None:
    """Link the drug in use with the one last used, and both with the preference groups."""
    treatments, populations, groups, classes = (
        tables.values(NOW, column)
        for column in ("treatment", "population", "preference_group", "drug_class")
    )
    parts = [each for each in groups if each != ALL]
    tops = [each for each in tables.values(NOW, "preferred") if each != ALL]
    cells = [*((group, ALL) for group in groups), *((coded.SHARED_TOP, top) for top in tops)]
    figures = tables.figures
    for population, treatment in product(populations, treatments):
        for group, preferred in cells:
            key = (population, treatment, group, preferred)
            figures.declare_sum(_of(*key, None), [_of(*key, each) for each in classes])
        for each in (*classes, None):
            own = (population, treatment)
            total = _of(*own, ALL, ALL, each)
            figures.declare_sum(total, [_of(*own, group, ALL, each) for group in parts])
            shared = [_of(*own, coded.SHARED_TOP, top, each) for top in tops]
            figures.declare_sum(_of(*own, coded.SHARED_TOP, ALL, each), shared)
    for population, (group, preferred) in product(populations, cells):
        _in_use_and_last(tables, population, group, preferred)
    for population, treatment, (group, preferred), each in product(
        populations, treatments, cells, (*classes, None)
    ):
        if population != ALL:
            figures.add_rest(
                ("not in", population, treatment, group, preferred, each or ALL),
                _of(ALL, treatment, group, preferred, each),
                [_of(population, treatment, group, preferred, each)],
            )
    _with_groups(tables, groups)
    _active(tables)


def _of(population: str, treatment: str, group: str, preferred: str, drug: str | None) -> Cell:
    """Return the cell of a drug class (None: of any class or none)."""
    key = (population, treatment, group, preferred)
    return (NOW, "n_population", *key) if drug is None else (NOW, "n_persons", *key, drug)


def _in_use_and_last(tables: Tables, population: str, group: str, preferred: str) -> None:
    """Add the persons last on each class who are no longer on it."""
    figures = tables.figures
    in_use, last = (
        {
            drug: _of(population, treatment, group, preferred, drug)
            for drug in (*tables.values(NOW, "drug_class"), None)
        }
        for treatment in (coded.CURRENT, coded.LAST)
    )
    figures.declare_same(in_use[None], last[None])
    key = (population, group, preferred)
    stopped = [
        figures.add_rest(("stopped", *key, drug), last[drug], [in_use[drug]])
        for drug in last
        if drug is not None and drug != coded.NONE
    ]
    if coded.NONE in in_use:
        figures.declare_sum(in_use[coded.NONE], (last[coded.NONE], *stopped))


def _with_groups(tables: Tables, groups: list[str]) -> None:
    """Link both with the counts of the groups, by women of 50 and over and by first biologic."""
    figures = tables.figures
    for group in groups:
        subgroup = None if group == ALL else group
        for population, cell in (
            (ALL, scored(ALL, ALL, subgroup)),
            (WOMEN_50_AND_OVER, scored(WOMEN_50_AND_OVER, YES, subgroup)),
        ):
            figures.declare_same(cell, _of(population, coded.LAST, group, ALL, None))
        last = {
            drug: _of(ALL, coded.LAST, group, ALL, drug)
            for drug in tables.values(NOW, "drug_class")
        }
        without = scored(coded.FIRST_BIOLOGIC_YEAR, coded.NONE, subgroup)
        if coded.NONE in last:
            # Persons without a biologic of the model have no line, or lines of other therapies.
            figures.add_rest(("other therapies alone", group), without, [last[coded.NONE]])
            figures.add_rest(
                ("a biologic, then another therapy", group),
                last[OTHER_ADVANCED],
                [("other therapies alone", group)],
            )


def _active(tables: Tables) -> None:
    """Link active disease with the bins of the recorded CDAI that lie above the limit."""
    rows = tables.frames.get("histogram")
    if rows is None or tables.config is None:
        return
    rows = rows[(rows["measure"] == COVARIATE) & (rows["category"] == _CDAI)]
    rows = rows[rows["bin_low"] >= tables.config.audit.active_cdai]
    bins = [("histogram", "n_persons", COVARIATE, _CDAI, str(low)) for low in rows["bin_low"]]
    tables.figures.add_rest(
        ("active, not in these bins",),
        _of(coded.ACTIVE_DISEASE, coded.LAST, ALL, ALL, None),
        [tables.figures.add_sum(("cdai bins of active disease",), bins)],
    )


def link_years(tables: Tables) -> None:
    """Link the persons of each calendar year with the cohort and with the scored of that year."""
    figures = tables.figures
    events, years = tables.values(YEARLY, "event"), tables.values(YEARLY, "calendar_year")
    for event, year in product(events, years):
        total = (YEARLY, "n_population", event, year)
        measures = [
            (YEARLY, "n_persons", event, year, each) for each in tables.values(YEARLY, "measure")
        ]
        figures.add_rest(("others in the year", event, year), total, measures)
        if event == coded.DISEASE_RECORD:
            figures.add_rest(("no record in the year", year), N_COHORT, [total])
        elif tables.config is not None and int(year) > tables.config.audit.since.year:
            own = scored(coded.FIRST_BIOLOGIC_YEAR, year, None)
            figures.add_rest(("first biologic in the year, not scored", year), total, [own])
    first = [(YEARLY, "n_population", coded.FIRST_BIOLOGIC, year) for year in years]
    figures.declare_sum(whole(FIRST_BIOLOGIC_SINCE), first)
