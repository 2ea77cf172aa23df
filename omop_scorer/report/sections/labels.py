"""Blocks on the labels: both methods for the uncertainty, and what the labels do not test."""

from markupsafe import Markup

from omop_scorer.disclosure import coded
from omop_scorer.report.blocks import Block, Cell, Heading, Prose, Table
from omop_scorer.report.context import Context, missing
from omop_scorer.report.figures import added, distinct, only_row, pick, portion
from omop_scorer.report.words import HIDDEN, LABEL_CHECKS, NOBODY, count, share, whole


def blocks_on_labels(context: Context) -> list[Block]:
    """Return the comparison of both uncertainties, and the checks of the labels."""
    return [
        Heading(f"The two {_published(context)}methods for the uncertainty"),
        *_comparison(context),
        Heading("Labels that say more, or less, than the tests"),
        *_checks(context),
    ]


def _published(context: Context) -> str:
    """Return a word that only the published models deserve."""
    return "" if context.data.published is None else "published "


def _comparison(context: Context) -> list[Block]:
    frame = context.table("uncertainty_comparison")
    if not frame:
        return [missing("the two uncertainties")]
    counts = {
        (row["subgroup_bootstrap"], row["subgroup_analytic"]): whole(row["n_persons"])
        for row in frame
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
    text = (
        f"{share(kept)} of the patients have the same label with both methods."
        if kept is not None
        else "The share of patients with the same label is not shown: small counts are hidden."
    )
    all_equal = context.labels[-1] if context.labels else ""
    if all_equal and set(sides[0]) | set(sides[1]) <= set(order):
        with_bootstrap = added([n for (left, _), n in counts.items() if left == all_equal])
        with_analytic = added([n for (_, right), n in counts.items() if right == all_equal])
        if with_bootstrap is not None and with_analytic is not None:
            text += (
                f" Patients without a preference: {count(with_bootstrap)} by bootstrap, "
                f"{count(with_analytic)} by analytic."
            )
    return [
        Prose(
            Markup(
                "{} also includes the variation between trials, so it finds fewer preferences{}. {}"
            ).format(
                "Bootstrap reproduces the paper’s subgroups. Analytic reproduces those of the web "
                "calculator; it"
                if _published(context)
                else "Analytic",
                context.notes.mark("methods"),
                text,
            )
        ),
        Table(
            "Patients by label: bootstrap in the rows, analytic in the columns",
            ("Bootstrap", *sides[1], "All"),
            rows,
            is_folded=True,
        ),
    ]


def _checks(context: Context) -> list[Block]:
    frame = context.table("label_check")
    if not frame:
        return [missing("the checks of the labels")]
    used = distinct(frame, "uncertainty")
    rows: list[list[str | Cell]] = []
    for measure, (title, group) in LABEL_CHECKS.items():
        cells: list[str | Cell] = [title, group]
        for uncertainty in used:
            row = only_row(pick(frame, measure=measure, uncertainty=uncertainty))
            cells.append("" if row is None else _n_of(row["n_persons"], row["n_population"]))
        rows.append(cells)
    columns = ("Finding", "Among patients", *(f"By {uncertainty}" for uncertainty in used))
    own = context.data.run["uncertainty"]
    row = only_row(pick(frame, measure=coded.WORST_CLASS_RULED_OUT, uncertainty=own))
    text = ""
    if row is not None and whole(row["n_persons"]) is not None and whole(row["n_population"]):
        text = (
            f" Here {count(row['n_population'])} patients have no preference by label. For "
            f"{count(row['n_persons'])} of them the first class differs from the last (p below "
            "0.05), although no neighbours differ."
        )
    return [
        Prose(
            Markup("A label compares neighbours in the ranking only{}.{}").format(
                context.notes.mark("worst"), text
            )
        ),
        Table("Labels that do not agree with the tests", columns, rows, [1], is_folded=True),
    ]


def _n_of(n: object, of: object) -> Cell:
    if HIDDEN in (count(n), count(of)):
        return Cell(HIDDEN)
    if whole(of) == 0:
        return Cell(NOBODY)
    return Cell(f"{count(n)} of {count(of)}", share(portion(n, of), of))
