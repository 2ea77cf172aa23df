"""The section on women aged 50 and over: their share, groups and next treatments."""

from markupsafe import Markup

from omop_scorer.disclosure import coded
from omop_scorer.report.blocks import Beside, Block, Fold, Image, Section, Stack, Table
from omop_scorer.report.charts import bars as charts
from omop_scorer.report.charts.canvas import ACCENT, SOFT
from omop_scorer.report.charts.estimates import Estimate, EstimateGroup, intervals
from omop_scorer.report.charts.rows import Entry
from omop_scorer.report.context import Context, missing, share_of, shown_count, shown_share
from omop_scorer.report.figures import only_row, pick
from omop_scorer.report.groups import Counted, counts_of, groups_of, nobody
from omop_scorer.report.sections.next_treatment import headline_table, next_chart
from omop_scorer.report.sections.pyramids import pyramid, race_block
from omop_scorer.report.sections.years import years_blocks
from omop_scorer.report.words import (
    AUDITED,
    POPULATIONS,
    about,
    count,
    number,
    sentence,
    share,
    whole,
)
from omop_scorer.terms import AGE_OR_SEX_UNKNOWN, COHORT, NO_PREFERENCE, WOMEN_50_AND_OVER

_TITLE = "Women of 50 and over"


def section(context: Context) -> Section:
    """Return the section on women aged 50 and over."""
    row = share_of_women(context)
    if row is not None and whole(row["n_population"]) == 0:
        return Section("women", _TITLE, _lead(context), [], context.notes.new())
    left = Stack([_share(context), _groups(context)])
    right = Stack([pyramid(context, COHORT), *years_blocks(context)])
    blocks: list[Block] = [Beside([left, right])]
    blocks += next_chart(context, WOMEN_50_AND_OVER, is_half=False)
    others = [pyramid(context, name) for name in POPULATIONS if name != COHORT]
    more: list[Block] = []
    if context.data.published:
        more += headline_table(context, WOMEN_50_AND_OVER)
    more.append(Beside([*others, race_block(context)]))
    title = "Other populations, and race"
    title = f"Denominators of the paper, {title.lower()}" if context.data.published else title
    blocks.append(Fold(title, more))
    return Section("women", _TITLE, _lead(context), blocks, context.notes.new())


def share_of_women(context: Context, population: str = COHORT) -> dict[str, object] | None:
    """Return the row on the share of women aged 50 and over; None if there is none."""
    frame = context.table("prevalence")
    return only_row(pick(frame, population=population, measure=WOMEN_50_AND_OVER))


def _lead(context: Context) -> str:
    row = share_of_women(context)
    if row is None:
        return "This run has no figures on women aged 50 and over."
    if whole(row["n_population"]) == 0:
        return "The cohort is empty."
    if number(row["share"]) is None:
        return "The number of women aged 50 and over in the cohort is not shown."
    lead = (
        f"{count(row['n_persons'])} of the {count(row['n_population'])} persons of the cohort are "
        f"women aged 50 and over: {share(row['share'])}."
    )
    published = context.data.published
    if published:
        trials = published.trials.share_of_women_50_and_over
        lead += f" In the trials, they were {trials:.1%} of the participants."
    return lead


def _share(context: Context) -> Block:
    published = context.data.published
    system = published.health_system if published else None
    trials = published.trials if published else None
    groups, rows = [], []
    for name in POPULATIONS:
        row = share_of_women(context, name)
        if row is None:
            continue
        other = system.shares_of_women_50_and_over.get(name) if system else None
        marks = [(charts.HEALTH_SYSTEM, other)] if other is not None else []
        if trials:
            marks.append((charts.TRIALS, trials.share_of_women_50_and_over))
        text = shown_share(row)
        title = context.names.population(name)
        ends = (number(row["ci_low"]), number(row["ci_high"]))
        bar = charts.Bar(share_of(row, "n_population"), *ends, text=text)
        groups.append(charts.BarGroup(title, [bar], marks))
        cells = [title, shown_count(row), shown_count(row, "n_population"), text]
        if trials:
            cells.append(f"{trials.share_of_women_50_and_over:.1%}")
        if system:
            cells.append(share(other) if other is not None else "")
        rows.append(cells)
    if not rows:
        return missing("the share of women aged 50 and over")
    columns = ["Population", AUDITED[WOMEN_50_AND_OVER], "Persons", "Share (95% interval)"]
    legend = []
    if trials and system:
        columns += ["The trials", system.title]
        legend.append(Entry("the trials’ participants", shape=charts.TRIALS))
        legend.append(Entry(system.title, shape=charts.HEALTH_SYSTEM))
    return Image(
        charts.bars(groups, legend),
        "Share of women aged 50 and over: "
        + "; ".join(f"{each.label} {each.bars[0].text}" for each in groups)
        + ".",
        _share_title(context),
        _share_caption(context),
        Table("Women aged 50 and over in each population", columns, rows),
        is_half=True,
        subject="The share of women aged 50 and over",
    )


def _share_title(context: Context) -> str:
    row = share_of_women(context)
    known = number(row["share"]) if row else None
    published = context.data.published
    if known is None:
        return "Women of 50 and over in each population"
    if not published:
        return f"Women of 50 and over: {about(known)} of the cohort"
    trials = published.trials.share_of_women_50_and_over
    return f"Women of 50 and over: {about(known)} here, {about(trials)} in the trials"


def _share_caption(context: Context) -> Markup:
    text = Markup("Women aged 50 and over{}, as a share of each population{}.").format(
        context.notes.mark("women"), context.notes.mark("exposed")
    )
    published = context.data.published
    if published:
        text += Markup(" Squares: the same population of the {} ({}).").format(
            published.health_system.title, published.health_system.description
        )
    unknown = only_row(
        pick(context.table("prevalence"), population=COHORT, measure=AGE_OR_SEX_UNKNOWN)
    )
    if unknown is not None:
        text += f" Of unknown age or sex: {count(unknown['n_persons'])}."
    return text


def _groups(context: Context) -> Block:
    by_value = counts_of(context, WOMEN_50_AND_OVER)
    if not by_value:
        return missing("the groups of women aged 50 and over")
    titles = {coded.YES: "women aged 50 and over", coded.NO: "all other patients"}
    colours = {coded.YES: ACCENT, coded.NO: SOFT}
    shapes = {coded.YES: "o", coded.NO: "s"}
    used = [value for value in titles if value in by_value]
    drawn, rows = [], []
    for group in groups_of(context):
        found = [(value, by_value[value].get(group.key, nobody())) for value in used]
        texts = [each.share_text for _, each in found]
        lines = [
            Estimate("", each.share, each.low, each.high, None, text, colours[value], shapes[value])
            for (value, each), text in zip(found, texts, strict=True)
        ]
        drawn.append(EstimateGroup(group.title, lines))
        rows.append(
            [
                group.title,
                *(
                    cell
                    for (_, each), text in zip(found, texts, strict=True)
                    for cell in (each.n_text, text)
                ),
            ]
        )
    columns = ["Group"]
    for value in used:
        of = next((each.of for each in by_value[value].values()), None)
        columns += [f"{sentence(titles[value])} ({count(of)})", "Share (95% interval)"]
    legend = [
        Entry(titles[value], shape=shapes[value], filled=True, colour=colours[value])
        for value in used
    ]
    return Image(
        intervals(drawn, legend, is_share=True),
        "Share of each preference group: "
        + "; ".join(
            f"{each.label}: "
            + ", ".join(
                f"{titles[value]} {line.text}"
                for value, line in zip(used, each.estimates, strict=True)
            )
            for each in drawn
        )
        + ".",
        _groups_title(by_value),
        "Shares of the patients scored, with 95% intervals.",
        Table("Preference groups of women aged 50 and over, and of all others", columns, rows),
        is_half=True,
        subject="The groups of women aged 50 and over",
    )


def _groups_title(by_value: dict[str, dict[str, Counted]]) -> str:
    shares = [
        by_value.get(value, {}).get(NO_PREFERENCE, Counted(None, None, None)).share
        for value in (coded.YES, coded.NO)
    ]
    if None in shares:
        return "Preference groups of women of 50 and over, and of others"
    return f"No preference: {about(shares[0])} of these women, {about(shares[1])} of others"
