"""How the subgroups fall: in all, by stratum, and the effects behind them."""

from markupsafe import Markup

from omop_scorer.report.blocks import Block, Heading, Image, Prose, Section, Table
from omop_scorer.report.charts import bars as charts
from omop_scorer.report.charts import distributions
from omop_scorer.report.charts.canvas import Look
from omop_scorer.report.context import Context, missing, pick, portion, rows_of
from omop_scorer.report.sections.certainty import shares_in_state
from omop_scorer.report.words import HIDDEN, STRATA, count, number, sentence, share, short, whole

_LEFT_OUT = (
    " Covariates were left out of the model in this run; that is not imputing, and a patient with "
    "something left out and nothing imputed counts under no."
)

_MEASURES = {
    "attributable_effect": "Effect attributable to each class",
    "response_probability": "Probability of response under each class",
}


def section(context: Context) -> Section:
    """Return the section on preference labels."""
    if context.is_empty:
        return Section("subgroups", "Subgroups", _lead(context), [], context.notes.new())
    blocks: list[Block] = [*_everybody(context)]
    blocks += [Heading("Subgroups by kind of patient"), *_strata(context)]
    blocks += [Heading("The effects behind the labels"), *_effects(context)]
    return Section("subgroups", "Subgroups", _lead(context), blocks, context.notes.new())


def _lead(context: Context) -> str:
    everybody = pick(context.data.table("subgroup_summary"), stratum="all")
    if context.is_empty:
        return "Nobody was scored, so there are no subgroups."
    if everybody.empty:
        return "This run holds no figures on subgroups."
    known = [row for row in rows_of(everybody) if number(row["share"]) is not None]
    if not known:
        return "The subgroups are not shown, because they would tell small counts."
    known.sort(key=lambda row: -(number(row["share"]) or 0))
    first = known[0]
    # What the labels that are not shown could hold together.
    rest = 1 - sum(number(row["share"]) or 0 for row in known)
    highest = number(first["share"]) or 0
    if not highest or (len(known) < len(everybody) and highest < rest):
        return "Which label is the commonest is not shown, because it would tell small counts."
    said = f"The commonest label is {first['subgroup']}: {share(highest)} of the patients."
    if context.labels and first["subgroup"] != context.labels[-1]:
        none = next((row for row in known if row["subgroup"] == context.labels[-1]), None)
        if none:
            said += f" No preference between the classes: {share(none['share'])}."
    elif context.labels:
        said += (
            " It says that no class is known to be better than another, beyond the comparison of "
            "neighbours."
        )
    return said


def _everybody(context: Context) -> list[Block]:
    everybody = pick(context.data.table("subgroup_summary"), stratum="all")
    if everybody.empty:
        return [missing("subgroups")]
    published = context.data.published
    trials = published.trials if published else None
    groups, rows = [], []
    for row in rows_of(everybody):
        label = str(row["subgroup"])
        in_trials = trials.subgroups.n_persons.get(label, 0) / trials.n_persons if trials else None
        text = short(row["share"], row["ci_low"], row["ci_high"], row["n_stratum"])
        rows.append(
            (label, count(row["n_persons"]), text, *([f"{in_trials:.1%}"] if trials else []))
        )
        if whole(row["n_persons"]) == 0 and not in_trials:
            continue
        look = context.look(context.top(label))
        groups.append(
            charts.BarGroup(
                label,
                [
                    charts.Bar(
                        number(row["share"]),
                        number(row["ci_low"]),
                        number(row["ci_high"]),
                        look,
                        text,
                    )
                ],
                [(charts.TRIALS, in_trials)] if in_trials is not None else [],
            )
        )
    trial_columns = ["The trials"] if trials else []
    legend = [charts.Entry("the trials’ participants", shape=charts.TRIALS)] if trials else []
    n = whole(everybody["n_stratum"].iloc[0])
    return [
        Prose(
            Markup(
                "Each patient has one label{}. The bar’s colour is that of the class on top; two "
                "colours share the top, grey is no preference. The thin line is the 95% "
                "interval{}{}. What is not shown is hatched{}."
            ).format(
                context.notes.mark("label"),
                context.notes.mark("interval"),
                "; the diamond is the share of the trials’ participants" if trials else "",
                context.notes.mark("hidden"),
            )
        ),
        Image(
            charts.bars(groups, legend),
            "Bars of the share of each label: "
            + "; ".join(f"{each.label} {each.bars[0].text}" for each in groups)
            + ".",
            "Preference labels",
            f"{count(n)} patients scored." if n is not None else "The patients scored.",
        ),
        Table(
            "Preference labels, all patients scored"
            + (f" ({count(n)}) beside the trials’ ({trials.n_persons:,})" if trials else ""),
            ("Label", "Patients", "Share (95% interval)", *trial_columns),
            rows,
        ),
    ]


def _strata(context: Context) -> list[Block]:
    frame = context.data.table("subgroup_summary")
    known = [name for name in STRATA if not pick(frame, stratum=name).empty]
    if not known:
        return [missing("subgroups by kind of patient")]
    blocks: list[Block] = [
        Prose(
            "Each bar is everybody of that kind, divided by the class that the label puts on top. "
            "A difference between two bars describes patients; it is no effect of sex, age or race."
        )
    ]
    for name in known:
        blocks += _stratum(context, name)
    return blocks


def _stratum(context: Context, name: str) -> list[Block]:
    frame = pick(context.data.table("subgroup_summary"), stratum=name)
    tops = tops_of(context)
    wholes, rows = [], []
    for value in dict.fromkeys(frame["stratum_value"]):
        of_value = pick(frame, stratum_value=value)
        n = whole(of_value["n_stratum"].iloc[0])
        title = context.names.stratum_value(name, str(value))
        parts = [top_share(context, list(rows_of(of_value)), top, n) for top in tops]
        hides = any(whole(each) is None for each in of_value["n_persons"])
        wholes.append(charts.Whole(title, parts, count(n), hides))
        for row in rows_of(of_value):
            if whole(row["n_persons"]) != 0:
                rows.append(
                    (
                        f"{title}: {row['subgroup']}",
                        count(row["n_persons"]),
                        count(row["n_stratum"]),
                        short(row["share"], row["ci_low"], row["ci_high"], row["n_stratum"]),
                    )
                )
    legend = [charts.Entry(context.top_title(top), context.look(top)) for top in tops]
    if any(each.hides for each in wholes):
        legend.append(charts.NOT_SHOWN)
    alt = "; ".join(
        f"{each.label}, {each.text} patients: "
        + ", ".join(
            f"{context.top_title(top)} {HIDDEN if part is None else f'{part:.1%}'}"
            for top, part in zip(tops, each.parts, strict=True)
            if part != 0
        )
        for each in wholes
    )
    title = STRATA[name]
    return [
        Image(
            charts.stacked(wholes, legend),
            f"Bars of the class on top by {title.lower()}. {alt}.",
            title,
            Markup("{}Right: patients.{}").format(
                _spread(wholes, tops, context),
                context.notes.mark("range") if name == "within_trial_range" else "",
            )
            + (_LEFT_OUT if name == "imputed" and shares_in_state(context, "left_out") else ""),
            Table(
                f"{title}: every label that somebody has",
                (f"{title}: label", "Patients", "Of", "Share (95% interval)"),
                rows,
            ),
        )
    ]


def _spread(wholes: list[charts.Whole], tops: list[tuple[str, ...]], context: Context) -> str:
    """Say how far the share without a preference differs between the values of a stratum."""
    if not tops or len(tops[-1]) < len(context.keys):
        return ""
    known = [(part, each.label) for each in wholes if (part := each.parts[-1]) is not None]
    if len(known) < 2:
        return ""
    low, high = min(known), max(known)
    # A share of nobody is no figure that is held back.
    has_hidden = any(each.parts[-1] is None and each.text != "0" for each in wholes)
    of = ", of those shown" if has_hidden else ""
    return f"No preference{of}: from {low[0]:.1%} ({low[1]}) to {high[0]:.1%} ({high[1]}). "


def tops_of(context: Context) -> list[tuple[str, ...]]:
    """Return the groups of classes that some patient's label puts on top, single ones first."""
    frame = context.data.table("subgroup_summary")
    if frame is None:
        return []
    some = [
        context.top(label)
        for label in context.labels
        if any(whole(n) != 0 for n in frame.loc[frame["subgroup"] == label, "n_persons"])
    ]
    return sorted(
        dict.fromkeys(some), key=lambda top: (len(top), [context.keys.index(k) for k in top])
    )


def top_share(
    context: Context, rows: list[dict[str, object]], top: tuple[str, ...], n: int | None
) -> float | None:
    """Return the share of the patients whose label puts these classes on top.

    Labels that are not shown are not in it; None when none of them is shown.
    """
    parts = [whole(row["n_persons"]) for row in rows if context.top(str(row["subgroup"])) == top]
    known = [each for each in parts if each is not None]
    return portion(sum(known), n) if known or not parts else None


def _effects(context: Context) -> list[Block]:
    frame = context.data.table("histogram")
    blocks: list[Block] = []
    for measure, title in _MEASURES.items():
        of_measure = pick(frame, measure=measure)
        if of_measure.empty:
            blocks.append(missing(f"the {title[0].lower()}{title[1:]}"))
            continue
        keys = [key for key in context.keys if not pick(of_measure, category=key).empty]
        is_share = measure == "response_probability"
        panels = [
            distributions.Panel(
                context.names.drug_class(key),
                bins_of(pick(of_measure, category=key), context.n_scored),
                Look(context.colour(key)),
                is_share=is_share,
            )
            for key in keys
        ]
        has_hidden = any(each.share is None for panel in panels for each in panel.bins)
        blocks.append(
            Image(
                distributions.histograms(
                    panels, [charts.NOT_SHOWN] if has_hidden else [], is_one_scale=True
                ),
                f"Histograms. {title}: "
                + "; ".join(
                    f"{context.names.drug_class(key)} {peak(panel, is_share=is_share)}"
                    for key, panel in zip(keys, panels, strict=True)
                )
                + ".",
                title,
                f"{_meaning(context, measure)}One scale for all classes.",
                Table(
                    title,
                    ("Class", "From", "To below", "Patients"),
                    [
                        (
                            sentence(context.names.drug_class(str(row["category"]))),
                            *(
                                f"{edge:.0%}" if is_share else f"{edge:g}".replace("-", "−")
                                for edge in (float(row["bin_low"]), float(row["bin_high"]))
                            ),
                            count(row["n_persons"]),
                        )
                        for row in rows_of(of_measure)
                    ],
                ),
            )
        )
    return blocks


def _meaning(context: Context, measure: str) -> str:
    card = context.data.card
    if card is None:
        return ""
    outcome = f"{card.outcome.title}, {card.outcome.unit}"
    if measure == "attributable_effect":
        return f"{outcome}: what the class adds to placebo. "
    return f"{outcome}: {card.response_threshold:g} or more, the placebo effect included. "


def bins_of(frame: object, n: int | None) -> list[distributions.Bin]:
    """Return the bins of a histogram as shares of n persons; None: not shown."""
    return [
        distributions.Bin(
            float(row["bin_low"]),
            float(row["bin_high"]),
            portion(row["n_persons"], n),
            number(row["expected_share"]),
        )
        for row in rows_of(frame)  # type: ignore[arg-type]
    ]


def peak(panel: distributions.Panel, *, is_share: bool = False) -> str:
    """Say where most persons of a histogram are."""
    known = [each for each in panel.bins if each.share is not None]
    if not known:
        return HIDDEN
    best = max(known, key=lambda each: each.share or 0)
    edges = (f"{e:.0%}" if is_share else f"{e:g}".replace("-", "−") for e in (best.low, best.high))
    of = "" if len(known) == len(panel.bins) else ", of what is shown,"
    return "is commonest{} from {} to {}".format(of, *edges)
