"""The cohort section: attrition, age and sex, and race."""

from markupsafe import Markup

from omop_scorer import terms
from omop_scorer.disclosure import coded
from omop_scorer.report.blocks import Block, Cell, Heading, Image, Prose, Section, Table
from omop_scorer.report.charts import bars as charts
from omop_scorer.report.charts import distributions, flows
from omop_scorer.report.context import (
    Context,
    added,
    missing,
    only_row,
    pick,
    rows_of,
    share_of,
    with_share,
)
from omop_scorer.report.words import POPULATIONS, count, number, race, sentence, share, short, whole

#: The smallest number of persons for which the outline of the health system is drawn.
_MINIMUM_COMPARED = 20


def section(context: Context) -> Section:
    """Return the section on attrition, age, sex and race."""
    blocks: list[Block] = [*_attrition(context)]
    blocks += [Heading("Age and sex"), *_pyramids(context)]
    blocks += [Heading("Race"), *_race(context)]
    title = "Cohort and exclusions"
    return Section("cohort", title, _lead(context), blocks, context.notes.new())


def _lead(context: Context) -> str:
    steps = context.data.table("attrition")
    if steps is None:
        return "This run has no figures on exclusions."
    rows = list(rows_of(steps))
    if whole(rows[0]["n_persons"]) == 0:
        return "No person of the CDM is in the cohort."
    if None in (whole(rows[0]["n_persons"]), whole(rows[-1]["n_persons"])):
        return "The number of patients scored is not shown, because it would reveal a small count."
    largest = max(rows[1:], key=lambda row: number(row["n_excluded"]) or 0, default=None)
    first, last = count(rows[0]["n_persons"]), count(rows[-1]["n_persons"])
    lead = f"Of {first} persons {context.names.of_cohort(by_record=True)}, {last} could be scored."
    if largest is not None and number(largest["n_excluded"]):
        reason = context.names.reason(largest["reason"])
        has_hidden = any(whole(row["n_excluded"]) is None for row in rows[1:])
        most = "Of the reasons shown, the most common" if has_hidden else "The most common reason"
        lead += f" {most} for exclusion was: {reason} ({count(largest['n_excluded'])})."
    return lead


def _attrition(context: Context) -> list[Block]:
    steps = context.data.table("attrition")
    if steps is None:
        return [missing("exclusions")]
    rows = list(rows_of(steps))
    drawn = [
        flows.Step(
            _remaining(i, len(rows)),
            whole(row["n_persons"]),
            context.names.reason(row["reason"]),
            whole(row["n_excluded"]),
        )
        for i, row in enumerate(rows)
    ]
    table = Table(
        "Exclusions: each reason is counted among the persons left by the one before it",
        ("Reason", "Excluded", "Remaining"),
        [
            (
                sentence(context.names.reason(row["reason"])),
                "" if i == 0 else count(row["n_excluded"]),
                count(row["n_persons"]),
            )
            for i, row in enumerate(rows)
        ],
    )
    alt = "; ".join(
        f"{context.names.reason(row['reason'])}: excluded {count(row['n_excluded'])}, "
        f"remaining {count(row['n_persons'])}"
        for row in rows[1:]
    )
    return [
        Image(
            flows.attrition(drawn),
            f"Flow of persons. In the cohort: {count(rows[0]['n_persons'])}. {sentence(alt)}.",
            "From the cohort to the patients scored",
            "All persons in the first box are counted in the treatment audits. Only the patients "
            "in the last box have a score.",
        ),
        table,
    ]


def _remaining(i: int, n: int) -> str:
    if i == 0:
        return "in the cohort"
    return "scored" if i == n - 1 else "remain"


def _pyramids(context: Context) -> list[Block]:
    pyramid = context.data.table("age_sex_pyramid")
    if pyramid is None:
        return [missing("age and sex")]
    published = context.data.published
    blocks: list[Block] = []
    known = [name for name in POPULATIONS if not pick(pyramid, population=name).empty]
    if published:
        system = published.health_system
        blocks.append(
            Prose(
                Markup(
                    "The three populations are nested: each is part of the one before it{}. The "
                    "outline is the same population of the {}, from the paper’s table and scaled "
                    "to the same number of persons. Where a bar extends beyond the outline, this "
                    "site has a larger share of persons of that age and sex."
                ).format(context.notes.mark("exposed"), system.title)
            )
        )
    for name in known:
        blocks += _pyramid(context, name)
    return blocks


def _pyramid(context: Context, name: str) -> list[Block]:
    frame = pick(context.data.table("age_sex_pyramid"), population=name)
    title = context.names.population(name)
    ages = [age for age in dict.fromkeys(frame["age_group"]) if age != coded.UNKNOWN]
    sides = {
        sex: [
            whole(row["n_persons"]) if row is not None else 0
            for row in (only_row(pick(frame, age_group=age, sex=sex)) for age in ages)
        ]
        for sex in (coded.FEMALE, coded.MALE)
    }
    unknown = _unknown(context, name)
    shown = sum(n or 0 for side in sides.values() for n in side)
    n_hidden = sum(n is None for side in sides.values() for n in side)
    if not shown and not n_hidden:
        return [Prose(f"{title}: no person of known age and sex.", "note")]
    compared = None
    published = context.data.published
    if published and name in published.health_system.pyramids and shown > _MINIMUM_COMPARED:
        system = published.health_system
        if list(system.age_groups) == ages:
            other = system.pyramids[name]
            scale = shown / other.n_persons
            compared = ([n * scale for n in other.female], [n * scale for n in other.male])
    picture = distributions.pyramid(
        ages,
        sides[coded.FEMALE],
        sides[coded.MALE],
        compared,
        f"{published.health_system.title}, scaled" if published and compared else "",
    )
    largest = max(
        (
            (n or 0, sex, age)
            for sex, side in sides.items()
            for age, n in zip(ages, side, strict=True)
        )
    )
    alt = f"Age-sex pyramid, {title}: {shown:,} persons shown"
    if largest[0]:
        of = " shown" if n_hidden else ""
        alt += f"; the largest group{of} is {largest[1]}, {largest[2]} years, {largest[0]:,}"
    caption = f"{shown:,} persons of known age and sex are drawn"
    if n_hidden:
        caption += f"; {n_hidden} {'group is' if n_hidden == 1 else 'groups are'} not shown"
    caption += "."
    if unknown is None or unknown:
        caption += f" Age or sex unknown, not drawn: {count(unknown)}."
    rows = [
        (age, count(women), count(men))
        for age, women, men in zip(ages, *sides.values(), strict=True)
    ]
    table = Table(f"{title}, persons by age and sex", ("Age", "Women", "Men"), rows)
    return [Image(picture, f"{alt}.", title, caption, table)]


def _unknown(context: Context, name: str) -> int | None:
    """Return the number of persons of unknown age or sex in a population; None if not shown."""
    row = only_row(
        pick(context.data.table("prevalence"), population=name, measure=terms.AGE_OR_SEX_UNKNOWN)
    )
    if row is not None:
        return whole(row["n_persons"])
    frame = pick(context.data.table("age_sex_pyramid"), population=name)
    return added(
        [
            whole(row["n_persons"])
            for row in rows_of(frame)
            if coded.UNKNOWN in (row["sex"], row["age_group"])
        ]
    )


def _race(context: Context) -> list[Block]:
    prevalence = context.data.table("prevalence")
    if prevalence is None:
        return [missing("race")]
    frame = prevalence[prevalence["measure"].isin(terms.RACES)]
    if frame.empty:
        return [missing("race")]
    # "Other" and "unknown" come last.
    rank = {coded.RACE_OTHER: 1, terms.RACE_UNKNOWN: 2}
    frame = frame.sort_values(
        "measure", key=lambda names: names.map(lambda name: (rank.get(name, 0), name))
    )
    populations = [name for name in POPULATIONS if not pick(frame, population=name).empty]
    first = pick(frame, population=populations[0])
    groups = [
        charts.BarGroup(
            race(row["measure"]),
            [
                charts.Bar(
                    share_of(row, "n_population"),
                    number(row["ci_low"]),
                    number(row["ci_high"]),
                    text=short(row["share"], row["ci_low"], row["ci_high"], row["n_population"]),
                )
            ],
        )
        for row in rows_of(first)
    ]
    rows = []
    for measure in dict.fromkeys(frame["measure"]):
        cells: list[str | Cell] = [race(measure)]
        for name in populations:
            row = only_row(pick(frame, population=name, measure=measure))
            cells.append("" if row is None else with_share(row, row["n_population"]))
        rows.append(cells)
    columns = ["Race", *(context.names.population(name) for name in populations)]
    black = only_row(pick(first, measure=coded.RACE_BLACK_OR_AFRICAN_AMERICAN))
    text = (
        "The paper notes that Black participants were under-represented in the trials. "
        if context.data.published
        else ""
    )
    if black is not None and number(black["share"]) is not None:
        text += (
            f"Here {share(black['share'])} of the cohort are recorded as Black or African American."
        )
    else:
        text += "Here the number recorded as Black or African American is not shown."
    if whole(first["n_population"].iloc[0]) == 0:
        return [Prose("The cohort is empty.", "note")]
    blocks: list[Block] = [Prose(text)]
    blocks.append(
        Image(
            charts.bars(groups),
            "Bars of the share of each recorded race: "
            + "; ".join(f"{each.label} {each.bars[0].text}" for each in groups)
            + ".",
            "Race as recorded",
            f"{context.names.population(populations[0])}: the whole cohort, with 95% intervals.",
        )
    )
    blocks.append(Table("Race as recorded, by population", columns, rows))
    return blocks
