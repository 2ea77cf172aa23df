"""What the labels hang on: the way to the uncertainty, and which pairs are tested."""

from markupsafe import Markup

from omop_scorer.report.blocks import Block, Cell, Heading, Prose, Table
from omop_scorer.report.context import Context, added, missing, only_row, pick, portion, rows_of
from omop_scorer.report.words import HIDDEN, NOBODY, count, share, whole

_CHECKS = {
    "worst_class_ruled_out": "No preference by the label, yet the worst class is ruled out",
    "order_not_significant": "An order by the label, yet first against last does not differ",
    "best_response_elsewhere": "Highest probability of response under another class than the first",
}

_OF = {
    "worst_class_ruled_out": "without a preference",
    "order_not_significant": "with an order",
    "best_response_elsewhere": "scored",
}


def blocks_on_labels(context: Context) -> list[Block]:
    """Return what compares the two uncertainties, and what checks the labels."""
    return [
        Heading("The two published ways to the uncertainty"),
        *_comparison(context),
        Heading("Labels that say more, or less, than the tests"),
        *_checks(context),
    ]


def _comparison(context: Context) -> list[Block]:
    frame = context.data.table("uncertainty_comparison")
    if frame is None:
        return [missing("the two uncertainties")]
    counts = {
        (row["subgroup_bootstrap"], row["subgroup_analytic"]): whole(row["n_persons"])
        for row in rows_of(frame)
    }
    order = {label: i for i, label in enumerate(context.labels)}
    sides = [
        sorted({pair[i] for pair in counts}, key=lambda label: order.get(label, len(order)))
        for i in (0, 1)
    ]
    total = added(list(counts.values()))
    same = added([n for (left, right), n in counts.items() if left == right])
    rows: list[list[str | Cell]] = []
    for left in sides[0]:
        cells: list[str | Cell] = [left]
        for right in sides[1]:
            n = counts.get((left, right), 0)
            cells.append(Cell(count(n), shade=portion(n, context.n_scored)))
        cells.append(count(added([counts.get((left, right), 0) for right in sides[1]])))
        rows.append(cells)
    columns_total = [
        added([counts.get((left, right), 0) for left in sides[0]]) for right in sides[1]
    ]
    rows.append(["All", *(count(n) for n in columns_total), count(total)])
    kept = portion(same, context.n_scored)
    said = (
        f"{share(kept)} of the patients have the same label either way."
        if kept is not None
        else "How many have the same label either way is not shown: small counts are hidden."
    )
    everyone = context.labels[-1] if context.labels else ""
    if everyone:
        with_bootstrap = added([n for (left, _), n in counts.items() if left == everyone])
        with_analytic = added([n for (_, right), n in counts.items() if right == everyone])
        if with_bootstrap is not None and with_analytic is not None:
            said += (
                f" Without a preference are {count(with_bootstrap)} by bootstrap and "
                f"{count(with_analytic)} by analytic."
            )
    return [
        Prose(
            Markup(
                "Bootstrap reproduces the paper’s subgroups. Analytic, the web calculator’s, "
                "carries the variation between trials too and so finds fewer preferences{}. {}"
            ).format(context.notes.mark("methods"), said)
        ),
        Table(
            "Patients by label: bootstrap down, analytic across",
            ("Bootstrap", *sides[1], "All"),
            rows,
        ),
    ]


def _checks(context: Context) -> list[Block]:
    frame = context.data.table("label_check")
    if frame is None:
        return [missing("what the labels leave out")]
    used = list(dict.fromkeys(frame["uncertainty"]))
    rows: list[list[str | Cell]] = []
    for measure, title in _CHECKS.items():
        cells: list[str | Cell] = [title, _OF[measure]]
        for uncertainty in used:
            row = only_row(pick(frame, measure=measure, uncertainty=uncertainty))
            cells.append("" if row is None else _n_of(row["n_persons"], row["n_population"]))
        rows.append(cells)
    columns = ("Finding", "Counted of those", *(f"By {uncertainty}" for uncertainty in used))
    own = context.data.run["uncertainty"]
    row = only_row(pick(frame, measure="worst_class_ruled_out", uncertainty=own))
    said = ""
    if row is not None and whole(row["n_persons"]) is not None and whole(row["n_population"]):
        said = (
            f" Here {count(row['n_population'])} patients have no preference; for "
            f"{count(row['n_persons'])} of them the models tell the first class from the last "
            "(p below 0.05), although no neighbours differ."
        )
    return [
        Prose(
            Markup("A label compares neighbours in the ranking only{}.{}").format(
                context.notes.mark("worst"), said
            )
        ),
        Table("Labels and tests that do not say the same", columns, rows, words=[1]),
    ]


def _n_of(n: object, of: object) -> Cell:
    if HIDDEN in (count(n), count(of)):
        return Cell(HIDDEN)
    if whole(of) == 0:
        return Cell(NOBODY)
    return Cell(f"{count(n)} of {count(of)}", share(portion(n, of), of))
