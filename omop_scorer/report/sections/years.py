"""The share of women of 50 and over by calendar year."""

from omop_scorer import terms
from omop_scorer.report.blocks import Block, Image, Table
from omop_scorer.report.charts.canvas import ACCENT, SOFT
from omop_scorer.report.charts.curves import Curve, over_time
from omop_scorer.report.context import Context, shown_count, shown_share
from omop_scorer.report.figures import Rows, distinct, pick
from omop_scorer.report.words import EVENTS, about, number

_LOOKS = {terms.DISEASE_RECORD: (ACCENT, "o"), terms.FIRST_BIOLOGIC: (SOFT, "s")}


def years_blocks(context: Context) -> list[Block]:
    """Return women of 50 and over among those with a record or a first biologic, by year."""
    frame = pick(context.table("prevalence_by_year"), measure=terms.WOMEN_50_AND_OVER)
    if not frame:
        return []
    lines = [_curve(name, pick(frame, event=name)) for name in EVENTS]
    drawn = [line for line in lines if line.points]
    years = sorted(int(year) for year in distinct(frame, "calendar_year"))
    names = [(float(year), str(year)) for year in years]
    rows = [
        (
            f"{EVENTS[str(row['event'])]}, {row['calendar_year']}",
            shown_count(row),
            shown_count(row, "n_population"),
            shown_share(row),
        )
        for row in frame
    ]
    told = "; ".join(
        f"{line.title}: " + ", ".join(f"{int(year)} {about(value)}" for year, value in line.points)
        for line in drawn
    )
    return [
        Image(
            over_time(drawn, "calendar year", names),
            f"Share of women aged 50 and over by calendar year. {told}.",
            _title(drawn),
            "Share of women of 50 and over among persons with a record of the disease, and among "
            "those with a first biologic, in each year. The first and the last year may be "
            "counted in part.",
            Table(
                "Women of 50 and over by calendar year",
                ("Event and year", "Women of 50 and over", "Persons", "Share (95% interval)"),
                rows,
            ),
            is_half=True,
            subject="Women of 50 and over by calendar year",
        )
    ]


def _curve(event: str, frame: Rows) -> Curve:
    colour, shape = _LOOKS[event]
    points = [
        (float(row["calendar_year"]), number(row["share"]))
        for row in sorted(frame, key=lambda row: int(row["calendar_year"]))
        if row["n_population"] != 0
    ]
    return Curve(EVENTS[event], points, colour, shape)


def _title(lines: list[Curve]) -> str:
    points = lines[0].points if lines else []
    if len(points) < 2 or None in (points[0][1], points[-1][1]):
        return "Women of 50 and over by calendar year"
    (first, low), (last, high) = points[0], points[-1]
    return f"Women of 50 and over: {about(low)} in {first:.0f}, {about(high)} in {last:.0f}"
