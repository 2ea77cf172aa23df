"""Blocks on who is in each preference group: covariates and effects by group."""

from omop_scorer import terms
from omop_scorer.report.blocks import Beside, Block, Cell, Fold, Image, Table
from omop_scorer.report.charts.canvas import Look
from omop_scorer.report.charts.estimates import Estimate, EstimateGroup, intervals
from omop_scorer.report.charts.rows import Entry
from omop_scorer.report.context import Context, missing
from omop_scorer.report.figures import Rows, distinct, only_row, pick
from omop_scorer.report.groups import Group, groups_of
from omop_scorer.report.words import (
    HIDDEN,
    NOBODY,
    count,
    decimal,
    number,
    sentence,
    share,
    whole,
    within,
)

#: Covariates that are drawn, in this order; the others are in the table.
_DRAWN = ("age", "crp", "cdai", "bmi")


def profile_blocks(context: Context) -> list[Block]:
    """Return the effects of each class, and the covariates, by preference group."""
    frame = context.table("preference_profile")
    if not frame:
        return [missing("the covariates and effects of each group")]
    effects = pick(frame, measure=terms.EFFECT)
    covariates = pick(frame, measure=terms.COVARIATE)
    drawn = [_covariate(context, covariates, name) for name in _DRAWN]
    images: list[Block] = [image for image in drawn if image is not None]
    blocks: list[Block] = [_effects(context, effects)]
    if images:
        blocks.append(Beside(images))
    return [*blocks, Fold("Every covariate by group", [_table(context, covariates)])]


def _used(context: Context, frame: Rows) -> list[Group]:
    """Return the groups with at least one patient."""
    return [
        group
        for group in groups_of(context)
        if any(whole(row["n_persons"]) != 0 for row in pick(frame, preference_group=group.key))
    ]


def _estimate(row: dict[str, object] | None, look: Look, label: str = "") -> Estimate:
    if row is None or whole(row["n_persons"]) == 0:
        return Estimate(label, float("nan"), text=NOBODY)
    value, low, high = (number(row[name]) for name in ("mean", "ci_low", "ci_high"))
    text = decimal(value, 1)
    if value is not None and low is not None and high is not None:
        text = f"{text} ({decimal(low, 1)} to {decimal(high, 1)})"
    return Estimate(label, value, low, high, text=text, colour=look.colour)


def _effects(context: Context, frame: Rows) -> Image:
    keys = [key for key in context.keys if pick(frame, category=key)]
    groups = []
    for group in _used(context, frame):
        of_group = pick(frame, preference_group=group.key, population=terms.SCORED)
        lines = [
            _estimate(only_row(pick(of_group, category=key)), Look(context.colour(key)))
            for key in keys
        ]
        groups.append(EstimateGroup(group.title, lines))
    titles = [sentence(context.names.drug_class(key)) for key in keys]
    legend = [
        Entry(title, shape="o", filled=True, colour=context.colour(key))
        for title, key in zip(titles, keys, strict=True)
    ]
    told = "; ".join(
        f"{each.label}: "
        + ", ".join(
            f"{title} {line.text}" for title, line in zip(titles, each.estimates, strict=True)
        )
        for each in groups
    )
    card = context.data.card
    outcome = f"{card.outcome.title}, {card.outcome.unit}" if card else "Outcome"
    return Image(
        intervals(groups, legend),
        f"Mean effect of each class by preference group: {told}.",
        _effects_title(context, frame, keys),
        f"{outcome}: the mean effect attributable to each class in addition to placebo, by group; "
        "the line is its 95% interval by the errors of the models.",
        Table(
            "Mean effect of each class (95% interval) by preference group",
            ("Group", *titles),
            [(each.label, *(line.text for line in each.estimates)) for each in groups],
        ),
        subject="The effect of each class by preference group",
    )


def _effects_title(context: Context, frame: Rows, keys: list[str]) -> str:
    """Return by how much the class alone on top is ahead, where that is most."""
    ahead = []
    for group in groups_of(context):
        of_group = pick(frame, preference_group=group.key, population=terms.SCORED)
        if group.drug_class is None or not of_group:
            continue
        means = {
            key: number(row["mean"])
            for key in keys
            if (row := only_row(pick(of_group, category=key))) is not None
        }
        own = means.pop(group.drug_class, None)
        others = [value for value in means.values() if value is not None]
        if own is not None and others and len(others) == len(means):
            ahead.append((own - max(others), group.short))
    if not ahead or max(ahead)[0] <= 0:
        return "The effect of each class by preference group"
    most, name = max(ahead)
    unit = f" {context.data.card.outcome.unit}" if context.data.card else ""
    return f"With {name} alone on top, it leads by {decimal(most, 1)}{unit}"


def _covariate(context: Context, frame: Rows, name: str) -> Image | None:
    of_name = pick(frame, category=name, population=terms.RECORDED)
    if not of_name:
        return None
    unit = context.names.unit(name)
    title = sentence(context.names.covariate(name))
    drawn = [
        _estimate(only_row(pick(of_name, preference_group=g.key)), g.look, g.title)
        for g in _used(context, frame)
    ]
    if not any(each.known for each in drawn):
        return None
    return Image(
        intervals([EstimateGroup(each.label, [each]) for each in drawn], has_zero=False),
        f"Mean {title} by preference group: "
        + "; ".join(f"{each.label} {each.text}" for each in drawn)
        + ".",
        _covariate_title(context, name, drawn),
        f"{title}{f' ({unit})' if unit else ''}: mean of the recorded values with its 95% "
        "interval.",
        is_half=True,
        subject=f"{title} by preference group",
    )


def _covariate_title(context: Context, name: str, drawn: list[Estimate]) -> str:
    known = [(each.value, each.label) for each in drawn if each.known and each.value is not None]
    title = sentence(context.names.covariate(name))
    if len(known) < 2 or any(each.value is None for each in drawn):
        return f"{title} by preference group"
    (low, _), (high, group) = min(known), max(known)
    return f"{title}: highest where {_leading(group)} ({high:.0f}; lowest {low:.0f})"


def _leading(title: str) -> str:
    if title.endswith(" alone on top"):
        name = title.removesuffix(" alone on top")
        return f"{within(name)} leads"
    return {"Several classes on top": "several lead"}.get(title, "none is preferred")


def _table(context: Context, frame: Rows) -> Table:
    groups = _used(context, frame)
    rows: list[list[str | Cell]] = []
    for name in distinct(frame, "category"):
        is_share = context.names.is_yes_no(str(name))
        cells: list[str | Cell] = [sentence(context.names.covariate(str(name)))]
        for group in groups:
            row = only_row(
                pick(frame, category=name, preference_group=group.key, population=terms.RECORDED)
            )
            cells.append(_mean(row, is_share=is_share))
        rows.append(cells)
    return Table(
        "Recorded values by preference group: mean (standard deviation) or share",
        ("Covariate", *(group.title for group in groups)),
        rows,
    )


def _mean(row: dict[str, object] | None, *, is_share: bool) -> Cell:
    if row is None or whole(row["n_persons"]) == 0:
        return Cell(NOBODY)
    below = f"of {count(row['n_persons'])}"
    if number(row["mean"]) is None:
        return Cell(HIDDEN)
    if is_share:
        return Cell(share(row["mean"]), below)
    spread = number(row["standard_deviation"])
    mean = decimal(row["mean"], 1)
    return Cell(mean if spread is None else f"{mean} ({decimal(spread, 1)})", below)
