"""The section on the cleaning: who is left out and why, and what was assumed."""

from omop_scorer.report.blocks import Block, Heading, Listing, Section, Step, Steps, Table
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
    blocks: list[Block] = [*_steps(data), _changed(data)]
    if data.warnings:
        blocks += [
            Heading("Warnings"),
            Listing([sentence(one_line(each)) for each in data.warnings]),
        ]
    return Section("participants", "Participants", lead, blocks)


def _steps(data: TrialData) -> list[Block]:
    counts = data.attrition
    left = counts.n_rows
    steps = [Step("", "", f"{left:,} rows of the file", is_end=True)]
    reasons = {reason: n for reason, n in counts.left_out.items() if n}
    for reason, n in reasons.items():
        left -= n
        steps.append(Step(_reason(reason), f"{n:,}", f"{left:,} left"))
    last = steps.pop() if reasons else Step("nobody is left out", "0", "")
    steps.append(Step(last.reason, last.excluded, f"{left:,} included", is_end=True))
    table = Table(
        "Rows left out, by the first reason",
        ("Reason", "Rows"),
        [(sentence(_reason(reason)), f"{n:,}") for reason, n in counts.left_out.items()],
        is_folded=True,
    )
    caption = "A row is left out for the first reason that applies, in the order of the table."
    return [Steps("From rows to participants", caption, steps), table]


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
