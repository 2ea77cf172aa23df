"""The section on preference groups: their size, the kinds of patients, and the labels."""

from markupsafe import Markup

from omop_scorer import terms
from omop_scorer.disclosure import coded
from omop_scorer.report.blocks import Beside, Block, Fold, Image, Prose, Section, Table
from omop_scorer.report.charts import bars as charts
from omop_scorer.report.charts.bars import Whole, stacked
from omop_scorer.report.charts.estimates import Estimate, EstimateGroup, intervals
from omop_scorer.report.charts.rows import Entry, is_known
from omop_scorer.report.context import Context, missing, shown_count, shown_share
from omop_scorer.report.figures import pick
from omop_scorer.report.groups import Counted, Group, counts_of, groups_of, nobody
from omop_scorer.report.sections.certainty import shares_in_state
from omop_scorer.report.sections.effects import effect_blocks
from omop_scorer.report.sections.profile import profile_blocks
from omop_scorer.report.words import (
    HIDDEN,
    STRATA,
    about,
    count,
    sentence,
    share,
    whole,
    within,
)

_LEFT_OUT = (
    " In this run, covariates were left out of the model. Left out does not mean imputed: a "
    "patient with a left-out covariate and no imputed one counts as “no”."
)

#: Strata whose charts are open; those of the others open on a click.
_OPEN = (coded.SEX, coded.PRIOR_ANTI_TNF)

_TITLE = "Subgroups, and who is in them"


def section(context: Context) -> Section:
    """Return the section on preference groups."""
    if context.is_empty:
        return Section("subgroups", _TITLE, _lead(context), [], context.notes.new())
    blocks: list[Block] = [*_groups(context), *profile_blocks(context), *_strata(context)]
    blocks += [*_labels(context), *effect_blocks(context)]
    return Section("subgroups", _TITLE, _lead(context), blocks, context.notes.new())


def _lead(context: Context) -> str:
    if context.is_empty:
        return "No patient was scored, so there are no subgroups."
    counted = counts_of(context).get(terms.ALL)
    if not counted:
        return "This run has no figures on subgroups."
    known = {
        each: counted[each.key].share
        for each in groups_of(context)
        if each.key in counted and counted[each.key].share is not None
    }
    if not known:
        return "The subgroups are not shown, because they would reveal small counts."
    parts = [f"{within(group.title)} {share(value)}" for group, value in known.items()]
    return f"Of the patients scored: {', '.join(parts)}."


def _groups(context: Context) -> list[Block]:
    counted = counts_of(context).get(terms.ALL)
    if not counted:
        return [missing("subgroups")]
    published = context.data.published
    trials = published.trials if published else None
    drawn, rows = [], []
    for group in groups_of(context):
        each = counted.get(group.key, nobody())
        in_trials = trial_share(context, group)
        text = each.share_text
        drawn.append(
            Estimate(
                group.title,
                each.share,
                each.low,
                each.high,
                text=text,
                colour=group.look.colour,
                marks=[] if in_trials is None else [(charts.TRIALS, in_trials)],
            )
        )
        cells = [group.title, each.n_text, text]
        rows.append([*cells, share(in_trials)] if trials else cells)
    columns = ["Group", "Patients", "Share (95% interval)"]
    columns += [f"The trials ({trials.n_persons:,})"] if trials else []
    legend = [Entry("the trials’ participants", shape=charts.TRIALS)] if trials else []
    caption = Markup(
        "Each patient has one label, and each label belongs to one group{}. The line is the 95% "
        "interval{}. A crossed square is a value that is not shown{}."
    ).format(*(context.notes.mark(key) for key in ("label", "interval", "hidden")))
    image = Image(
        intervals([EstimateGroup(e.label, [e]) for e in drawn], legend, is_share=True),
        "Share of each preference group: " + "; ".join(f"{e.label} {e.text}" for e in drawn) + ".",
        _groups_title(context, counted),
        caption,
        Table("Preference groups of the patients scored", columns, rows),
        is_half=True,
        subject="Preference groups",
    )
    return [Beside([image, *_ruled_out(context)])]


def _groups_title(context: Context, counted: dict[str, Counted]) -> str:
    alone = [
        (counted[group.key].share or 0.0, group.short)
        for group in groups_of(context)
        if group.drug_class and group.key in counted and counted[group.key].share is not None
    ]
    none = counted.get(terms.NO_PREFERENCE)
    parts = []
    if alone:
        highest, name = max(alone)
        parts.append(f"{sentence(name)} alone on top: {about(highest)}")
    if none is not None and none.share is not None:
        parts.append(f"no preference: {about(none.share)}")
    return "; ".join(parts) or "Preference groups"


def trial_share(context: Context, group: Group) -> float | None:
    """Return the share of the trials' participants in a group; None if it is not published."""
    published = context.data.published
    if published is None:
        return None
    tops = {label: context.top(label) for label in published.trials.subgroups.n_persons}
    if group.drug_class:
        own = [label for label, top in tops.items() if top == (group.drug_class,)]
    elif group.key == terms.NO_PREFERENCE:
        own = [label for label, top in tops.items() if len(top) == len(context.keys)]
    else:
        own = [label for label, top in tops.items() if 1 < len(top) < len(context.keys)]
    counts = published.trials.subgroups.n_persons
    return sum(counts[label] for label in own) / published.trials.n_persons


def _ruled_out(context: Context) -> list[Block]:
    """Return the patients without a preference, by the class that is ruled out."""
    by_class = counts_of(context, coded.RULED_OUT_CLASS)
    found = {
        value: groups[terms.NO_PREFERENCE]
        for value, groups in by_class.items()
        if terms.NO_PREFERENCE in groups
    }
    if not found:
        return []
    keys = [key for key in (*context.keys, coded.NONE) if key in found]
    drawn = [
        charts.BarGroup(
            "No class is ruled out"
            if key == coded.NONE
            else f"{sentence(context.names.drug_class(key))} is ruled out",
            [
                charts.Bar(
                    None if found[key].n is None else _share(found[key].n, context.n_scored),
                    look=charts.NO_DIFFERENCE if key == coded.NONE else charts.SITE,
                    text=found[key].n_text,
                )
            ],
        )
        for key in keys
    ]
    known = [found[key].n for key in keys if key != coded.NONE]
    total = None if None in known else sum(n for n in known if n)
    title = "Without a preference, the worst class is often ruled out"
    if total is not None:
        title = f"For {total:,} without a preference, the worst class is ruled out"
    return [
        Image(
            charts.bars(drawn),
            "Patients without a preference: "
            + "; ".join(f"{each.label} {each.bars[0].text}" for each in drawn)
            + ".",
            title,
            Markup(
                "The label compares neighbours only{}. Patients without a preference, as a share "
                "of all patients scored."
            ).format(context.notes.mark("worst")),
            is_half=True,
            subject="The class that is ruled out",
        )
    ]


def _share(n: int | None, of: int | None) -> float | None:
    return n / of if n is not None and of else None


def _strata(context: Context) -> list[Block]:
    images = {name: _stratum(context, name) for name in STRATA if counts_of(context, name)}
    if not images:
        return [missing("subgroups by kind of patient")]
    opened = [image for name, image in images.items() if name in _OPEN]
    folded = [image for name, image in images.items() if name not in _OPEN]
    blocks: list[Block] = [Beside(opened)] if opened else []
    if folded:
        titles = ", ".join(within(STRATA[name]) for name in images if name not in _OPEN)
        note = Prose(
            "A difference between two bars describes patients. It is not an effect of sex, age or "
            "race.",
            "note",
        )
        blocks.append(Fold(f"The groups by {titles}", [note, Beside(folded)]))
    return blocks


def _stratum(context: Context, name: str) -> Image:
    by_value = counts_of(context, name)
    groups = [
        group
        for group in groups_of(context)
        if any(each.get(group.key, nobody()).n != 0 for each in by_value.values())
    ]
    wholes, rows = [], []
    for value, counted in by_value.items():
        title = context.names.stratum_value(name, value)
        found = [counted.get(group.key, nobody()) for group in groups]
        of = next((each.of for each in counted.values()), None)
        wholes.append(Whole(title, [each.share for each in found], count(of)))
        rows.append([title, count(of), *(_with_share(each) for each in found)])
    legend = [Entry(group.title, group.look) for group in groups]
    alt = "; ".join(
        f"{each.label}, {each.text} patients: "
        + ", ".join(
            f"{group.short} {HIDDEN if part is None else f'{part:.1%}'}"
            for group, part in zip(groups, each.parts, strict=True)
            if part != 0
        )
        for each in wholes
    )
    title = STRATA[name]
    has_left_out = bool(shares_in_state(context, coded.LEFT_OUT))
    return Image(
        stacked(wholes, legend),
        f"Preference groups by {within(title)}. {alt}.",
        _spread(title, wholes, groups),
        Markup("By {}; on the right, patients scored.{}{}").format(
            within(title),
            context.notes.mark("range") if name == coded.WITHIN_TRIAL_RANGE else "",
            _LEFT_OUT if name == coded.IMPUTED and has_left_out else "",
        ),
        Table(
            f"Preference groups by {within(title)}",
            (title, "Patients", *(group.title for group in groups)),
            rows,
        ),
        is_half=True,
        subject=f"Preference groups by {within(title)}",
    )


def _with_share(each: Counted) -> str:
    if each.n is None or each.share is None:
        return each.n_text
    return f"{each.n:,} ({each.share:.1%})"


def _spread(title: str, wholes: list[Whole], groups: list[Group]) -> str:
    """Return the range of the share without a preference within a stratum as a finding."""
    known = [
        (each.parts[-1] or 0.0, each.label)
        for each in wholes
        if groups and groups[-1].key == terms.NO_PREFERENCE and is_known(each.parts[-1])
    ]
    if len(known) < 2:
        return f"{title}: who has a preference"
    low, high = min(known), max(known)
    # A share of zero persons is not a hidden figure.
    has_hidden = any(each.parts[-1] is None and each.text != "0" for each in wholes)
    of_shown = ", of those shown" if has_hidden else ""
    return f"{title}: no preference from {about(low[0])} to {about(high[0])}{of_shown}"


def _labels(context: Context) -> list[Block]:
    summary = pick(context.table("subgroup_summary"), stratum=terms.ALL)
    if not summary:
        return []
    published = context.data.published
    trials = published.trials if published else None
    rows = []
    for row in summary:
        label = str(row["subgroup"])
        in_trials = trials.subgroups.n_persons.get(label, 0) / trials.n_persons if trials else None
        text = shown_share(row, "n_stratum")
        if whole(row["n_persons"]) == 0 and not in_trials and len(context.keys) > 3:
            continue
        cells = [sentence(context.names.in_words(label)), label, shown_count(row), text]
        rows.append([*cells, share(in_trials)] if trials else cells)
    n = whole(summary[0]["n_stratum"])
    caption = "Every label of the patients scored" + (f" ({count(n)})" if n is not None else "")
    columns = ["In words", "Label", "Patients", "Share (95% interval)"]
    columns += ["The trials"] if trials else []
    return [Fold("Every label, in words", [Table(caption, columns, rows, words=[1])])]
