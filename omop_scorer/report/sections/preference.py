"""How long until the next treatment, and what the models had preferred before it."""

from markupsafe import Markup

from omop_scorer.report.blocks import Block, Cell, Image, Prose, Table
from omop_scorer.report.charts import distributions
from omop_scorer.report.context import Context, added, missing, pick, portion, rows_of
from omop_scorer.report.words import HIDDEN, NEXT, count, decimal, number, sentence, whole


def time_blocks(context: Context) -> list[Block]:
    """Return how many days passed until the next treatment."""
    frame = pick(context.data.table("next_treatment_time"), index_rule="first_biologic")
    if frame.empty:
        return [missing("the time to the next treatment")]
    drawn, rows = [], []
    for row in rows_of(frame):
        if row["index_class"] != "all" and row["population"] != "all":
            continue
        if whole(row["n_persons"]) == 0:
            continue
        days = [
            number(row[name])
            for name in ("first_quartile_days", "median_days", "third_quartile_days")
        ]
        title = context.names.population(str(row["population"]))
        if row["index_class"] != "all":
            title = f"Index {context.names.drug_class(str(row['index_class']))}"
        first, median, third = days
        quartiles = (
            None if first is None or median is None or third is None else (first, median, third)
        )
        text = HIDDEN if median is None else decimal(median, 0)
        drawn.append(distributions.Range(title, quartiles, text))
        rows.append((title, count(row["n_persons"]), *(decimal(each, 0) for each in days)))
    if not drawn:
        return [Prose("Nobody was given a next treatment.", "note")]
    return [
        Image(
            distributions.ranges(drawn, "days from the index treatment to the next"),
            "Ranges of days to the next treatment, medians: "
            + "; ".join(f"{each.label} {each.text}" for each in drawn)
            + ".",
            "Days to the next treatment",
            "Of those given one: the line holds the middle half of them, the ring is the median "
            "(right).",
        ),
        Table(
            "Days from the first biologic to the next treatment, of those who had one",
            ("Population", "Patients", "First quartile", "Median", "Third quartile"),
            rows,
        ),
    ]


def concordance_blocks(context: Context) -> list[Block]:
    """Return what was preferred at the index treatment against what was given next."""
    frame = context.data.table("preference_concordance")
    if frame is None:
        return [missing("what the models had preferred")]
    blocks: list[Block] = [
        Prose(
            Markup(
                "What the models preferred on the day of the index treatment{} (rows), against "
                "what was given next (columns). A darker cell is a larger share of its row. Those "
                "who treated knew more than nine covariates, and the models did not exist then: a "
                "difference is no fault."
            ).format(context.notes.mark("preferred"))
        )
    ]
    for population in ("all", "women_50_and_over"):
        table = _heat(context, population)
        if table is not None:
            blocks.append(table)
    if len(blocks) == 1:
        return [Prose("Nobody was indexed.", "note")]
    return blocks


def _heat(context: Context, population: str) -> Table | None:
    frame = pick(context.data.table("preference_concordance"), population=population)
    next_classes = [key for key in (*context.keys, *NEXT) if key in set(frame["next_class"])]
    rows: list[list[str | Cell]] = []
    for preferred in dict.fromkeys(frame["preferred"]):
        found = {
            row["next_class"]: whole(row["n_persons"])
            for row in rows_of(pick(frame, preferred=preferred))
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
        f"{context.names.population(population)}: preferred at the index, and given next (persons)",
        ("Preferred", *titles, "All"),
        rows,
    )
