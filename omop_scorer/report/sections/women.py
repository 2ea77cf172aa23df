"""Women of 50 and over: how many there are, and how their subgroups fall."""

from markupsafe import Markup

from omop_scorer.report.blocks import Block, Heading, Image, Prose, Section, Table
from omop_scorer.report.charts import bars as charts
from omop_scorer.report.charts.canvas import ACCENT_PALE, Look
from omop_scorer.report.context import Context, missing, only_row, pick, rows_of, share_of
from omop_scorer.report.sections.next_treatment import flow_of, headline_table
from omop_scorer.report.words import POPULATIONS, count, number, share, short, whole


def section(context: Context) -> Section:
    """Return the section on women of 50 and over."""
    row = share_of_women(context)
    if row is not None and whole(row["n_population"]) == 0:
        return Section("women", "Women of 50 and over", _lead(context), [], context.notes.new())
    blocks: list[Block] = [*_share(context)]
    blocks += [Heading("Their subgroups"), *_subgroups(context)]
    blocks.append(Heading("What they were given next"))
    blocks += flow_of(context, "women_50_and_over")
    blocks += headline_table(context, "women_50_and_over")
    return Section("women", "Women of 50 and over", _lead(context), blocks, context.notes.new())


def share_of_women(
    context: Context, population: str = "crohns_disease"
) -> dict[str, object] | None:
    """Return the row on the share of women of 50 and over; None where there is none."""
    frame = context.data.table("prevalence")
    return only_row(pick(frame, population=population, measure="women_50_and_over"))


def _lead(context: Context) -> str:
    row = share_of_women(context)
    if row is None:
        return "This run holds no figures on women of 50 and over."
    if whole(row["n_population"]) == 0:
        return "The cohort is empty."
    if number(row["share"]) is None:
        return "How many women of 50 and over are in the cohort is not shown."
    lead = (
        f"{count(row['n_persons'])} of the {count(row['n_population'])} persons of the cohort are "
        f"women of 50 and over: {share(row['share'])}."
    )
    published = context.data.published
    if published:
        trials = published.trials.share_of_women_50_and_over
        lead += f" In the trials they were {trials:.1%} of the participants."
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
        return [missing("the share of women of 50 and over")]
    columns = ["Population", "Women of 50 and over", "Persons", "Share (95% interval)"]
    legend = []
    if trials:
        columns.append("The trials")
        legend.append(charts.Entry("the trials’ participants", shape=charts.TRIALS))
    if system:
        columns.append(system.title)
        legend.append(charts.Entry(f"{system.title}, same population", shape=charts.HEALTH_SYSTEM))
    said = Markup("Women of 50 and over{} as a share of each population{}.").format(
        context.notes.mark("women"), context.notes.mark("exposed")
    )
    if trials and system:
        said += Markup(
            " The trials’ figure is their share of all participants ({}); the {}’s is of the same "
            "population as the bar ({})."
        ).format(trials.description, system.title, system.description)
    unknown = only_row(
        pick(
            context.data.table("prevalence"),
            population="crohns_disease",
            measure="age_or_sex_unknown",
        )
    )
    if unknown is not None:
        said += f" Age or sex is unknown for {count(unknown['n_persons'])} persons of the cohort."
    return [
        Prose(said),
        Image(
            charts.bars(groups, legend),
            "Bars of the share of women of 50 and over: "
            + "; ".join(f"{each.label} {each.bars[0].text}" for each in groups)
            + ".",
            "Women of 50 and over",
            "Their share of three populations of this site.",
        ),
        Table("Women of 50 and over in each population", columns, rows),
    ]


def _subgroups(context: Context) -> list[Block]:
    frame = pick(context.data.table("subgroup_summary"), stratum="women_50_and_over")
    if frame.empty:
        return [missing("the subgroups of women of 50 and over")]
    looks = {"yes": charts.SITE, "no": Look(ACCENT_PALE)}
    titles = {"yes": "women of 50 and over", "no": "all other patients"}
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
            "Labels of women of 50 and over, and of everybody else",
            "Women of 50 and over are the upper bar, all other patients the lower; of the scored, "
            "with 95% intervals.",
        ),
        Table("Labels of women of 50 and over, and of all other patients", columns, rows),
    ]
