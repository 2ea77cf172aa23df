"""Blocks on the effects behind the labels, and on histograms of any measure."""

from omop_scorer import terms
from omop_scorer.report.blocks import Block, Fold, Image, Table
from omop_scorer.report.charts import distributions
from omop_scorer.report.charts.bars import NOT_SHOWN
from omop_scorer.report.charts.canvas import Look
from omop_scorer.report.charts.rows import Entry
from omop_scorer.report.context import Context, missing, shown_count
from omop_scorer.report.figures import Rows, pick, portion
from omop_scorer.report.words import EFFECTS, HIDDEN, number, sentence


def effect_blocks(context: Context) -> list[Block]:
    """Return histograms of effects and of probabilities of response, by class."""
    found: list[Block] = []
    for measure, title in EFFECTS.items():
        of_measure = pick(context.table("histogram"), measure=measure)
        if not of_measure:
            found.append(missing(f"the {title[0].lower()}{title[1:]}"))
        else:
            found.append(_image(context, measure, title))
    return [Fold("How the effects and the probabilities of response are spread", found)]


def _image(context: Context, measure: str, title: str) -> Image:
    frame = pick(context.table("histogram"), measure=measure)
    keys = [key for key in context.keys if pick(frame, category=key)]
    is_share = measure == terms.RESPONSE
    panels = [
        distributions.Panel(
            sentence(context.names.drug_class(key)),
            bins_of(pick(frame, category=key), context.n_scored),
            Look(context.colour(key)),
            is_share=is_share,
        )
        for key in keys
    ]
    told = "; ".join(f"{panel.title} {peak(panel, is_share=is_share)}" for panel in panels)
    rows = [
        (
            sentence(context.names.drug_class(str(row["category"]))),
            *(edge(float(row[name]), is_share=is_share) for name in ("bin_low", "bin_high")),
            shown_count(row),
        )
        for row in frame
    ]
    return Image(
        distributions.histograms(panels, hidden_entry(panels), is_one_scale=True),
        f"Histograms. {title}: {told}.",
        title,
        f"{_meaning(context, measure)}All classes have the same scale.",
        Table(title, ("Class", "From", "To below", "Patients"), rows),
        subject=title,
    )


def _meaning(context: Context, measure: str) -> str:
    card = context.data.card
    if card is None:
        return ""
    outcome = f"{card.outcome.title}, {card.outcome.unit}"
    if measure == terms.EFFECT:
        return f"{outcome}: the effect of the class in addition to placebo. "
    return f"{outcome}: {card.response_threshold:g} or more, including the placebo effect. "


def bins_of(frame: Rows, n: int | None) -> list[distributions.Bin]:
    """Return the bins of a histogram as shares of n persons; None if they are not shown."""
    return [
        distributions.Bin(
            float(row["bin_low"]),
            float(row["bin_high"]),
            portion(row["n_persons"], n),
            number(row["expected_share"]),
        )
        for row in frame
    ]


def hidden_entry(panels: list[distributions.Panel]) -> list[Entry]:
    """Return the legend of bins that are not shown, if there are any."""
    has_hidden = any(each.share is None for panel in panels for each in panel.bins)
    return [NOT_SHOWN] if has_hidden else []


def edge(value: float, *, is_share: bool = False) -> str:
    """Return an end of a bin as text."""
    return f"{value:.0%}" if is_share else f"{value:g}".replace("-", "−")


def peak(panel: distributions.Panel, *, is_share: bool = False) -> str:
    """Return the predicate of a sentence on the tallest bin of a histogram."""
    known = [each for each in panel.bins if each.share is not None]
    if not known:
        return HIDDEN
    best = max(known, key=lambda each: each.share or 0)
    edges = (edge(e, is_share=is_share) for e in (best.low, best.high))
    shown = "" if len(known) == len(panel.bins) else ", of the bins shown,"
    return "is most common{} from {} to {}".format(shown, *edges)
