"""The section on changes since the previous run."""

import pandas as pd

from omop_scorer.report.blocks import Block, Heading, Prose, Section, Table
from omop_scorer.report.context import Context, rows_of
from omop_scorer.report.words import count, day, number, sentence


def section(context: Context) -> Section:
    """Return the section on the differences from the previous run."""
    change = context.data.change
    title = "What changed since the last run"
    if change is None:
        lead = "There is no earlier run to compare with."
        return Section("change", title, lead, [], context.notes.new())
    causes, flows = change.get("causes"), change.get("flows")
    previous = f"run {change['previous_run_id']}, as of {day(change['previous_as_of_date'])}"
    lead = (
        f"Patients compared with {previous}: new {count(change['n_in'])}, no longer scored "
        f"{count(change['n_out'])}, scored in both runs with a different label "
        f"{count(change['n_changed'])}."
    )
    if change["n_changed"] is None and (causes is None or causes.empty):
        lead = (
            f"The previous run was {previous}. The changes are not known, because the patient "
            "rows of one of the two runs have been removed from the results."
        )
        return Section("change", title, lead, [], context.notes.new())
    blocks: list[Block] = [Heading("Causes of the changes")]
    if isinstance(causes, pd.DataFrame) and not causes.empty:
        rows = [
            (sentence(context.names.covariate(str(row["cause"]))), count(row["n_persons"]))
            for row in rows_of(causes)
        ]
        blocks.append(
            Table("Patients with a different label, by cause", ("Cause", "Patients"), rows)
        )
    else:
        blocks.append(Prose("No patient has a different label.", "note"))
    blocks.append(Heading("Changes from one label to another"))
    if isinstance(flows, pd.DataFrame) and not flows.empty:
        ordered = sorted(rows_of(flows), key=lambda row: -(number(row["n_persons"]) or 0))
        blocks.append(
            Table(
                "Patients with a different label",
                ("Before", "Now", "Patients"),
                [(str(row["from"]), str(row["to"]), count(row["n_persons"])) for row in ordered],
                words=[1],
            )
        )
    else:
        blocks.append(Prose("No patient has a different label.", "note"))
    return Section("change", title, lead, blocks, context.notes.new())
