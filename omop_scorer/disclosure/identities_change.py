"""Identities between the labels of this run, those of the previous run, and the changes."""

from omop_scorer.disclosure.cells import Cell, Hidden
from omop_scorer.disclosure.coded import ALL
from omop_scorer.disclosure.identities import N_SCORED, Tables, scored
from omop_scorer.results.difference import Flow, PatientDifference
from omop_scorer.results.history import Run

IN: Cell = ("change", "in")

OUT: Cell = ("change", "out")

CHANGED: Cell = ("change", "changed")

CAUSE: Cell = ("change", "cause")


def flow_cell(flow: Flow) -> Cell:
    """Return the cell of the patients who moved from one label to another."""
    return ("change", "flow", str(flow.earlier), str(flow.later))


def link_change(tables: Tables, earlier: Run, patients: PatientDifference) -> None:
    """Link added, removed and changed patients with the labels of this run and the previous one.

    The counts of the previous run count as known to the reader, because its report printed them.
    """
    figures = tables.figures
    for cell, n in ((IN, patients.n_in), (OUT, patients.n_out), (CHANGED, patients.n_changed)):
        figures.add(cell, n)
    cells: dict[tuple[str | None, str | None], Cell] = {}
    for flow in patients.flows:
        cells[flow.earlier, flow.later] = flow_cell(flow)
        figures.add(flow_cell(flow), flow.n_persons, is_printed=flow.is_change)
    # Added, removed and unchanged patients are not printed by label, so a reader does not know
    # which of these counts are zero.
    for label in tables.labels:
        for ends in ((None, label), (label, None), (label, label)):
            cells.setdefault(ends, flow_cell(Flow(ends[0], ends[1], 0)))
            figures.add(cells[ends], 0, is_printed=False)
    figures.declare_sum(CHANGED, [flow_cell(flow) for flow in patients.changes])
    figures.declare_sum(IN, [cell for (before, _), cell in cells.items() if before is None])
    figures.declare_sum(OUT, [cell for (_, after), cell in cells.items() if after is None])
    for cause in patients.causes:
        figures.add((*CAUSE, cause.cause), cause.n_persons)
    figures.declare_sum(CHANGED, [(*CAUSE, cause.cause) for cause in patients.causes])
    if earlier.n_scored is not None:
        figures.add(known_before(), earlier.n_scored)
    figures.add_rest(("change", "stayed"), known_before(), [OUT])
    figures.declare_sum(N_SCORED, (("change", "stayed"), IN))
    for label in dict.fromkeys(before for before, _ in cells if before is not None):
        own = [cell for (before, _), cell in cells.items() if before == label]
        figures.add(known_before(label), sum(figures[cell] for cell in own))
        figures.declare_sum(known_before(label), own)
    for label in tables.labels:
        own = [cell for (_, after), cell in cells.items() if after == label]
        figures.declare_sum(scored(ALL, ALL, label), own)


def known_before(label: str = ALL) -> Cell:
    """Return the cell of a label, or of all scored patients, in the previous run."""
    return ("before", label)


def contradicts_previous_report(tables: Tables, hidden: Hidden, minimum: int) -> bool:
    """Return True if a count that the previous report printed would have to be hidden now.

    It is already printed, so no change may be shown at all. A label that is hidden in this run is
    taken to have been hidden in the previous one as well: the rules are the same and the counts
    are close.
    """
    figures = tables.figures
    pairs = {known_before(label): scored(ALL, ALL, label) for label in tables.labels}
    pairs[known_before()] = N_SCORED
    return any(
        before in hidden and figures.count(before) >= minimum and now not in hidden
        for before, now in pairs.items()
    )
