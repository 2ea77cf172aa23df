"""Identities of the cohort and its scored patients: attrition, strata, prevalence, pyramid."""

from collections.abc import Sequence
from itertools import pairwise

from omop_scorer import terms
from omop_scorer.disclosure import coded
from omop_scorer.disclosure.cells import Cell
from omop_scorer.disclosure.coded import ALL, UNKNOWN, WOMEN_50_AND_OVER
from omop_scorer.disclosure.identities import (
    N_COHORT,
    N_SCORED,
    Tables,
    ages_of,
    from_fifty,
    scored,
)
from omop_scorer.disclosure.identities_groups import link_groups
from omop_scorer.model.subgroups import first_group
from omop_scorer.terms import AGE_OR_SEX_UNKNOWN, POPULATIONS

#: The ending of the measures of prevalence that count a class alone on top.
_ON_TOP = terms.alone_on_top("")


def link_cohort(tables: Tables) -> None:
    """Link attrition, subgroups, prevalence and the age-sex pyramid."""
    _attrition(tables)
    for subgroup in (None, *tables.labels, *tables.groups):
        _strata(tables, subgroup)
        _women_and_men(tables, subgroup)
    for stratum in tables.values("subgroup_summary", "stratum"):
        for value in tables.stratum(stratum, None):
            members = [scored(stratum, value, subgroup) for subgroup in tables.labels]
            tables.figures.declare_sum(scored(stratum, value, None), members)
    link_groups(tables)
    _prevalence(tables)
    _nested_populations(tables)
    _pyramid(tables)
    _alone_on_top(tables)
    _left_out(tables)


def _attrition(tables: Tables) -> None:
    figures = tables.figures
    steps = tables.values("attrition", "step")
    for before, step in pairwise(steps):
        left, excluded = ("attrition", "n_persons", step), ("attrition", "n_excluded", step)
        figures.declare_sum(("attrition", "n_persons", before), (left, excluded))
    if steps:
        figures.declare_same(N_COHORT, ("attrition", "n_persons", steps[0]))
        figures.declare_same(N_SCORED, ("attrition", "n_persons", steps[-1]))
        left_out = [("attrition", "n_excluded", step) for step in steps[1:]]
        figures.add_sum(("left out", ALL), left_out)
    figures.add_rest(("left out", ALL), N_COHORT, [N_SCORED])
    figures.declare_same(N_SCORED, scored(ALL, ALL, None))


def _strata(tables: Tables, subgroup: str | None) -> None:
    """Link the values of each stratum with all patients, and earlier anti-TNF with the treated."""
    figures = tables.figures
    total = scored(ALL, ALL, subgroup)
    for stratum in tables.values("subgroup_summary", "stratum"):
        cells = tables.stratum(stratum, subgroup).values()
        # The groups are not divided by themselves.
        if stratum != ALL and any(cell in figures for cell in cells):
            figures.declare_sum(total, cells)
    name = subgroup or ALL
    years = tables.stratum(coded.FIRST_BIOLOGIC_YEAR, subgroup)
    treated = figures.add_sum(
        ("treated", name), [cell for year, cell in years.items() if year != coded.NONE]
    )
    figures.add_rest(
        ("treated without an anti-TNF before", name),
        treated,
        [scored(coded.PRIOR_ANTI_TNF, coded.YES, subgroup)],
    )


def _women_and_men(tables: Tables, subgroup: str | None) -> None:
    """Link the four groups of age and sex with sex, age group and women of 50 and over."""
    figures, name = tables.figures, subgroup or ALL
    by_age = tables.stratum(coded.AGE_GROUP, subgroup)
    women = scored(WOMEN_50_AND_OVER, coded.YES, subgroup)
    if women not in figures:
        return
    from_50 = figures.add_sum(
        ("scored from 50", name), [by_age[group] for group in from_fifty([*by_age])]
    )
    all_women, all_men = (scored(coded.SEX, sex, subgroup) for sex in (coded.FEMALE, coded.MALE))
    figures.add_rest(("scored women under 50", name), all_women, [women])
    men = figures.add_rest(("scored men from 50", name), from_50, [women])
    figures.add_rest(("scored men under 50", name), all_men, [men])


def persons(population: str, measure: str) -> Cell:
    """Return the cell of a measure of `prevalence`."""
    return ("prevalence", "n_persons", population, measure)


def whole(population: str, *, is_scored: bool = False) -> Cell:
    """Return the cell of a population of `prevalence`, or of its scored patients."""
    return ("population", "scored" if is_scored else ALL, population)


def is_alone_on_top(measure: str) -> bool:
    """Return True if a measure of `prevalence` counts a class alone on top, of scored patients."""
    return measure.endswith(_ON_TOP)


def _prevalence(tables: Tables) -> None:
    figures = tables.figures
    measures = tables.values("prevalence", "measure")
    races = [measure for measure in measures if measure in terms.RACES]
    on_top = [measure for measure in measures if is_alone_on_top(measure)]
    for population in POPULATIONS:
        for measure in measures:
            is_scored = measure in on_top
            cell = ("prevalence", "n_population", population, measure)
            total = whole(population, is_scored=is_scored)
            if cell in figures:
                figures.add(total, figures[cell])
            figures.declare_same(total, cell)
            figures.add_rest(("not so", population, measure), total, [persons(population, measure)])
        if races:
            figures.declare_sum(whole(population), [persons(population, race) for race in races])
        figures.add_rest(
            ("no class alone on top", population),
            whole(population, is_scored=True),
            [persons(population, measure) for measure in on_top],
        )
        left_out = ("left out", population)
        figures.add_rest(left_out, whole(population), [whole(population, is_scored=True)])
    figures.declare_same(N_COHORT, whole(POPULATIONS[0]))
    figures.declare_same(N_SCORED, whole(POPULATIONS[0], is_scored=True))
    figures.declare_same(("left out", ALL), ("left out", POPULATIONS[0]))


def _nested_populations(tables: Tables) -> None:
    """Add the persons of a population who are not in the next smaller one, by every measure."""
    figures = tables.figures
    for outer, inner in pairwise(POPULATIONS):
        for is_scored in (False, True):
            total = ("only in", outer, str(is_scored))
            figures.add_rest(
                total, whole(outer, is_scored=is_scored), [whole(inner, is_scored=is_scored)]
            )
            for measure in tables.values("prevalence", "measure"):
                if is_alone_on_top(measure) == is_scored:
                    only = figures.add_rest(
                        ("only in", outer, measure),
                        persons(outer, measure),
                        [persons(inner, measure)],
                    )
                    figures.add_rest(("only in", outer, "not", measure), total, [only])
        figures.add_rest(("left out, only in", outer), ("left out", outer), [("left out", inner)])
        for group in tables.values("age_sex_pyramid", "age_group"):
            for sex in tables.values("age_sex_pyramid", "sex"):
                figures.add_rest(
                    ("only in", outer, group, sex),
                    bar(outer, group, sex),
                    [bar(inner, group, sex)],
                )


def bar(population: str, group: str, sex: str) -> Cell:
    """Return a cell of the age-sex pyramid."""
    return ("age_sex_pyramid", "n_persons", population, group, sex)


def _pyramid(tables: Tables) -> None:
    figures = tables.figures
    groups = tables.values("age_sex_pyramid", "age_group")
    sexes = tables.values("age_sex_pyramid", "sex")
    for population in POPULATIONS:
        for group in groups:
            bars = [bar(population, group, sex) for sex in sexes]
            figures.add_sum(("of age", population, group), bars)
        for sex in sexes:
            bars = [bar(population, group, sex) for group in groups]
            figures.add_sum(("of sex", population, sex), bars)
        if groups:
            figures.declare_sum(whole(population), [("of age", population, g) for g in groups])
            figures.declare_sum(whole(population), [("of sex", population, s) for s in sexes])
            figures.declare_sum(
                persons(population, WOMEN_50_AND_OVER),
                [bar(population, group, coded.FEMALE) for group in from_fifty(groups)],
            )
            no_sex = figures.add_sum(
                ("sex alone unknown", population),
                [bar(population, group, UNKNOWN) for group in groups if group != UNKNOWN],
            )
            figures.declare_sum(
                persons(population, AGE_OR_SEX_UNKNOWN),
                (("of age", population, UNKNOWN), no_sex),
            )
    cohort = POPULATIONS[0]
    figures.declare_same(excluded(tables, coded.YEAR_OF_BIRTH_UNKNOWN), ("of age", cohort, UNKNOWN))
    figures.declare_same(excluded(tables, coded.SEX_UNKNOWN), ("sex alone unknown", cohort))


def _alone_on_top(tables: Tables) -> None:
    """Link each class alone on top with the labels that rank it there."""
    years = [y for y in tables.stratum(coded.FIRST_BIOLOGIC_YEAR, None) if y != coded.NONE]
    for label, key in tables.classes.items():
        labels = [each for each in tables.labels if first_group(each) == label]
        totals = [persons(population, terms.alone_on_top(key)) for population in POPULATIONS]
        _on_top_of(tables, years, labels, totals, label)
    _on_top_of(tables, years, [None], [whole(each, is_scored=True) for each in POPULATIONS], ALL)


def _on_top_of(
    tables: Tables,
    years: list[str],
    labels: Sequence[str | None],
    totals: list[Cell],
    name: str,
) -> None:
    figures = tables.figures

    def of(which: list[str]) -> list[Cell]:
        return [scored(coded.FIRST_BIOLOGIC_YEAR, year, each) for year in which for each in labels]

    everyone, treated, since = totals
    figures.declare_sum(everyone, [scored(ALL, ALL, label) for label in labels])
    if not years or tables.config is None:
        return
    figures.declare_sum(treated, of(years))
    first = tables.config.audit.since
    after = of([year for year in years if int(year) > first.year])
    straddling = of([year for year in years if int(year) == first.year])
    if (first.month, first.day) == (1, 1):
        figures.declare_sum(since, [*after, *straddling])
    else:
        since_then = figures.add_rest(("since, first year", name), since, after)
        first_year = figures.add_sum(("first year", name), straddling)
        figures.add_rest(("before, first year", name), first_year, [since_then])


def _left_out(tables: Tables) -> None:
    """Add the persons who are not scored, by each division of both the cohort and the scored."""
    figures, cohort = tables.figures, POPULATIONS[0]
    pairs: dict[Cell, tuple[str, str]] = {}
    for group in tables.values("age_sex_pyramid", "age_group"):
        pairs["of age", cohort, group] = (coded.AGE_GROUP, group)
    for sex in tables.values("age_sex_pyramid", "sex"):
        pairs["of sex", cohort, sex] = (coded.SEX, sex)
    for race in tables.values("prevalence", "measure"):
        if race in terms.RACES:
            # The stratum has the same word for every unknown value.
            value = UNKNOWN if race == terms.RACE_UNKNOWN else race
            pairs[persons(cohort, race)] = (coded.RACE, value)
    pairs[persons(cohort, WOMEN_50_AND_OVER)] = (WOMEN_50_AND_OVER, coded.YES)
    for cell, (stratum, value) in pairs.items():
        figures.add_rest(("left out", stratum, value), cell, [scored(stratum, value, None)])
    for population in POPULATIONS:
        # A person without an age or a sex is not scored.
        figures.add_rest(
            ("left out, age and sex known", population),
            ("left out", population),
            [persons(population, AGE_OR_SEX_UNKNOWN)],
        )
    if tables.config is None:
        return
    # In an age group that is scored, only the dead and persons of unknown sex are left out.
    cohort_ages = tables.config.cohort
    scored_ages = [
        group
        for group in tables.values("age_sex_pyramid", "age_group")
        if (ages := ages_of(group)) is not None
        and cohort_ages.age_minimum <= ages[0]
        and ages[1] <= cohort_ages.age_maximum
    ]
    reasons = figures.add_sum(
        ("dead or sex unknown",),
        [excluded(tables, coded.DECEASED), excluded(tables, coded.SEX_UNKNOWN)],
    )
    of_that_age = figures.add_sum(
        ("left out", "of an age that is scored"),
        [("left out", coded.AGE_GROUP, group) for group in scored_ages],
    )
    figures.add_rest(("dead or sex unknown, of another age",), reasons, [of_that_age])


def excluded(tables: Tables, reason: str) -> Cell:
    """Return the cell of the persons whom a reason excludes."""
    (step,) = tables.values("attrition", "step", reason=reason) or ("",)
    return ("attrition", "n_excluded", step)
