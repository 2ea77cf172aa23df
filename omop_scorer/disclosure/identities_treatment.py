"""Identities of the treatment audits: next treatment, time until it, and preferred class."""

from itertools import product

from omop_scorer.disclosure import coded
from omop_scorer.disclosure.cells import Cell
from omop_scorer.disclosure.coded import ALL, BIOLOGIC_EXPOSED, UNKNOWN, WOMEN_50_AND_OVER
from omop_scorer.disclosure.identities import Tables, from_fifty
from omop_scorer.disclosure.identities_cohort import bar, excluded, persons, whole
from omop_scorer.terms import (
    AGE_OR_SEX_UNKNOWN,
    FIRST_ANTI_TNF,
    FIRST_BIOLOGIC,
    INDEX_RULES,
    NONE_NEXT,
)

TREATED, TIME, CONCORDANCE = "next_treatment", "next_treatment_time", "preference_concordance"

_SINCE = coded.FIRST_BIOLOGIC_SINCE

#: The key of the class that the index rule `first_anti_tnf` is about.
_ANTI_TNF = "anti_tnf"

#: Sex of each population by age and sex, and whether it is of 50 and over.
_SEX_AND_AGE = {
    coded.WOMEN_50_AND_OVER: (coded.FEMALE, True),
    coded.MEN_50_AND_OVER: (coded.MALE, True),
    coded.WOMEN_UNDER_50: (coded.FEMALE, False),
    coded.MEN_UNDER_50: (coded.MALE, False),
}


def link_treatment(tables: Tables) -> None:
    """Link next treatments with each other, with the pyramid and with the preferred classes."""
    figures = tables.figures
    rules = tables.values(TREATED, "index_rule")
    classes = tables.values(TREATED, "index_class")
    populations = tables.values(TREATED, "population")
    next_classes = tables.values(TREATED, "next_class")
    for population, rule, index_class in product(populations, rules, classes):
        key = (population, rule, index_class)
        figures.declare_sum(_indexed(*key), [_given(*key, each) for each in next_classes])
        with_next = [_given(*key, each) for each in next_classes if each not in NONE_NEXT]
        figures.declare_sum((TIME, "n_persons", *key), with_next)
        for each in next_classes:
            figures.add_rest(("not next", *key, each), _indexed(*key), [_given(*key, each)])
    for rule, index_class, next_class in product(rules, classes, (*next_classes, None)):
        cells = {each: _given(each, rule, index_class, next_class) for each in populations}
        _age_and_sex(tables, cells, ("age or sex unknown", rule, index_class, next_class or ALL))
    for population, rule, next_class in product(populations, rules, (*next_classes, None)):
        members = [_given(population, rule, c, next_class) for c in classes if c != ALL]
        figures.declare_sum(_given(population, rule, ALL, next_class), members)
    for population, next_class in product(populations, (*next_classes, None)):
        # A first biologic that is an anti-TNF is also the first anti-TNF.
        figures.add_rest(
            ("anti-TNF after another", population, next_class or ALL),
            _given(population, FIRST_ANTI_TNF, _ANTI_TNF, next_class),
            [_given(population, FIRST_BIOLOGIC, _ANTI_TNF, next_class)],
        )
    _known_otherwise(tables, populations, classes)
    _not_by_class(tables, populations, rules, classes, next_classes)
    _population_of_prevalence(tables)
    _preferred(tables, populations, next_classes)


def _indexed(population: str, rule: str, index_class: str) -> Cell:
    return (TREATED, "n_population", population, rule, index_class)


def _given(population: str, rule: str, index_class: str, next_class: str | None) -> Cell:
    """Return the cell of a next class (None: of any next class or none)."""
    if next_class is None:
        return _indexed(population, rule, index_class)
    return (TREATED, "n_persons", population, rule, index_class, next_class)


def _age_and_sex(tables: Tables, cells: dict[str, Cell], name: Cell) -> None:
    """Link the four groups of age and sex, and the persons outside them, with all persons."""
    groups = [cell for population, cell in cells.items() if population != ALL]
    if ALL in cells and groups:
        tables.figures.add_rest(name, cells[ALL], groups)


def _known_otherwise(tables: Tables, populations: list[str], classes: list[str]) -> None:
    """Link the first biologic with the first anti-TNF, with the dead and with the exposed."""
    figures = tables.figures
    is_as_of = tables.config is not None and tables.config.audit.age_at == "as_of"
    others = [each for each in classes if each not in (ALL, _ANTI_TNF)]
    # An anti-TNF right after another first biologic is the person's first one. If age is taken at
    # the index treatment, the two may count in different populations.
    for population in populations if is_as_of else [ALL]:
        figures.add_rest(
            ("anti-TNF later still", population),
            ("anti-TNF after another", population, ALL),
            [_given(population, FIRST_BIOLOGIC, each, _ANTI_TNF) for each in others],
        )
    figures.add_rest(
        ("left out, not dead without a next",),
        ("left out", _SINCE),
        [_given(ALL, FIRST_BIOLOGIC, ALL, coded.NONE_DIED)],
    )
    for rule in INDEX_RULES:
        dead = [_given(each, rule, ALL, coded.NONE_DIED) for each in populations if each != ALL]
        all_dead = excluded(tables, coded.DECEASED)
        figures.add_rest(("dead, counted elsewhere", rule), all_dead, dead)
    exposed = {ALL: whole(BIOLOGIC_EXPOSED)}
    if is_as_of:
        exposed[WOMEN_50_AND_OVER] = persons(BIOLOGIC_EXPOSED, WOMEN_50_AND_OVER)
    for population, total in exposed.items():
        figures.add_rest(
            ("exposed, no anti-TNF since", population),
            total,
            [_indexed(population, FIRST_ANTI_TNF, ALL)],
        )


def _not_by_class(
    tables: Tables,
    populations: list[str],
    rules: list[str],
    classes: list[str],
    next_classes: list[str],
) -> None:
    """Add the persons indexed on any class but one, by next class: the headline counts them."""
    figures = tables.figures
    for population, rule, left_out in product(populations, rules, classes):
        if left_out == ALL:
            continue
        for next_class in (*next_classes, None):
            figures.add_rest(
                ("indexed on another", population, rule, left_out, next_class or ALL),
                _given(population, rule, ALL, next_class),
                [_given(population, rule, left_out, next_class)],
            )


def _population_of_prevalence(tables: Tables) -> None:
    """Link the persons indexed on the first biologic with the same population of `prevalence`."""
    figures = tables.figures
    figures.declare_same(whole(_SINCE), _indexed(ALL, FIRST_BIOLOGIC, ALL))
    if tables.config is None or tables.config.audit.age_at != "as_of":
        return
    figures.declare_same(
        persons(_SINCE, WOMEN_50_AND_OVER), _indexed(WOMEN_50_AND_OVER, FIRST_BIOLOGIC, ALL)
    )
    figures.declare_same(
        persons(_SINCE, AGE_OR_SEX_UNKNOWN), ("age or sex unknown", FIRST_BIOLOGIC, ALL, ALL)
    )
    groups = [g for g in tables.values("age_sex_pyramid", "age_group") if g != UNKNOWN]
    older = set(from_fifty(groups))
    for population, (sex, is_older) in _SEX_AND_AGE.items():
        bars = [bar(_SINCE, group, sex) for group in groups if (group in older) == is_older]
        if bars:
            figures.declare_sum(_indexed(population, FIRST_BIOLOGIC, ALL), bars)


def _preferred(tables: Tables, populations: list[str], next_classes: list[str]) -> None:
    figures = tables.figures
    preferred = tables.values(CONCORDANCE, "preferred")
    if not preferred:
        return

    def cell(population: str, each: str, next_class: str) -> Cell:
        return (CONCORDANCE, "n_persons", population, each, next_class)

    for population in populations:
        for next_class in next_classes:
            members = [cell(population, each, next_class) for each in preferred]
            figures.declare_sum(_given(population, FIRST_BIOLOGIC, ALL, next_class), members)
        for each in preferred:
            figures.add_sum(
                ("preferred", population, each), [cell(population, each, n) for n in next_classes]
            )
        figures.declare_sum(
            _indexed(population, FIRST_BIOLOGIC, ALL),
            [("preferred", population, each) for each in preferred],
        )
    for each, next_class in product(preferred, next_classes):
        cells = {population: cell(population, each, next_class) for population in populations}
        _age_and_sex(tables, cells, ("age or sex unknown", "preferred", each, next_class))
    for each in preferred:
        totals: dict[str, Cell] = {p: ("preferred", p, each) for p in populations}
        _age_and_sex(tables, totals, ("age or sex unknown", "preferred", each, ALL))
