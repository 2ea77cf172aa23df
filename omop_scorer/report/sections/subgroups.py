"""The section on subgroups: all patients, by stratum, and the effects behind the labels."""

from markupsafe import Markup

from omop_scorer import terms
from omop_scorer.disclosure import coded
from omop_scorer.report.blocks import Block, Heading, Image, Prose, Section, Table
from omop_scorer.report.charts import bars as charts
from omop_scorer.report.charts import distributions
from omop_scorer.report.charts.canvas import Look
from omop_scorer.report.context import Context, missing, pick, portion, rows_of
from omop_scorer.report.sections.certainty import shares_in_state
from omop_scorer.report.words import (
    EFFECTS,
    HIDDEN,
    STRATA,
    count,
    listed,
    number,
    sentence,
    share,
    short,
    whole,
)

_LEFT_OUT = (
    " In this run, covariates were left out of the model. Left out does not mean imputed: a "
    "patient with a left-out covariate and no imputed one counts as “no”."
)


def section(context: Context) -> Section:
    """Return the section on preference labels."""
    if context.is_empty:
        return Section("subgroups", "Subgroups", _lead(context), [], context.notes.new())
    blocks: list[Block] = [*_all_patients(context)]
    blocks += [Heading("Subgroups by kind of patient"), *_strata(context)]
    blocks += [Heading("The effects behind the labels"), *_effects(context)]
    return Section("subgroups", "Subgroups", _lead(context), blocks, context.notes.new())


def _lead(context: Context) -> str:
    rows = pick(context.data.table("subgroup_summary"), stratum=terms.ALL)
    if context.is_empty:
        return "No patient was scored, so there are no subgroups."
    if rows.empty:
        return "This run has no figures on subgroups."
    known = [row for row in rows_of(rows) if number(row["share"]) is not None]
    if not known:
        return "The subgroups are not shown, because they would reveal small counts."
    known.sort(key=lambda row: -(number(row["share"]) or 0))
    first = known[0]
    # The labels that are not shown can together have at most this share.
    rest = 1 - sum(number(row["share"]) or 0 for row in known)
    highest = number(first["share"]) or 0
    if not highest or (len(known) < len(rows) and highest < rest):
        return "The most common label is not shown, because it would reveal small counts."
    label = str(first["subgroup"])
    text = f"The most common result is {_in_words(context, label)}: {share(highest)} of patients."
    if context.labels and label != context.labels[-1]:
        none = next((row for row in known if row["subgroup"] == context.labels[-1]), None)
        if none:
            text += f" No preference between the classes: {share(none['share'])}."
    elif context.labels:
        text += " This label says only that no neighbours in the ranking were found to differ."
    return text


def _in_words(context: Context, label: str) -> str:
    """Return the classes on top of a label in words, followed by the label itself."""
    if not context.labels:
        return label
    keys = context.top(label)
    if len(keys) >= len(context.keys):
        return f"no preference between the classes, {label}"
    names = listed([context.names.drug_class(key) for key in keys])
    return f"{names} {'alone' if len(keys) == 1 else 'together'} on top, {label}"


def _all_patients(context: Context) -> list[Block]:
    summary = pick(context.data.table("subgroup_summary"), stratum=terms.ALL)
    if summary.empty:
        return [missing("subgroups")]
    published = context.data.published
    trials = published.trials if published else None
    groups, rows = [], []
    for row in rows_of(summary):
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
    n = whole(summary["n_stratum"].iloc[0])
    return [
        Prose(
            Markup(
                "Each patient has one label{}. The colour of a bar is that of the class on top; "
                "two colours mean two classes on top, and grey means no preference. The thin line "
                "is the 95% interval{}{}. A hatched bar is a value that is not shown{}."
            ).format(
                context.notes.mark("label"),
                context.notes.mark("interval"),
                ", and the diamond is the share of the trials’ participants" if trials else "",
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
            "Preference labels of all patients scored"
            + (f" ({count(n)}) and of the trials ({trials.n_persons:,})" if trials else ""),
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
            "Each bar represents all patients of one kind, divided by the class on top of the "
            "label. A difference between two bars describes patients. It is not an effect of sex, "
            "age or race."
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
    is_on_imputed = name == coded.IMPUTED
    has_left_out = bool(shares_in_state(context, coded.LEFT_OUT))
    return [
        Image(
            charts.stacked(wholes, legend),
            f"Bars of the class on top by {title.lower()}. {alt}.",
            title,
            Markup("{}The numbers on the right are patients.{}").format(
                _spread(wholes, tops, context),
                context.notes.mark("range") if name == coded.WITHIN_TRIAL_RANGE else "",
            )
            + (_LEFT_OUT if is_on_imputed and has_left_out else ""),
            Table(
                f"{title}: each label that occurs",
                (f"{title}: label", "Patients", "Of", "Share (95% interval)"),
                rows,
            ),
        )
    ]


def _spread(wholes: list[charts.Whole], tops: list[tuple[str, ...]], context: Context) -> str:
    """Return a sentence on the range of the share without a preference within a stratum."""
    if not tops or len(tops[-1]) < len(context.keys):
        return ""
    known = [(part, each.label) for each in wholes if (part := each.parts[-1]) is not None]
    if len(known) < 2:
        return ""
    low, high = min(known), max(known)
    # A share of zero persons is not a hidden figure.
    has_hidden = any(each.parts[-1] is None and each.text != "0" for each in wholes)
    group = "Patients without a preference, of the values shown"
    group = group if has_hidden else "Patients without a preference"
    return f"{group}: from {low[0]:.1%} ({low[1]}) to {high[0]:.1%} ({high[1]}). "


def tops_of(context: Context) -> list[tuple[str, ...]]:
    """Return the classes on top of each label that occurs, single classes first."""
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

    Labels that are not shown are left out; None if none of them is shown.
    """
    parts = [whole(row["n_persons"]) for row in rows if context.top(str(row["subgroup"])) == top]
    known = [each for each in parts if each is not None]
    return portion(sum(known), n) if known or not parts else None


def _effects(context: Context) -> list[Block]:
    frame = context.data.table("histogram")
    blocks: list[Block] = []
    for measure, title in EFFECTS.items():
        of_measure = pick(frame, measure=measure)
        if of_measure.empty:
            blocks.append(missing(f"the {title[0].lower()}{title[1:]}"))
            continue
        keys = [key for key in context.keys if not pick(of_measure, category=key).empty]
        is_share = measure == terms.RESPONSE
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
                f"{_meaning(context, measure)}All classes have the same scale.",
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
    if measure == terms.EFFECT:
        return f"{outcome}: the effect of the class in addition to placebo. "
    return f"{outcome}: {card.response_threshold:g} or more, including the placebo effect. "


def bins_of(frame: object, n: int | None) -> list[distributions.Bin]:
    """Return the bins of a histogram as shares of n persons; None if they are not shown."""
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
    """Return the predicate of a sentence on the tallest bin of a histogram."""
    known = [each for each in panel.bins if each.share is not None]
    if not known:
        return HIDDEN
    best = max(known, key=lambda each: each.share or 0)
    edges = (f"{e:.0%}" if is_share else f"{e:g}".replace("-", "−") for e in (best.low, best.high))
    shown = "" if len(known) == len(panel.bins) else ", of the bins shown,"
    return "is most common{} from {} to {}".format(shown, *edges)
