"""What changed since the run before."""

import pandas as pd

from omop_scorer.report.blocks import Block, Heading, Prose, Section, Table
from omop_scorer.report.context import Context, rows_of
from omop_scorer.report.words import count, day, number, sentence


def section(context: Context) -> Section:
    """Return the section on the differences from the run before."""
    change = context.data.change
    title = "What changed since the last run"
    if change is None:
        lead = "There is no earlier run to compare with."
        return Section("change", title, lead, [], context.notes.new())
    causes, flows = change.get("causes"), change.get("flows")
    before = f"run {change['previous_run_id']}, as of {day(change['previous_as_of_date'])}"
    lead = (
        f"Compared with {before}: {count(change['n_in'])} patients came in, "
        f"{count(change['n_out'])} went out, and {count(change['n_changed'])} of those scored both "
        "times have another label."
    )
    if change["n_changed"] is None and (causes is None or causes.empty):
        lead = (
            f"The run before was {before}. What changed cannot be told: the results hold the "
            "patients of one of the two runs no longer."
        )
        return Section("change", title, lead, [], context.notes.new())
    blocks: list[Block] = []
    blocks.append(Heading("Which covariate did it"))
    if isinstance(causes, pd.DataFrame) and not causes.empty:
        rows = [
            (sentence(context.names.covariate(str(row["cause"]))), count(row["n_persons"]))
            for row in rows_of(causes)
        ]
        blocks.append(
            Table("Patients with another label, by what changed", ("Cause", "Patients"), rows)
        )
    else:
        blocks.append(Prose("No patient has another label.", "note"))
    blocks.append(Heading("From which label to which"))
    if isinstance(flows, pd.DataFrame) and not flows.empty:
        ordered = sorted(rows_of(flows), key=lambda row: -(number(row["n_persons"]) or 0))
        blocks.append(
            Table(
                "Patients with another label",
                ("Before", "Now", "Patients"),
                [(str(row["from"]), str(row["to"]), count(row["n_persons"])) for row in ordered],
                words=[1],
            )
        )
    else:
        blocks.append(Prose("No patient has another label.", "note"))
    return Section("change", title, lead, blocks, context.notes.new())
