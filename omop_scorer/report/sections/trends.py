"""Small multiples of figures over the runs of the last twelve months."""

from omop_scorer.report.blocks import Block
from omop_scorer.report.context import Context


def trend_blocks(context: Context) -> list[Block]:
    """Return pictures of figures over runs; none if there are fewer than three runs."""
    return []
