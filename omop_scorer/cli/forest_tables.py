"""Tables of forests beside mixed models, for a terminal of 80 columns."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from omop_scorer.cli.trials_tables import arm_labels, arms_key, attrition_table, heading
from omop_scorer.trials.concordance import ORDERS
from omop_scorer.trials.forest import ForestAnswer


def render_forest(answer: ForestAnswer) -> Group:
    """Return what `trials forest` prints: settings and errors, agreement, and orders of pairs."""
    return Group(*_parts(answer))


def _parts(answer: ForestAnswer) -> Iterator[RenderableType]:
    data = answer.fitted.data
    yield heading("Participants")
    yield attrition_table(data)
    yield arms_key(data.template.classes)
    yield heading(f"Forests and mixed models, five-fold error, {data.template.outcome.unit}")
    yield _models(answer)
    yield Text("RMSE: root mean squared error of one prediction. Forest above: mixed = 0%.")
    yield heading("Participants by subgroup, mixed models against forests")
    yield _agreement(answer)
    yield Text(
        "Concordance counts contradictions only: two methods that find nothing agree\n"
        "fully, so read it with the shares below it."
    )
    for (a, b), table in answer.agreement["bootstrap"].pairs.items():
        yield heading(f"A = {a}, B = {b}: participants by order")
        yield _orders(table)


def _models(answer: ForestAnswer) -> Table:
    table = _table("model", "at least\nin a leaf", "covariates\na split", "forest\nRMSE",
                   "mixed\nRMSE", "forest\nabove")  # fmt: skip
    arms = arm_labels(answer.fitted.data.template)
    for arm, each in answer.tuned.items():
        mixed = each.mixed_rmse
        table.add_row(
            Text(arms[arm]),
            str(each.growth.min_samples_leaf),
            str(each.growth.max_features),
            f"{each.rmse:.1f}",
            "-" if mixed is None else f"{mixed:.1f}",
            "-" if mixed is None else f"{each.rmse / mixed - 1:+z.1%}",
        )
    return table


def _agreement(answer: ForestAnswer) -> Table:
    table = _table("", *answer.agreement)
    agreements = list(answer.agreement.values())
    rows = {
        "concordance": [each.concordance for each in agreements],
        "same label": [each.same_label_share for each in agreements],
        "without preference, mixed models": [each.no_preference_share[0] for each in agreements],
        "without preference, forests": [each.no_preference_share[1] for each in agreements],
    }
    for name, shares in rows.items():
        table.add_row(name, *(f"{share:.1%}" for share in shares))
    return table


def _orders(counts: tuple[tuple[int, ...], ...]) -> Table:
    table = _table("mixed models, bootstrap", *(f"forest {order}" for order in ORDERS))
    for order, row in zip(ORDERS, counts, strict=True):
        table.add_row(order, *(f"{n:,}" for n in row))
    return table


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for place, each in enumerate(headings):
        table.add_column(each, justify="right" if place else "left")
    return table
