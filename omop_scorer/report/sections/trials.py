"""The section that compares the site with the trials: shares, covariates and distance."""

import math

from markupsafe import Markup

from omop_scorer import terms
from omop_scorer.disclosure import coded
from omop_scorer.model.intervals import wilson_interval
from omop_scorer.report.blocks import (
    Beside,
    Block,
    Cell,
    Fold,
    Image,
    Prose,
    Section,
    Stack,
    Table,
)
from omop_scorer.report.charts import bars as charts
from omop_scorer.report.charts.canvas import ACCENT
from omop_scorer.report.charts.estimates import Dots, dots
from omop_scorer.report.charts.rows import Entry
from omop_scorer.report.context import Context, missing, shown_share
from omop_scorer.report.figures import distinct, only_row, pick, portion
from omop_scorer.report.groups import sizes_of
from omop_scorer.report.sections.recorded import distance_blocks, value_blocks
from omop_scorer.report.sections.women import share_of_women
from omop_scorer.report.words import (
    HIDDEN,
    NOBODY,
    WITHIN_RANGE,
    about,
    count,
    decimal,
    number,
    sentence,
    share,
    whole,
)

#: The standardised mean difference beyond which a difference is commonly called relevant.
_RELEVANT = 0.1


def section(context: Context) -> Section:
    """Return the section on how the site's patients differ from the trials' participants."""
    title = "Like the trials?"
    if context.is_empty:
        return Section("trials", title, _lead(context), [], context.notes.new())
    left = Stack([*_within_range(context), *distance_blocks(context)])
    blocks: list[Block] = [Beside([left, *_differences(context)]), *value_blocks(context)]
    blocks.append(Fold("The same figures here and elsewhere", _like_for_like(context)))
    return Section("trials", title, _lead(context), blocks, context.notes.new())


def alone_on_top(context: Context, key: str) -> dict[str, object] | None:
    """Return the row on the share of scored patients whose label puts a class alone on top."""
    frame = context.table("prevalence")
    return only_row(pick(frame, population=terms.COHORT, measure=terms.alone_on_top(key)))


def _lead(context: Context) -> str:
    if context.is_empty:
        return "No patient was scored, so there is nothing to compare."
    if context.table("covariate_summary") is None:
        return "This run has no figures on the differences from the trials’ participants."
    beyond = _beyond(context)
    if beyond is None:
        return "The differences from the trials’ participants are not shown."
    n_beyond, n = beyond
    return (
        f"By the mean of the recorded values, {n_beyond} of {n} covariates differ from the trials’ "
        "participants by more than 0.1 standard deviations."
    )


def _beyond(context: Context) -> tuple[int, int] | None:
    frame = pick(context.table("covariate_summary"), population=terms.RECORDED)
    known = [
        value
        for value in (number(row["standardised_mean_difference"]) for row in frame)
        if value is not None
    ]
    return (sum(abs(value) > _RELEVANT for value in known), len(known)) if known else None


def _like_for_like(context: Context) -> list[Block]:
    published = context.data.published
    trials = published.trials if published else None
    system = published.health_system if published else None
    rows = []
    women = share_of_women(context)
    if women is not None:
        cells = ["Women aged 50 and over, of the cohort", _share_with_n(women)]
        if trials and system:
            cells += [
                f"{trials.share_of_women_50_and_over:.1%}",
                f"{system.shares_of_women_50_and_over[terms.COHORT]:.1%}",
            ]
        rows.append(cells)
    for each in context.data.classes:
        row = alone_on_top(context, str(each["key"]))
        if row is not None:
            cells = [
                f"{sentence(str(each['title']))} alone on top, of the patients scored",
                _share_with_n(row),
            ]
            if trials:
                cells += [f"{trials.share_alone_on_top(str(each['label'])):.1%}", "not published"]
            rows.append(cells)
    if not rows:
        return [missing("the shares that can be compared")]
    columns = ["Share", "This site (95% interval)"]
    if trials and system:
        columns += ["The trials", system.title]
    text = Markup(
        "Each row shows one figure{}, counted in the same way in each column. Do not compare the "
        "rows with each other: the number of women aged 50 and over says nothing about the number "
        "of patients with a label."
    ).format(context.notes.mark("alone"))
    blocks: list[Block] = [Prose(text), Table("The same figures here and elsewhere", columns, rows)]
    if trials and system:
        blocks.append(
            Prose(
                f"The trials: {trials.description}, {trials.n_persons:,} participants "
                f"({trials.women_50_and_over.source}; labels: {trials.subgroups.source}). "
                f"{system.title}: {system.description}, {system.source}; age is "
                f"{system.age_rule}.",
                "note",
            )
        )
    return blocks


def _share_with_n(row: dict[str, object]) -> str:
    text = shown_share(row)
    return f"{text} of {count(row['n_population'])}" if number(row["share"]) is not None else text


def _within_range(context: Context) -> list[Block]:
    sizes = sizes_of(context, coded.WITHIN_TRIAL_RANGE)
    if not sizes:
        return [missing("who is within the trials’ range")]
    groups, shares = [], {}
    for value, title in WITHIN_RANGE.items():
        n = sizes.get(value, 0)
        known = shares[value] = portion(n, context.n_scored)
        ends: tuple[float | None, float | None] = (None, None)
        if known is not None and context.n_scored:
            low, high = wilson_interval(n or 0, context.n_scored)
            ends = (float(low), float(high))
        text = count(n) if known is None else f"{count(n)} ({share(known)})"
        groups.append(charts.BarGroup(title, [charts.Bar(known, *ends, text=text)]))
    yes = shares[coded.YES]
    title = "Who resembles the trials’ participants"
    if yes is not None:
        who = f"{about(yes)} are" if yes else "No patient is"
        title = f"{who} known to be within the trials’ range"
    return [
        Image(
            charts.bars(groups),
            "Patients scored: " + "; ".join(f"{e.label} {e.bars[0].text}" for e in groups) + ".",
            title,
            Markup(
                "The models are valid for patients like those of the trials{}. For other patients, "
                "a score is an extrapolation; for patients of unknown resemblance, it may be one."
            ).format(context.notes.mark("range")),
            is_half=True,
            subject="Resemblance to the trials’ participants",
        ),
    ]


def _differences(context: Context) -> list[Block]:
    frame = context.table("covariate_summary")
    if not frame:
        return [missing("the means of the covariates")]
    series = [
        Entry("recorded only", shape="o", filled=True, colour=ACCENT),
        Entry("as scored, imputed values included", shape="s", filled=False, colour=ACCENT),
    ]
    drawn, rows = [], []
    for covariate in distinct(frame, "covariate"):
        name = sentence(context.names.covariate(str(covariate)))
        is_share = context.names.is_yes_no(str(covariate))
        found = {
            population: only_row(pick(frame, covariate=covariate, population=population))
            for population in (terms.RECORDED, terms.SCORED)
        }
        values = [_difference(row) for row in found.values()]
        drawn.append(Dots(name, values))
        cells: list[str | Cell] = [name]
        for row in found.values():
            cells += ["", ""] if row is None else _moments(row, is_share=is_share)
        known = next(row for row in found.values() if row is not None)
        cells.append(_mean(known["trial_mean"], known["trial_standard_deviation"], is_share))
        rows.append(cells)
    alt = "; ".join(
        f"{row.label} {' and '.join(_in_words(value) for value in row.values)}" for row in drawn
    )
    return [
        Image(
            dots(drawn, series, bands=(-_RELEVANT, _RELEVANT)),
            f"Marks of the standardised mean difference, recorded and as scored: {alt}.",
            _differences_title(context),
            Markup(
                "Standardised mean difference{}: to the right of 0, this site’s mean is higher. "
                "Where few values were recorded, the two marks lie apart: the mean of the patients "
                "scored is then mainly that of the imputed constants."
            ).format(context.notes.mark("difference")),
            Table(
                "Means (standard deviations), patients, and differences from the trials",
                ("Covariate", "Recorded", "Difference", "As scored", "Difference", "The trials"),
                rows,
            ),
            is_half=True,
            subject="How far the means are from the trials’",
        ),
    ]


def _differences_title(context: Context) -> str:
    beyond = _beyond(context)
    if beyond is None:
        return "How far the means are from the trials’"
    return f"{beyond[0]} of {beyond[1]} recorded covariates differ from the trials’"


def _difference(row: dict[str, object] | None) -> float | None:
    """Return the difference; NaN if it does not exist, None if it is not shown."""
    if row is None or whole(row["n_persons"]) == 0:
        return math.nan
    value = number(row["standardised_mean_difference"])
    # A mean has no difference if it is from one person or if all values are equal.
    return math.nan if value is None and number(row["mean"]) is not None else value


def _in_words(value: float | None) -> str:
    if value is None:
        return "not shown"
    return "none recorded" if math.isnan(value) else decimal(value)


def _moments(row: dict[str, object], *, is_share: bool) -> list[str | Cell]:
    if whole(row["n_persons"]) == 0:
        return [Cell(NOBODY, "of 0"), NOBODY]
    value = _difference(row)
    difference = NOBODY if value is not None and math.isnan(value) else decimal(value)
    mean = _mean(row["mean"], row["standard_deviation"], is_share)
    below = "" if mean == HIDDEN else f"of {count(row['n_persons'])}"
    return [Cell(mean, below), difference]


def _mean(mean: object, deviation: object, is_share: bool) -> str:
    if number(mean) is None or is_share:
        return share(mean)
    spread = number(deviation)
    return decimal(mean, 1) if spread is None else f"{decimal(mean, 1)} ({decimal(spread, 1)})"
