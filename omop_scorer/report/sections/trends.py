"""Small multiples of figures over the runs of the last twelve months."""

from collections.abc import Sequence
from datetime import date

from omop_scorer import terms
from omop_scorer.disclosure import coded
from omop_scorer.report.blocks import Beside, Block, Image, Table
from omop_scorer.report.charts.canvas import ACCENT
from omop_scorer.report.charts.curves import Curve, over_time
from omop_scorer.report.context import Context
from omop_scorer.report.figures import Rows, distinct, pick, rows_of
from omop_scorer.report.groups import groups_of
from omop_scorer.report.sections.certainty import IMPUTED, shares_in_state
from omop_scorer.report.words import about, day, number, sentence

_CAPTION = (
    "The last run of each month with the same models. Shares are rounded, so that two nights do "
    "not tell a small count; {}"
)


def trend_blocks(context: Context) -> list[Block]:
    """Return pictures of figures over the runs of a year; none without earlier runs."""
    frame = rows_of(context.data.trend)
    if len(distinct(frame, "as_of_date")) < 2:
        return []
    women = Curve("Women of 50 and over, of the cohort", [], ACCENT, "o")
    lines = [_with_points(women, pick(frame, measure=terms.WOMEN_50_AND_OVER, item=terms.COHORT))]
    worst = next((name for name, _, _ in shares_in_state(context, coded.IMPUTED)), None)
    if worst is not None:
        title = f"{sentence(context.names.covariate(worst))} imputed"
        of_worst = pick(frame, measure=coded.IMPUTED, item=worst)
        lines.append(_with_points(Curve(title, [], IMPUTED, "s"), of_worst))
    groups = [
        _with_points(
            Curve(group.title, [], group.look.colour, "o"),
            pick(frame, measure=coded.PREFERENCE_GROUP, item=group.key),
        )
        for group in groups_of(context)
    ]
    images: list[Block] = [
        _image([each for each in kind if each.points], subject)
        for kind, subject in (
            (groups, "Preference groups over the runs of a year"),
            (lines, "The cohort and what is imputed over the runs of a year"),
        )
        if any(each.points for each in kind)
    ]
    return [Beside(images)] if images else []


def _with_points(line: Curve, frame: Rows) -> Curve:
    points = [(float(_day_number(row["as_of_date"])), number(row["share"])) for row in frame]
    return Curve(line.title, points, line.colour, line.shape)


def _day_number(value: date) -> int:
    return value.toordinal()


def _image(lines: Sequence[Curve], subject: str) -> Image:
    days = sorted({n for each in lines for n, _ in each.points})
    names = [(n, f"{date.fromordinal(int(n)):%Y-%m}") for n in days]
    told = "; ".join(
        f"{each.title}: "
        + ", ".join(f"{date.fromordinal(int(n)):%Y-%m} {about(value)}" for n, value in each.points)
        for each in lines
    )
    rows = [(day(date.fromordinal(int(n))), *(_at(each, n) for each in lines)) for n in days]
    return Image(
        over_time(lines, "", names),
        f"{subject}. {told}.",
        _title(lines, subject),
        _CAPTION.format("a crossed square is a share that is not shown."),
        Table(subject, ("As of", *(each.title for each in lines)), rows),
        is_half=True,
        subject=subject,
    )


def _at(line: Curve, n: float) -> str:
    return about(dict(line.points)[n]) if n in dict(line.points) else ""


def _title(lines: Sequence[Curve], subject: str) -> str:
    """Return the figure that moved most between the first and the last run that show it."""
    moved = []
    for each in lines:
        known = [share for _, share in each.points if share is not None]
        if len(known) > 1:
            moved.append((abs(known[-1] - known[0]), each.title, known[0], known[-1]))
    if not moved:
        return subject
    change, title, first, last = max(moved)
    if not change:
        return f"No rounded share changed in {len(lines[0].points)} months"
    return f"{title}: from {about(first)} to {about(last)}"
