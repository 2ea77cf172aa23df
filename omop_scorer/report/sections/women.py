"""The section on women aged 50 and over: their share, subgroups and next treatments."""

from markupsafe import Markup

from omop_scorer.disclosure import coded
from omop_scorer.report.blocks import Block, Heading, Image, Prose, Section, Table
from omop_scorer.report.charts import bars as charts
from omop_scorer.report.charts.canvas import ACCENT_PALE, Look
from omop_scorer.report.context import Context, missing, only_row, pick, rows_of, share_of
from omop_scorer.report.sections.next_treatment import flow_of, headline_table
from omop_scorer.report.words import AUDITED, POPULATIONS, count, number, share, short, whole
from omop_scorer.terms import AGE_OR_SEX_UNKNOWN, COHORT, WOMEN_50_AND_OVER

_TITLE = AUDITED[WOMEN_50_AND_OVER]


def section(context: Context) -> Section:
    """Return the section on women aged 50 and over."""
    row = share_of_women(context)
    if row is not None and whole(row["n_population"]) == 0:
        return Section("women", _TITLE, _lead(context), [], context.notes.new())
    blocks: list[Block] = [*_share(context)]
    blocks += [Heading("Their subgroups"), *_subgroups(context)]
    blocks.append(Heading("What they were given next"))
    blocks += flow_of(context, WOMEN_50_AND_OVER)
    blocks += headline_table(context, WOMEN_50_AND_OVER)
    return Section("women", _TITLE, _lead(context), blocks, context.notes.new())


def share_of_women(context: Context, population: str = COHORT) -> dict[str, object] | None:
    """Return the row on the share of women aged 50 and over; None if there is none."""
    frame = context.data.table("prevalence")
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


def _share(context: Context) -> list[Block]:
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
        text = short(row["share"], row["ci_low"], row["ci_high"], row["n_population"])
        title = context.names.population(name)
        bar = charts.Bar(
            share_of(row, "n_population"),
            number(row["ci_low"]),
            number(row["ci_high"]),
            text=text,
        )
        groups.append(charts.BarGroup(title, [bar], marks))
        cells = [title, count(row["n_persons"]), count(row["n_population"]), text]
        if trials:
            cells.append(f"{trials.share_of_women_50_and_over:.1%}")
        if system:
            cells.append("" if other is None else f"{other:.1%}")
        rows.append(cells)
    if not rows:
        return [missing("the share of women aged 50 and over")]
    columns = ["Population", _TITLE, "Persons", "Share (95% interval)"]
    legend = []
    if trials:
        columns.append("The trials")
        legend.append(charts.Entry("the trials’ participants", shape=charts.TRIALS))
    if system:
        columns.append(system.title)
        legend.append(charts.Entry(f"{system.title}, same population", shape=charts.HEALTH_SYSTEM))
    text = Markup("Women aged 50 and over{} as a share of each population{}.").format(
        context.notes.mark("women"), context.notes.mark("exposed")
    )
    if trials and system:
        text += Markup(
            " The figure of the trials is their share of all participants ({}). The figure of the "
            "{} is for the same population as the bar ({})."
        ).format(trials.description, system.title, system.description)
    unknown = only_row(
        pick(
            context.data.table("prevalence"),
            population=COHORT,
            measure=AGE_OR_SEX_UNKNOWN,
        )
    )
    if unknown is not None:
        text += f" Persons of the cohort of unknown age or sex: {count(unknown['n_persons'])}."
    return [
        Prose(text),
        Image(
            charts.bars(groups, legend),
            "Bars of the share of women aged 50 and over: "
            + "; ".join(f"{each.label} {each.bars[0].text}" for each in groups)
            + ".",
            _TITLE,
            "Their share of three populations of this site.",
        ),
        Table("Women aged 50 and over in each population", columns, rows),
    ]


def _subgroups(context: Context) -> list[Block]:
    frame = pick(context.data.table("subgroup_summary"), stratum=WOMEN_50_AND_OVER)
    if frame.empty:
        return [missing("the subgroups of women aged 50 and over")]
    looks = {coded.YES: charts.SITE, coded.NO: Look(ACCENT_PALE)}
    titles = {coded.YES: "women aged 50 and over", coded.NO: "all other patients"}
    used = [value for value in looks if not pick(frame, stratum_value=value).empty]
    groups, rows = [], []
    for label in dict.fromkeys(frame["subgroup"]):
        bars, cells = [], [str(label)]
        for value in used:
            row = next(rows_of(pick(frame, subgroup=label, stratum_value=value)))
            text = short(row["share"], row["ci_low"], row["ci_high"], row["n_stratum"])
            cells += [count(row["n_persons"]), text]
            bars.append(
                charts.Bar(
                    number(row["share"]),
                    number(row["ci_low"]),
                    number(row["ci_high"]),
                    looks[value],
                    text,
                )
            )
        if any(bar.share != 0 for bar in bars):
            groups.append(charts.BarGroup(str(label), bars))
        rows.append(cells)
    columns = ["Label"]
    for value in used:
        n = whole(pick(frame, stratum_value=value)["n_stratum"].iloc[0])
        columns += [f"{titles[value].capitalize()} ({count(n)})", "Share (95% interval)"]
    legend = [charts.Entry(titles[value], looks[value]) for value in used]
    return [
        Image(
            charts.bars(groups, legend),
            "Pairs of bars of the share of each label: "
            + "; ".join(
                f"{each.label}: "
                + ", ".join(
                    f"{titles[value]} {bar.text}"
                    for value, bar in zip(used, each.bars, strict=True)
                )
                for each in groups
            )
            + ".",
            "Labels of women aged 50 and over, and of all other patients",
            "Shares of the patients scored, with 95% intervals. The upper bar is women aged 50 and "
            "over, the lower bar all other patients.",
        ),
        Table("Labels of women aged 50 and over, and of all other patients", columns, rows),
    ]
