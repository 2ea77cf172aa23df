"""Blocks on how long patients stay on their index drug."""

from omop_scorer.report.blocks import Block, Image, Table
from omop_scorer.report.charts.curves import Curve, over_time
from omop_scorer.report.context import Context, missing, shown_count
from omop_scorer.report.figures import Rows, pick
from omop_scorer.report.words import about, number, sentence, short, whole, within
from omop_scorer.terms import ALL, FIRST_BIOLOGIC

_YEAR = 360

#: Named values of the axis, in days.
_NAMES = tuple((float(days), f"{days:,}") for days in range(0, 721, 180))


def persistence_blocks(context: Context) -> list[Block]:
    """Return the share of patients still on the index drug, by class and days since the index."""
    frame = pick(context.table("persistence"), population=ALL, index_rule=FIRST_BIOLOGIC)
    if not frame:
        return [missing("how long patients stay on the index drug")]
    keys = [key for key in context.keys if pick(frame, drug_class=key)]
    lines = [_curve(context, key, pick(frame, drug_class=key)) for key in keys]
    told = "; ".join(f"{each.title} {_at_a_year(each)} after {_YEAR} days" for each in lines)
    rows = [
        (
            f"{sentence(context.names.drug_class(str(row['drug_class'])))}, {row['days']:,} days",
            shown_count(row, "n_at_risk"),
            shown_count(row, "n_stopped"),
            short(row["share"], row["ci_low"], row["ci_high"]),
        )
        for row in frame
        if str(row["drug_class"]) in keys
    ]
    return [
        Image(
            over_time(lines, "days since the index treatment", _NAMES),
            f"Share of patients still on the index drug: {told}.",
            _title(lines),
            "Kaplan-Meier estimate of the share still on the drug of the index treatment, by its "
            "class; the tint is the 95% interval.",
            Table(
                "Patients still on the index drug",
                ("Class and days", "At risk", "Stopped so far", "Share (95% interval)"),
                rows,
            ),
            is_half=True,
            subject="How long patients stay on the index drug",
        )
    ]


def _curve(context: Context, key: str, frame: Rows) -> Curve:
    rows = sorted(frame, key=lambda row: int(row["days"]))
    points = [(float(row["days"]), number(row["share"])) for row in rows]
    band = [
        (float(row["days"]), low, high)
        for row in rows
        if (low := number(row["ci_low"])) is not None
        and (high := number(row["ci_high"])) is not None
    ]
    if whole(rows[0]["days"]) != 0:
        points.insert(0, (0.0, 1.0))
    title = sentence(context.names.drug_class(key))
    return Curve(title, points, context.colour(key), is_stepped=False, band=band)


def _at_a_year(line: Curve) -> str:
    return about(dict(line.points).get(float(_YEAR)))


def _title(lines: list[Curve]) -> str:
    known = [
        (value, each.title)
        for each in lines
        if (value := dict(each.points).get(float(_YEAR))) is not None
    ]
    if not known:
        return "How long patients stay on the index drug"
    share, name = max(known)
    return f"After {_YEAR} days, {about(share)} are still on {within(name)}"
