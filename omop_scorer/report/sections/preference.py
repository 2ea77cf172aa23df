"""Blocks on the time to the next treatment, and on the class that the models preferred."""

from markupsafe import Markup

from omop_scorer.report.blocks import Block, Cell, Image, Prose, Table
from omop_scorer.report.charts import estimates
from omop_scorer.report.context import Context, missing, shown_count
from omop_scorer.report.figures import added, distinct, pick, portion
from omop_scorer.report.words import HIDDEN, NEXT, count, decimal, number, sentence, whole
from omop_scorer.terms import ALL, FIRST_BIOLOGIC, WOMEN_50_AND_OVER


def time_blocks(context: Context) -> list[Block]:
    """Return the days from the index treatment to the next one, by population and index class."""
    frame = pick(context.table("next_treatment_time"), index_rule=FIRST_BIOLOGIC)
    if not frame:
        return [missing("the time to the next treatment")]
    drawn, rows = [], []
    for row in frame:
        if ALL not in (row["index_class"], row["population"]):
            continue
        if whole(row["n_persons"]) == 0:
            continue
        days = [
            number(row[name])
            for name in ("first_quartile_days", "median_days", "third_quartile_days")
        ]
        title = context.names.population(str(row["population"]))
        if row["index_class"] != ALL:
            title = f"Index {context.names.drug_class(str(row['index_class']))}"
        first, median, third = days
        quartiles = (
            None if first is None or median is None or third is None else (first, median, third)
        )
        text = HIDDEN if median is None else decimal(median, 0)
        drawn.append(estimates.Range(title, quartiles, text))
        rows.append((title, shown_count(row), *(decimal(each, 0) for each in days)))
    if not drawn:
        return [Prose("No patient was given a next treatment.", "note")]
    return [
        Image(
            estimates.ranges(drawn, "days from the index treatment to the next"),
            "Ranges of days to the next treatment, medians: "
            + "; ".join(f"{each.label} {each.text}" for each in drawn)
            + ".",
            _time_title(drawn),
            "Patients given a next treatment: the line covers the middle half of them, the ring is "
            "the median (on the right).",
            Table(
                "Days from the first biologic to the next treatment, for patients given one",
                ("Population", "Patients", "First quartile", "Median", "Third quartile"),
                rows,
            ),
            is_half=True,
            subject="Days to the next treatment",
        ),
    ]


def _time_title(drawn: list[estimates.Range]) -> str:
    median = drawn[0].quartiles[1] if drawn[0].quartiles else None
    if median is None:
        return "Days to the next treatment"
    return f"Half of those who switched did so within {median:,.0f} days"


def concordance_blocks(context: Context) -> list[Block]:
    """Return tables of the class preferred at the index treatment by the treatment given next."""
    frame = context.table("preference_concordance")
    if not frame:
        return [missing("the classes that the models would have preferred")]
    blocks: list[Block] = [
        Prose(
            Markup(
                "Rows: the class that the models prefer on the day of the index treatment{}. "
                "Columns: the treatment given next. A darker cell is a larger share of its row. "
                "The physicians knew more than nine covariates, and the models did not exist then. "
                "A difference is not an error."
            ).format(context.notes.mark("preferred"))
        )
    ]
    for population in (ALL, WOMEN_50_AND_OVER):
        table = _heat(context, population)
        if table is not None:
            blocks.append(table)
    if len(blocks) == 1:
        return [Prose("No patient had an index treatment.", "note")]
    return blocks


def _heat(context: Context, population: str) -> Table | None:
    frame = pick(context.table("preference_concordance"), population=population)
    next_classes = [key for key in (*context.keys, *NEXT) if key in distinct(frame, "next_class")]
    rows: list[list[str | Cell]] = []
    for preferred in distinct(frame, "preferred"):
        found = {
            row["next_class"]: whole(row["n_persons"]) for row in pick(frame, preferred=preferred)
        }
        if all(n == 0 for n in found.values()):
            continue
        total = added(list(found.values()))
        cells: list[str | Cell] = [sentence(context.names.preferred(str(preferred)))]
        for key in next_classes:
            n = found.get(key, 0)
            cells.append(Cell(count(n), shade=portion(n, total)))
        cells.append(count(total))
        rows.append(cells)
    if not rows:
        return None
    titles = [sentence(context.names.drug_class(key)) for key in next_classes]
    return Table(
        f"{context.names.population(population)}: preferred class and next treatment (persons)",
        ("Preferred", *titles, "All"),
        rows,
    )
