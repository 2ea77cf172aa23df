"""Links between who would be treated otherwise and the treatments by preference group."""

from omop_scorer import terms
from omop_scorer.disclosure.cells import Cell
from omop_scorer.disclosure.coded import ALL
from omop_scorer.disclosure.identities import Tables
from omop_scorer.terms import ANOTHER, NONE, ON_TOP

_OTHERWISE, _NOW = "treated_otherwise", "current_treatment"


def link_treated_otherwise(tables: Tables) -> None:
    """Link patients with one class alone on top with the treatments of their groups and of all.

    Where the groups are not printed, both are part of the treatments of all groups.
    """
    classes = [] if tables.card is None else [each.key for each in tables.card.classes]
    for population in tables.values(_OTHERWISE, "population"):
        alone: Cell = ("~alone", population)
        groups = [("~now", population, terms.alone(key), ALL) for key in classes]
        if groups and all(group in tables.figures for group in groups):
            tables.figures.declare_sum(alone, groups)
        tables.figures.add_rest(
            ("not alone on top", population), ("~now", population, ALL, ALL), [alone]
        )
        for treatment in tables.values(_OTHERWISE, "treatment", population=population):
            _link(tables, population, treatment, classes)


def _link(tables: Tables, population: str, treatment: str, classes: list[str]) -> None:
    figures = tables.figures

    def now(group: str, drug_class: str) -> Cell:
        return (_NOW, "n_persons", population, treatment, group, ALL, drug_class)

    def otherwise(drug: str) -> Cell:
        return (_OTHERWISE, "n_persons", population, treatment, drug)

    parts = {
        ON_TOP: [now(terms.alone(key), key) for key in classes],
        NONE: [now(terms.alone(key), NONE) for key in classes],
        ANOTHER: [
            now(terms.alone(key), other)
            for key in classes
            for other in terms.drug_classes(classes)
            if other not in (key, NONE)
        ],
    }
    for drug, cells in parts.items():
        if cells and all(cell in figures for cell in cells):
            figures.declare_sum(otherwise(drug), cells)
    figures.add_rest(("none, not alone", population, treatment), now(ALL, NONE), [otherwise(NONE)])
    used = [now(ALL, key) for key in terms.drug_classes(classes) if key != NONE]
    if all(cell in figures for cell in used):
        total = figures.add_sum(("used", population, treatment), used)
        figures.add_rest(
            ("used, not alone", population, treatment),
            total,
            [otherwise(ON_TOP), otherwise(ANOTHER)],
        )
