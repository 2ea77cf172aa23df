"""Who is in the cohort, who of it is scored, and what each is divided by."""

from collections.abc import Sequence
from itertools import pairwise

from omop_scorer.disclosure.cells import Cell
from omop_scorer.disclosure.identities import (
    N_COHORT,
    N_SCORED,
    Tables,
    from_fifty,
    lowest_age,
    scored,
)
from omop_scorer.model.subgroups import first_group

ALL = "all"

UNKNOWN = "unknown"

RACE_UNKNOWN = "race_unknown"

OLDEST = "85 and over"

#: Each holds the next.
POPULATIONS = ("crohns_disease", "biologic_exposed", "first_biologic_since")

ALONE_ON_TOP = "_alone_on_top"

WOMEN_FROM_50 = "women_50_and_over"


def link_cohort(tables: Tables) -> None:
    """Link attrition, subgroups, prevalence and the pyramid."""
    _attrition(tables)
    for subgroup in (None, *tables.labels):
        _strata(tables, subgroup)
        _women_and_men(tables, subgroup)
    for stratum in tables.values("subgroup_summary", "stratum"):
        for value in tables.stratum(stratum, None):
            members = [scored(stratum, value, subgroup) for subgroup in tables.labels]
            tables.figures.is_sum(scored(stratum, value, None), members)
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
        figures.is_sum(("attrition", "n_persons", before), (left, excluded))
    if steps:
        figures.same(N_COHORT, ("attrition", "n_persons", steps[0]))
        figures.same(N_SCORED, ("attrition", "n_persons", steps[-1]))
        figures.sum(("left out", "all"), [("attrition", "n_excluded", step) for step in steps[1:]])
    figures.rest(("left out", "all"), N_COHORT, [N_SCORED])
    figures.same(N_SCORED, scored(ALL, ALL, None))


def _strata(tables: Tables, subgroup: str | None) -> None:
    """Sum the values of each stratum to everybody; of those treated, some had an anti-TNF."""
    figures = tables.figures
    total = scored(ALL, ALL, subgroup)
    for stratum in tables.values("subgroup_summary", "stratum"):
        if stratum != ALL:
            figures.is_sum(total, tables.stratum(stratum, subgroup).values())
    name = subgroup or ALL
    years = tables.stratum("first_biologic_year", subgroup)
    treated = figures.sum(
        ("treated", name), [cell for year, cell in years.items() if year != "none"]
    )
    figures.rest(
        ("treated without an anti-TNF before", name),
        treated,
        [scored("prior_anti_tnf", "yes", subgroup)],
    )


def _women_and_men(tables: Tables, subgroup: str | None) -> None:
    """Tell four groups of age and sex by sex, age group and women of 50 and over."""
    figures, name = tables.figures, subgroup or ALL
    older = tables.stratum("age_group", subgroup)
    women = scored(WOMEN_FROM_50, "yes", subgroup)
    if women not in figures:
        return
    from_50 = figures.sum(
        ("scored from 50", name), [older[group] for group in from_fifty([*older])]
    )
    figures.rest(("scored women under 50", name), scored("sex", "female", subgroup), [women])
    men = figures.rest(("scored men from 50", name), from_50, [women])
    figures.rest(("scored men under 50", name), scored("sex", "male", subgroup), [men])


def persons(population: str, measure: str) -> Cell:
    """Return the cell of a measure of prevalence."""
    return ("prevalence", "n_persons", population, measure)


def whole(population: str, *, is_scored: bool = False) -> Cell:
    """Return the cell of a population of prevalence, or of the scored of it."""
    return ("population", "scored" if is_scored else ALL, population)


def _prevalence(tables: Tables) -> None:
    figures = tables.figures
    measures = tables.values("prevalence", "measure")
    races = [measure for measure in measures if measure.startswith("race_")]
    on_top = [measure for measure in measures if measure.endswith(ALONE_ON_TOP)]
    for population in POPULATIONS:
        for measure in measures:
            is_scored = measure in on_top
            cell = ("prevalence", "n_population", population, measure)
            total = whole(population, is_scored=is_scored)
            if cell in figures:
                figures.add(total, figures[cell])
            figures.same(total, cell)
            figures.rest(("not so", population, measure), total, [persons(population, measure)])
        if races:
            figures.is_sum(whole(population), [persons(population, race) for race in races])
        figures.rest(
            ("no class alone on top", population),
            whole(population, is_scored=True),
            [persons(population, measure) for measure in on_top],
        )
        left_out = ("left out", population)
        figures.rest(left_out, whole(population), [whole(population, is_scored=True)])
    figures.same(N_COHORT, whole(POPULATIONS[0]))
    figures.same(N_SCORED, whole(POPULATIONS[0], is_scored=True))
    figures.same(("left out", "all"), ("left out", POPULATIONS[0]))


def _nested_populations(tables: Tables) -> None:
    """Who is in a population and not in the smaller one, by every measure."""
    figures = tables.figures
    for outer, inner in pairwise(POPULATIONS):
        for is_scored in (False, True):
            total = ("only in", outer, str(is_scored))
            figures.rest(
                total, whole(outer, is_scored=is_scored), [whole(inner, is_scored=is_scored)]
            )
            for measure in tables.values("prevalence", "measure"):
                if measure.endswith(ALONE_ON_TOP) == is_scored:
                    only = figures.rest(
                        ("only in", outer, measure),
                        persons(outer, measure),
                        [persons(inner, measure)],
                    )
                    figures.rest(("only in", outer, "not", measure), total, [only])
        figures.rest(("left out, only in", outer), ("left out", outer), [("left out", inner)])
        for group in tables.values("age_sex_pyramid", "age_group"):
            for sex in tables.values("age_sex_pyramid", "sex"):
                figures.rest(
                    ("only in", outer, group, sex),
                    bar(outer, group, sex),
                    [bar(inner, group, sex)],
                )


def bar(population: str, group: str, sex: str) -> Cell:
    """Return a cell of the pyramid."""
    return ("age_sex_pyramid", "n_persons", population, group, sex)


def _pyramid(tables: Tables) -> None:
    figures = tables.figures
    groups = tables.values("age_sex_pyramid", "age_group")
    sexes = tables.values("age_sex_pyramid", "sex")
    for population in POPULATIONS:
        for group in groups:
            figures.sum(("of age", population, group), [bar(population, group, s) for s in sexes])
        for sex in sexes:
            figures.sum(("of sex", population, sex), [bar(population, g, sex) for g in groups])
        if groups:
            figures.is_sum(whole(population), [("of age", population, g) for g in groups])
            figures.is_sum(whole(population), [("of sex", population, s) for s in sexes])
            figures.is_sum(
                persons(population, WOMEN_FROM_50),
                [bar(population, group, "female") for group in from_fifty(groups)],
            )
            no_sex = figures.sum(
                ("sex alone unknown", population),
                [bar(population, group, UNKNOWN) for group in groups if group != UNKNOWN],
            )
            figures.is_sum(
                persons(population, "age_or_sex_unknown"),
                (("of age", population, UNKNOWN), no_sex),
            )
    cohort = POPULATIONS[0]
    figures.same(excluded(tables, "year_of_birth_unknown"), ("of age", cohort, UNKNOWN))
    figures.same(excluded(tables, "sex_unknown"), ("sex alone unknown", cohort))


def _alone_on_top(tables: Tables) -> None:
    """Count a class alone on top in those whose label puts it there."""
    years = [y for y in tables.stratum("first_biologic_year", None) if y != "none"]
    for label, key in tables.classes.items():
        labels = [each for each in tables.labels if first_group(each) == label]
        totals = [persons(population, f"{key}{ALONE_ON_TOP}") for population in POPULATIONS]
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
        return [scored("first_biologic_year", year, each) for year in which for each in labels]

    everybody, treated, since = totals
    figures.is_sum(everybody, [scored(ALL, ALL, label) for label in labels])
    if not years or tables.config is None:
        return
    figures.is_sum(treated, of(years))
    first = tables.config.audit.since
    after = of([year for year in years if int(year) > first.year])
    straddling = of([year for year in years if int(year) == first.year])
    if (first.month, first.day) == (1, 1):
        figures.is_sum(since, [*after, *straddling])
    else:
        in_time = figures.rest(("since, first year", name), since, after)
        figures.rest(
            ("before, first year", name), figures.sum(("first year", name), straddling), [in_time]
        )


def _left_out(tables: Tables) -> None:
    """Who of the cohort is not scored, by what both the cohort and the scored are divided by."""
    figures, cohort = tables.figures, POPULATIONS[0]
    pairs: dict[Cell, tuple[str, str]] = {}
    for group in tables.values("age_sex_pyramid", "age_group"):
        pairs["of age", cohort, group] = ("age_group", group)
    for sex in tables.values("age_sex_pyramid", "sex"):
        pairs["of sex", cohort, sex] = ("sex", sex)
    for race in tables.values("prevalence", "measure"):
        if race.startswith("race_"):
            # Of a stratum, unknown is called so whatever is unknown.
            pairs[persons(cohort, race)] = ("race", UNKNOWN if race == RACE_UNKNOWN else race)
    pairs[persons(cohort, WOMEN_FROM_50)] = (WOMEN_FROM_50, "yes")
    for cell, (stratum, value) in pairs.items():
        figures.rest(("left out", stratum, value), cell, [scored(stratum, value, None)])
    for population in POPULATIONS:
        # Without an age or a sex nobody is scored.
        figures.rest(
            ("left out, age and sex known", population),
            ("left out", population),
            [persons(population, "age_or_sex_unknown")],
        )
    if tables.config is None:
        return
    # Of an age that is scored, only the dead and those of unknown sex are left out.
    ages = tables.config.cohort
    scored_ages = [
        group
        for group in tables.values("age_sex_pyramid", "age_group")
        if (lowest := lowest_age(group)) is not None
        and ages.age_minimum <= lowest
        and lowest + 4 <= ages.age_maximum
        and group != OLDEST
    ]
    reasons = figures.sum(
        ("dead or sex unknown",), [excluded(tables, "deceased"), excluded(tables, "sex_unknown")]
    )
    of_that_age = figures.sum(
        ("left out", "of an age that is scored"),
        [("left out", "age_group", group) for group in scored_ages],
    )
    figures.rest(("dead or sex unknown, of another age",), reasons, [of_that_age])


def excluded(tables: Tables, reason: str) -> Cell:
    """Return the cell of those whom a reason leaves out."""
    (step,) = tables.values("attrition", "step", reason=reason) or ("",)
    return ("attrition", "n_excluded", step)
