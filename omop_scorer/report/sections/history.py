"""The section on changes: since the previous run, and over the runs of a year."""

from collections.abc import Mapping
from typing import Any

from omop_scorer.report.blocks import Beside, Block, Prose, Section, Table
from omop_scorer.report.context import Context, shown_count
from omop_scorer.report.figures import rows_of
from omop_scorer.report.sections.trends import trend_blocks
from omop_scorer.report.words import count, day, number, sentence

_TITLE = "What changed"


def section(context: Context) -> Section:
    """Return the section on the differences from the previous run, and on trends."""
    change = context.data.change
    blocks: list[Block] = trend_blocks(context)
    if change is not None and is_known(change):
        blocks.append(Beside([_causes(context, change), _flows(change)]))
    return Section("change", _TITLE, sentence_on_change(context), blocks, context.notes.new())


def is_known(change: Mapping[str, Any]) -> bool:
    """Return True if the changes of the patients are known, shown or not."""
    return change["n_changed"] is not None or bool(rows_of(change.get("causes")))


def sentence_on_change(context: Context) -> str:
    """Return what changed since the previous run, in a sentence or two."""
    change = context.data.change
    if change is None:
        return "There is no earlier run to compare with."
    previous = f"run {change['previous_run_id']}, as of {day(change['previous_as_of_date'])}"
    if not is_known(change):
        return (
            f"The previous run was {previous}. The changes are not known, because the patient "
            "rows of one of the two runs have been removed from the results."
        )
    return (
        f"Patients compared with {previous}: new {count(change['n_in'])}, no longer scored "
        f"{count(change['n_out'])}, scored in both runs with a different label "
        f"{count(change['n_changed'])}."
    )


def _causes(context: Context, change: Mapping[str, Any]) -> Block:
    causes = rows_of(change.get("causes"))
    if not causes:
        return Prose("No patient has a different label.", "note")
    rows = [
        (sentence(context.names.covariate(str(row["cause"]))), shown_count(row)) for row in causes
    ]
    return Table("Patients with a different label, by cause", ("Cause", "Patients"), rows)


def _flows(change: Mapping[str, Any]) -> Block:
    flows = rows_of(change.get("flows"))
    if not flows:
        return Prose("No change from one label to another.", "note")
    ordered = sorted(flows, key=lambda row: -(number(row["n_persons"]) or 0))
    rows = [(str(row["from"]), str(row["to"]), shown_count(row)) for row in ordered]
    return Table(
        "Patients with a different label, before and now",
        ("Before", "Now", "Patients"),
        rows,
        words=[1],
        is_folded=True,
    )
