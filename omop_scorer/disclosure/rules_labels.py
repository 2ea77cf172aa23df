"""Links between preference groups, the labels that they join, and the classes on top."""

from collections.abc import Callable, Sequence

from omop_scorer import terms
from omop_scorer.disclosure import coded
from omop_scorer.disclosure.cells import Cell
from omop_scorer.disclosure.coded import ALL
from omop_scorer.disclosure.identities import Tables, scored
from omop_scorer.disclosure.years import years_of
from omop_scorer.model.subgroups import first_group, preference_group
from omop_scorer.terms import POPULATIONS

GROUPS = "preference_summary"


def link_preference_groups(tables: Tables) -> None:
    """Link each preference group with its labels, wherever both are counted."""
    figures = tables.figures
    for stratum in tables.values(GROUPS, "stratum"):
        for value in tables.values(GROUPS, "stratum_value", stratum=stratum):
            for group in tables.values(GROUPS, "preference_group"):
                labels = [each for each in tables.labels if _group(tables, each) == group]
                cells = [scored(stratum, value, label) for label in labels]
                if any(cell in figures for cell in cells):
                    figures.declare_sum(grouped(stratum, value, group), cells)
    for group in tables.values(GROUPS, "preference_group"):
        figures.declare_same(grouped(ALL, ALL, group), scored(coded.PREFERENCE_GROUP, group, None))


def grouped(stratum: str, value: str, group: str) -> Cell:
    """Return the cell of the scored patients of a stratum value with a preference group."""
    return (GROUPS, "n_persons", stratum, value, group)


def _group(tables: Tables, label: str) -> str | None:
    """Return the preference group of a label; None if the card is not known."""
    return preference_group(label, tables.classes) if tables.classes else None


def link_classes_alone_on_top(tables: Tables) -> None:
    """Link each class alone on top with the labels, or the group, that rank it there."""
    for label, key in tables.classes.items():
        measure = terms.alone_on_top(key)
        cells: list[Cell] = [("prevalence", "n_persons", each, measure) for each in POPULATIONS]
        labels = [each for each in tables.labels if first_group(each) == label]

        def of(stratum: str, value: str) -> list[Cell]:
            if GROUPS in tables.frames:
                return [grouped(stratum, value, terms.alone(key))]  # noqa: B023
            return [scored(stratum, value, each) for each in labels]  # noqa: B023

        _on_top_of(tables, cells, of, label)
    _on_top_of(
        tables,
        [("~scored_of", each) for each in POPULATIONS],
        lambda stratum, value: [scored(stratum, value, None)],
        ALL,
    )


def _on_top_of(
    tables: Tables, populations: Sequence[Cell], at: Callable[[str, str], list[Cell]], name: str
) -> None:
    """Link some labels in all patients, in those treated, and in those treated since a date."""
    figures = tables.figures
    everyone, treated, since = populations
    figures.declare_sum(everyone, at(ALL, ALL))
    years = [y for y in tables.stratum(coded.FIRST_BIOLOGIC_YEAR, None) if y != coded.NONE]

    def of(which: list[str]) -> list[Cell]:
        return [cell for year in which for cell in at(coded.FIRST_BIOLOGIC_YEAR, year)]

    if not years or tables.config is None or any(cell not in figures for cell in of(years)):
        return
    figures.declare_sum(treated, of(years))
    first = tables.config.audit.since
    after = of([each for each in years if years_of(each)[0] > first.year])
    straddling = of([each for each in years if years_of(each) == (first.year, first.year)])
    if (first.month, first.day) == (1, 1):
        figures.declare_sum(since, [*after, *straddling])
    else:
        since_then = figures.add_rest(("since, first year", name), since, after)
        first_year = figures.add_sum(("first year", name), straddling)
        figures.add_rest(("before, first year", name), first_year, [since_then])
