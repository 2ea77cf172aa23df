"""What was given next, after how long, and what the models preferred."""

from itertools import product

from omop_scorer.disclosure.cells import Cell
from omop_scorer.disclosure.identities import Tables, from_fifty
from omop_scorer.disclosure.identities_cohort import (
    ALL,
    UNKNOWN,
    WOMEN_FROM_50,
    bar,
    excluded,
    persons,
    whole,
)

TREATED, TIME, CONCORDANCE = "next_treatment", "next_treatment_time", "preference_concordance"

FIRST_BIOLOGIC, FIRST_ANTI_TNF = "first_biologic", "first_anti_tnf"

_SINCE = "first_biologic_since"


def link_treatment(tables: Tables) -> None:
    """Link the next treatments with each other, with the pyramid and with what was preferred."""
    figures = tables.figures
    rules = tables.values(TREATED, "index_rule")
    classes = tables.values(TREATED, "index_class")
    populations = tables.values(TREATED, "population")
    next_classes = tables.values(TREATED, "next_class")
    for population, rule, index_class in product(populations, rules, classes):
        key = (population, rule, index_class)
        figures.is_sum(_indexed(*key), [_given(*key, each) for each in next_classes])
        with_next = [_given(*key, each) for each in next_classes if not each.startswith("none_")]
        figures.is_sum((TIME, "n_persons", *key), with_next)
        for each in next_classes:
            figures.rest(("not next", *key, each), _indexed(*key), [_given(*key, each)])
    for rule, index_class, next_class in product(rules, classes, (*next_classes, None)):
        cells = {each: _given(each, rule, index_class, next_class) for each in populations}
        _age_and_sex(tables, cells, ("age or sex unknown", rule, index_class, next_class or ALL))
    for population, rule, next_class in product(populations, rules, (*next_classes, None)):
        members = [_given(population, rule, c, next_class) for c in classes if c != ALL]
        figures.is_sum(_given(population, rule, ALL, next_class), members)
    for population, next_class in product(populations, (*next_classes, None)):
        # A first biologic that is an anti-TNF is the first anti-TNF too.
        figures.rest(
            ("anti-TNF after another", population, next_class or ALL),
            _given(population, FIRST_ANTI_TNF, "anti_tnf", next_class),
            [_given(population, FIRST_BIOLOGIC, "anti_tnf", next_class)],
        )
    _known_otherwise(tables, populations, classes)
    _not_by_class(tables, populations, rules, classes, next_classes)
    _population_of_prevalence(tables)
    _preferred(tables, populations, next_classes)


def _indexed(population: str, rule: str, index_class: str) -> Cell:
    return (TREATED, "n_population", population, rule, index_class)


def _given(population: str, rule: str, index_class: str, next_class: str | None) -> Cell:
    """Return the cell of a next class, or of all of them (None)."""
    if next_class is None:
        return _indexed(population, rule, index_class)
    return (TREATED, "n_persons", population, rule, index_class, next_class)


def _age_and_sex(tables: Tables, cells: dict[str, Cell], name: Cell) -> None:
    """Sum the four groups of age and sex, and those of whom one is not known, to all."""
    groups = [cell for population, cell in cells.items() if population != ALL]
    if ALL in cells and groups:
        tables.figures.rest(name, cells[ALL], groups)


def _known_otherwise(tables: Tables, populations: list[str], classes: list[str]) -> None:
    """Link what the first biologic tells of a first anti-TNF, of the dead and of the exposed."""
    figures = tables.figures
    is_as_of = tables.config is not None and tables.config.audit.age_at == "as_of"
    others = [each for each in classes if each not in (ALL, "anti_tnf")]
    # Right after another first biologic an anti-TNF is the person's first. Where the age is that at
    # the index, the two may count in different populations.
    for population in populations if is_as_of else [ALL]:
        figures.rest(
            ("anti-TNF later still", population),
            ("anti-TNF after another", population, ALL),
            [_given(population, FIRST_BIOLOGIC, each, "anti_tnf") for each in others],
        )
    figures.rest(
        ("left out, not dead without a next",),
        ("left out", _SINCE),
        [_given(ALL, FIRST_BIOLOGIC, ALL, "none_died")],
    )
    for rule in (FIRST_BIOLOGIC, FIRST_ANTI_TNF):
        dead = [_given(each, rule, ALL, "none_died") for each in populations if each != ALL]
        figures.rest(("dead, counted elsewhere", rule), excluded(tables, "deceased"), dead)
    exposed = {ALL: whole("biologic_exposed")}
    if is_as_of:
        exposed[WOMEN_FROM_50] = persons("biologic_exposed", WOMEN_FROM_50)
    for population, total in exposed.items():
        figures.rest(
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
    """Add who was indexed on any class but one, by what was next: the headline counts them."""
    figures = tables.figures
    for population, rule, left_out in product(populations, rules, classes):
        if left_out == ALL:
            continue
        for next_class in (*next_classes, None):
            figures.rest(
                ("indexed on another", population, rule, left_out, next_class or ALL),
                _given(population, rule, ALL, next_class),
                [_given(population, rule, left_out, next_class)],
            )


def _population_of_prevalence(tables: Tables) -> None:
    """Find those indexed on the first biologic in the population who have it since then."""
    figures = tables.figures
    figures.same(whole(_SINCE), _indexed(ALL, FIRST_BIOLOGIC, ALL))
    if tables.config is None or tables.config.audit.age_at != "as_of":
        return
    figures.same(persons(_SINCE, WOMEN_FROM_50), _indexed(WOMEN_FROM_50, FIRST_BIOLOGIC, ALL))
    figures.same(
        persons(_SINCE, "age_or_sex_unknown"), ("age or sex unknown", FIRST_BIOLOGIC, ALL, ALL)
    )
    groups = [g for g in tables.values("age_sex_pyramid", "age_group") if g != UNKNOWN]
    older = set(from_fifty(groups))
    for population, sex, is_older in (
        ("women_50_and_over", "female", True),
        ("men_50_and_over", "male", True),
        ("women_under_50", "female", False),
        ("men_under_50", "male", False),
    ):
        bars = [bar(_SINCE, group, sex) for group in groups if (group in older) == is_older]
        if bars:
            figures.is_sum(_indexed(population, FIRST_BIOLOGIC, ALL), bars)


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
            figures.is_sum(_given(population, FIRST_BIOLOGIC, ALL, next_class), members)
        for each in preferred:
            figures.sum(
                ("preferred", population, each), [cell(population, each, n) for n in next_classes]
            )
        figures.is_sum(
            _indexed(population, FIRST_BIOLOGIC, ALL),
            [("preferred", population, each) for each in preferred],
        )
    for each, next_class in product(preferred, next_classes):
        cells = {population: cell(population, each, next_class) for population in populations}
        _age_and_sex(tables, cells, ("age or sex unknown", "preferred", each, next_class))
    for each in preferred:
        totals: dict[str, Cell] = {p: ("preferred", p, each) for p in populations}
        _age_and_sex(tables, totals, ("age or sex unknown", "preferred", each, ALL))
