"""The section on the cleaning: who is left out and why, and what was assumed."""

from omop_scorer.report.blocks import Block, Heading, Image, Listing, Section, Table
from omop_scorer.report.charts.flows import Step, attrition
from omop_scorer.report.words import plain, sentence
from omop_scorer.texts.characters import one_line
from omop_scorer.trials.load import TrialData


def section(data: TrialData) -> Section:
    """Return the section on the participants of the file."""
    counts = data.attrition
    n_out = counts.n_rows - counts.n_included
    lead = (
        f"{counts.n_included:,} of the {counts.n_rows:,} rows of the file are included in the "
        f"models; {n_out:,} are left out."
    )
    blocks: list[Block] = [_steps(data), _changed(data)]
    if data.warnings:
        blocks += [
            Heading("Warnings"),
            Listing([sentence(one_line(each)) for each in data.warnings]),
        ]
    return Section("participants", "Participants", lead, blocks)


def _steps(data: TrialData) -> Image:
    counts = data.attrition
    steps, left = [Step("rows of the file", counts.n_rows, "", None)], counts.n_rows
    reasons = {reason: n for reason, n in counts.left_out.items() if n}
    for reason, n in reasons.items():
        left -= n
        steps.append(Step("left", left, _reason(reason), n))
    if not reasons:
        steps.append(Step("", left, "nobody is left out", 0))
    last = steps[-1]
    steps[-1] = Step("included", last.n_persons, last.reason, last.n_excluded)
    told = ", ".join(f"{_reason(reason)} {n:,}" for reason, n in reasons.items()) or "nobody"
    table = Table(
        "Rows left out, by the first reason",
        ("Reason", "Rows"),
        [(sentence(_reason(reason)), f"{n:,}") for reason, n in counts.left_out.items()],
    )
    return Image(
        attrition(steps),
        f"From {counts.n_rows:,} rows of the file to {counts.n_included:,} included participants. "
        f"Left out: {told}.",
        "From rows to participants",
        "A row is left out for the first reason that applies, in the order of the table.",
        table,
    )


def _reason(name: str) -> str:
    return plain(name).replace("cdai", "CDAI").replace("anti tnf", "anti-TNF")


def _changed(data: TrialData) -> Table:
    """Return the values of included participants that are not the file's own."""
    counts = data.attrition
    rows = [(sentence(_reason(name)), f"{n:,}") for name, n in counts.assumed.items()]
    rows += [
        (f"Outcome carried forward from week {week}", f"{n:,}")
        for week, n in counts.carried_forward.items()
    ]
    rows += [
        (f"{_reason(column).upper()}: a median for a missing value", f"{n:,}")
        for column, n in counts.imputed.items()
    ]
    return Table(
        "Values assumed, carried forward or imputed among the included",
        ("Value", "Participants"),
        rows or [("None", "0")],
    )
