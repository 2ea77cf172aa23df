"""What became of the patients since the run before."""

from omop_scorer.disclosure.cells import Cell, Hidden
from omop_scorer.disclosure.identities import N_SCORED, Tables, scored
from omop_scorer.disclosure.identities_cohort import ALL
from omop_scorer.results.difference import Flow, PatientDifference
from omop_scorer.results.history import Run

IN: Cell = ("change", "in")

OUT: Cell = ("change", "out")

CHANGED: Cell = ("change", "changed")

CAUSE: Cell = ("change", "cause")


def flow_cell(flow: Flow) -> Cell:
    """Return the cell of those who went from a label to a label."""
    return ("change", "flow", str(flow.earlier), str(flow.later))


def link_change(tables: Tables, earlier: Run, patients: PatientDifference) -> None:
    """Link who came, went and changed with the labels of this run and of the one before.

    The counts of the run before are taken as known: they were printed then.
    """
    figures = tables.figures
    for cell, n in ((IN, patients.n_in), (OUT, patients.n_out), (CHANGED, patients.n_changed)):
        figures.add(cell, n)
    cells: dict[tuple[str | None, str | None], Cell] = {}
    for flow in patients.flows:
        cells[flow.earlier, flow.later] = flow_cell(flow)
        figures.add(flow_cell(flow), flow.n_persons, is_printed=flow.is_change)
    # Who came, went or stayed is not printed: that nobody did is not known either.
    for label in tables.labels:
        for ends in ((None, label), (label, None), (label, label)):
            cells.setdefault(ends, flow_cell(Flow(ends[0], ends[1], 0)))
            figures.add(cells[ends], 0, is_printed=False)
    figures.is_sum(CHANGED, [flow_cell(flow) for flow in patients.changes])
    figures.is_sum(IN, [cell for (before, _), cell in cells.items() if before is None])
    figures.is_sum(OUT, [cell for (_, after), cell in cells.items() if after is None])
    for cause in patients.causes:
        figures.add((*CAUSE, cause.cause), cause.n_persons)
    figures.is_sum(CHANGED, [(*CAUSE, cause.cause) for cause in patients.causes])
    if earlier.n_scored is not None:
        figures.add(known_before(), earlier.n_scored)
    figures.rest(("change", "stayed"), known_before(), [OUT])
    figures.is_sum(N_SCORED, (("change", "stayed"), IN))
    for label in dict.fromkeys(before for before, _ in cells if before is not None):
        own = [cell for (before, _), cell in cells.items() if before == label]
        figures.add(known_before(label), sum(figures[cell] for cell in own))
        figures.is_sum(known_before(label), own)
    for label in tables.labels:
        own = [cell for (_, after), cell in cells.items() if after == label]
        figures.is_sum(scored(ALL, ALL, label), own)


def known_before(label: str = ALL) -> Cell:
    """Return the cell of a label, or of all scored, in the run before."""
    return ("before", label)


def gives_change_away(tables: Tables, hidden: Hidden, minimum: int) -> bool:
    """Say whether a count that the report before has printed would have to be hidden now.

    It cannot be: then what changed is not shown at all. A label that is hidden in this run is taken
    to have been hidden in the one before, too: the rules are the same and the counts are near.
    """
    figures = tables.figures
    pairs = {known_before(label): scored(ALL, ALL, label) for label in tables.labels}
    pairs[known_before()] = N_SCORED
    return any(
        before in hidden and figures.count(before) >= minimum and now not in hidden
        for before, now in pairs.items()
    )
