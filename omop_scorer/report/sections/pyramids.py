"""Pictures of age and sex, and of race, of the populations of a site."""

from collections.abc import Sequence

from markupsafe import Markup

from omop_scorer import terms
from omop_scorer.disclosure import coded
from omop_scorer.report.blocks import Block, Cell, Image, Prose, Table
from omop_scorer.report.charts import bars as charts
from omop_scorer.report.charts import distributions
from omop_scorer.report.context import Context, missing, share_of, shown_share, with_share
from omop_scorer.report.figures import added, distinct, only_row, pick
from omop_scorer.report.words import POPULATIONS, about, count, number, race, whole

#: An age that nobody exceeds.
_OLDEST = 200

#: The smallest number of persons for which the outline of the health system is drawn.
_MINIMUM_COMPARED = 20


def pyramid(context: Context, name: str) -> Block:
    """Return persons of a population by age and sex, beside those of the health system."""
    frame = pick(context.table("age_sex_pyramid"), population=name)
    title = context.names.population(name)
    if not frame:
        return missing(f"age and sex: {title}")
    ages = [age for age in distinct(frame, "age_group") if age != coded.UNKNOWN]
    sides = {
        sex: [
            whole(row["n_persons"]) if row is not None else 0
            for row in (only_row(pick(frame, age_group=age, sex=sex)) for age in ages)
        ]
        for sex in (coded.FEMALE, coded.MALE)
    }
    shown = sum(n or 0 for side in sides.values() for n in side)
    n_hidden = sum(n is None for side in sides.values() for n in side)
    if not shown and not n_hidden:
        return Prose(f"{title}: no person of known age and sex.", "note")
    compared, compared_title = _compared(context, name, ages, shown)
    largest = max(
        (n or 0, sex, age) for sex, side in sides.items() for age, n in zip(ages, side, strict=True)
    )
    rows = [
        (age, count(women), count(men))
        for age, women, men in zip(ages, *sides.values(), strict=True)
    ]
    finding = f"{title}: {shown:,} persons by age and sex"
    if largest[0]:
        largest_of = "Largest group shown" if n_hidden else "Largest group"
        finding = f"{largest_of}: {largest[1]}, {largest[2]} years, {largest[0]:,} persons"
    return Image(
        distributions.pyramid(
            ages, sides[coded.FEMALE], sides[coded.MALE], compared, compared_title
        ),
        f"Age-sex pyramid, {title}: {shown:,} persons shown; largest shown group {largest[1]}, "
        f"{largest[2]} years, {largest[0]:,}.",
        finding,
        _caption(context, name, title, n_hidden, is_compared=compared is not None),
        Table(f"{title}, persons by age and sex", ("Age", "Women", "Men"), rows),
        is_half=True,
        subject=f"Age and sex, {title}",
    )


def _compared(
    context: Context, name: str, ages: list[str], shown: int
) -> tuple[tuple[list[float], list[float]] | None, str]:
    published = context.data.published
    system = published.health_system if published else None
    if system is None or name not in system.pyramids or shown <= _MINIMUM_COMPARED:
        return None, ""
    other = system.pyramids[name]
    women, men = (_in_groups(system.age_groups, side, ages) for side in (other.female, other.male))
    if women is None or men is None:
        return None, ""
    scale = shown / other.n_persons
    sides = ([n * scale for n in women], [n * scale for n in men])
    return sides, f"{system.title}, scaled"


def _in_groups(
    groups: Sequence[str], counts: Sequence[int], ages: Sequence[str]
) -> list[int] | None:
    """Return persons by five years of age added up to other age groups; None if they do not fit."""
    spans = [_span(age) for age in ages]
    found = [0] * len(ages)
    for group, n in zip(groups, counts, strict=True):
        low, high = _span(group)
        fits = [i for i, (first, last) in enumerate(spans) if first <= low and high <= last]
        if len(fits) != 1:
            return None
        found[fits[0]] += n
    return found


def _span(age_group: str) -> tuple[int, int]:
    """Return the first and the last age of a group such as 10 to 19, Under 5, or 85 and over."""
    numbers = [int(word) for word in age_group.split() if word.isdigit()]
    if age_group.startswith("Under"):
        return (0, numbers[0] - 1)
    return (numbers[0], numbers[1] if len(numbers) > 1 else _OLDEST)


def _caption(
    context: Context, name: str, title: str, n_hidden: int, *, is_compared: bool
) -> Markup:
    text = Markup("{}{}.").format(
        title, context.notes.mark("exposed") if name != terms.COHORT else ""
    )
    published = context.data.published
    if is_compared and published:
        text += Markup(
            " The outline is the same population of the {}, scaled to as many persons."
        ).format(published.health_system.title)
    if n_hidden:
        text += f" Groups not shown: {n_hidden}."
    unknown = _unknown(context, name)
    if unknown is None or unknown:
        text += f" Age or sex unknown, not drawn: {count(unknown)}."
    return text


def _unknown(context: Context, name: str) -> int | None:
    """Return the persons of unknown age or sex in a population; None if not shown."""
    row = only_row(
        pick(context.table("prevalence"), population=name, measure=terms.AGE_OR_SEX_UNKNOWN)
    )
    if row is not None:
        return whole(row["n_persons"])
    frame = pick(context.table("age_sex_pyramid"), population=name)
    return added(
        [
            whole(row["n_persons"])
            for row in frame
            if coded.UNKNOWN in (row["sex"], row["age_group"])
        ]
    )


def race_block(context: Context) -> Block:
    """Return the recorded race of the populations."""
    # "Other" and "unknown" come last.
    rank = {coded.RACE_OTHER: 1, terms.RACE_UNKNOWN: 2}
    frame = sorted(
        (row for row in context.table("prevalence") if row["measure"] in terms.RACES),
        key=lambda row: (rank.get(row["measure"], 0), row["measure"]),
    )
    if not frame:
        return missing("race")
    populations = [name for name in POPULATIONS if pick(frame, population=name)]
    first = pick(frame, population=populations[0])
    if whole(first[0]["n_population"]) == 0:
        return Prose("The cohort is empty.", "note")
    groups = [
        charts.BarGroup(
            race(row["measure"]),
            [
                charts.Bar(
                    share_of(row, "n_population"),
                    number(row["ci_low"]),
                    number(row["ci_high"]),
                    text=shown_share(row),
                )
            ],
        )
        for row in first
    ]
    rows = []
    for measure in distinct(frame, "measure"):
        cells: list[str | Cell] = [race(measure)]
        for name in populations:
            row = only_row(pick(frame, population=name, measure=measure))
            cells.append("" if row is None else with_share(row, row["n_population"]))
        rows.append(cells)
    black = only_row(pick(first, measure=coded.RACE_BLACK_OR_AFRICAN_AMERICAN))
    known = None if black is None else number(black["share"])
    title = "Black or African American patients: not shown here"
    if known is not None:
        title = f"{about(known)} are recorded as Black or African American"
    caption = f"{context.names.population(populations[0])}: race as recorded, of the whole cohort."
    if context.data.published:
        caption += " The paper notes that Black participants were under-represented in the trials."
    return Image(
        charts.bars(groups),
        "Share of each recorded race: "
        + "; ".join(f"{each.label} {each.bars[0].text}" for each in groups)
        + ".",
        title,
        caption,
        Table(
            "Race as recorded, by population",
            ["Race", *(context.names.population(name) for name in populations)],
            rows,
        ),
        is_half=True,
        subject="Race as recorded",
    )
