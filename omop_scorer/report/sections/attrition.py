"""The flow from the cohort to the patients scored."""

from omop_scorer.report.blocks import Block, Step, Steps
from omop_scorer.report.context import Context, missing
from omop_scorer.report.words import about, count, number, whole


def attrition_block(context: Context) -> Block:
    """Return the persons left out, step by step and with the reasons."""
    rows = context.table("attrition")
    if not rows:
        return missing("exclusions")
    if whole(rows[0]["n_persons"]) == 0:
        return Steps(
            "No person of the CDM is in the cohort.", "", [Step("", "", "0 in the cohort", True)]
        )
    drawn = []
    for i, row in enumerate(rows):
        is_end = i in (0, len(rows) - 1)
        drawn.append(
            Step(
                "" if i == 0 else context.names.reason(row["reason"]),
                "" if i == 0 else _left_out(whole(row["n_excluded"])),
                _remaining(i, len(rows), whole(row["n_persons"])),
                is_end,
            )
        )
    return Steps(
        _title(rows),
        "All persons in the first box are counted in the treatment audits; only the patients in "
        "the last box have a score.",
        drawn,
    )


def _left_out(n: int | None) -> str:
    return "some, not shown:" if n is None else f"{n:,}"


def _remaining(i: int, n_steps: int, n: int | None) -> str:
    if i == 0:
        return "in the cohort, number not shown" if n is None else f"{n:,} in the cohort"
    name = "scored" if i == n_steps - 1 else "remain"
    return f"{name}, number not shown" if n is None else f"{n:,} {name}"


def _title(rows: list[dict[str, object]]) -> str:
    first, last = number(rows[0]["n_persons"]), number(rows[-1]["n_persons"])
    if first is None or last is None or not first:
        return "From the cohort to the patients scored"
    return f"{about(last / first)} of the cohort could be scored: {count(last)} patients"
