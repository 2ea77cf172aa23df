"""Blocks on recorded values, and on all covariates together, beside the trials' participants."""

import math
from collections.abc import Sequence

from markupsafe import Markup

from omop_scorer import terms
from omop_scorer.disclosure import coded
from omop_scorer.report.blocks import Block, Image, Prose, Table
from omop_scorer.report.charts import bars as charts
from omop_scorer.report.charts import distributions
from omop_scorer.report.charts.distributions import Bin
from omop_scorer.report.charts.rows import Entry
from omop_scorer.report.context import Context, missing, shown_count
from omop_scorer.report.figures import distinct, only_row, pick, portion
from omop_scorer.report.groups import sizes_of
from omop_scorer.report.sections.certainty import shares_in_state
from omop_scorer.report.sections.effects import bins_of, hidden_entry
from omop_scorer.report.words import decimal, number, sentence, share, whole

_PERCENTILES = (1, 5, 25, 50, 75, 95, 99)

#: Bins beyond the trials' percentiles are drawn if they hold at least this share of patients.
_RARE = 0.005


def value_blocks(context: Context) -> list[Block]:
    """Return the recorded values beside the percentiles of the trials' participants."""
    frame = pick(context.table("histogram"), measure=terms.COVARIATE)
    card = context.data.card
    summary = context.table("covariate_summary")
    panels, rows = [], []
    for name in distinct(frame, "category"):
        if context.names.is_yes_no(str(name)):
            continue
        recorded = only_row(pick(summary, covariate=name, population=terms.RECORDED))
        n = whole(recorded["n_persons"]) if recorded else None
        of_name = pick(frame, category=name)
        known = card.training_population.percentiles.get(str(name)) if card else None
        percentiles = None
        if known and set(_PERCENTILES) <= set(known):
            percentiles = [known[each] for each in _PERCENTILES]
        unit = context.names.unit(str(name))
        title = sentence(context.names.covariate(str(name)))
        panels.append(
            distributions.Panel(
                f"{title}{f' ({unit})' if unit else ''}",
                _sensible(bins_of(of_name, n), percentiles),
                percentiles=percentiles,
            )
        )
        rows += [
            (title, f"{row['bin_low']:g}", f"{row['bin_high']:g}", shown_count(row))
            for row in of_name
        ]
    if not panels:
        return [missing("recorded values of the covariates")]
    return [
        Image(
            distributions.histograms(panels, hidden_entry(panels), is_one_scale=False),
            "Histograms of recorded values with a strip of the trials’ percentiles: "
            + "; ".join(_strip(panel) for panel in panels)
            + ".",
            _values_title(context, panels),
            "Recorded values only, without imputed ones; the strip below is the trials’ "
            "participants: the box holds their middle half with the median, the thick line the "
            "5th to the 95th percentile, the thin line the 1st to the 99th. Rare values beyond "
            "these are not drawn.",
            Table("Recorded values", ("Covariate", "From", "To below", "Patients"), rows),
            subject="Recorded values, and the trials’",
        )
    ]


def _sensible(bins: list[Bin], percentiles: Sequence[float] | None) -> list[Bin]:
    """Return the bins without rare ones beyond the trials' percentiles, on either side."""
    low, high = (percentiles[0], percentiles[-1]) if percentiles else (math.inf, -math.inf)
    kept = [
        i
        for i, each in enumerate(bins)
        if (each.share or 0) >= _RARE or (each.high > low and each.low < high)
    ]
    return bins[kept[0] : kept[-1] + 1] if kept else bins


def _values_title(context: Context, panels: list[distributions.Panel]) -> str:
    """Return how far the covariate that differs most is from the trials' mean."""
    known = [
        (abs(difference), row)
        for row in pick(context.table("covariate_summary"), population=terms.RECORDED)
        if (difference := number(row["standardised_mean_difference"])) is not None
        and not context.names.is_yes_no(str(row["covariate"]))
    ]
    if not known or len(panels) < 2:
        return "Recorded values beside the trials’"
    _, most = max(known, key=lambda each: each[0])
    name, apart = str(most["covariate"]), most["mean"] - most["trial_mean"]
    unit = context.names.unit(name)
    side = "above" if apart > 0 else "below"
    amount = f"{decimal(abs(apart), 1)} {unit}".strip()
    return f"Mean recorded {context.names.covariate(name)}: {amount} {side} the trials’"


def _strip(panel: distributions.Panel) -> str:
    if not panel.percentiles:
        return panel.title
    low, high = panel.percentiles[2], panel.percentiles[4]
    return f"{panel.title}, half of the trials’ participants from {low:g} to {high:g}"


def distance_blocks(context: Context) -> list[Block]:
    """Return the distances of the patients from the trials' participants."""
    frame = pick(context.table("histogram"), measure=terms.DISTANCE)
    if not frame:
        return [missing("the distance from the trials’ participants")]
    imputed = sizes_of(context, coded.IMPUTED)
    nothing = imputed.get(coded.NO)
    totals = {terms.SCORED: context.n_scored, terms.NOTHING_IMPUTED: nothing}
    titles = {
        terms.SCORED: "All patients scored",
        terms.NOTHING_IMPUTED: "Patients with nothing imputed",
    }
    panels, rows = [], []
    for name, title in titles.items():
        of_name = pick(frame, category=name)
        if not of_name:
            continue
        panels.append(distributions.Panel(title, bins_of(of_name, totals[name])))
        for row in of_name:
            own = share(portion(row["n_persons"], totals[name]))
            edges = (f"{row['bin_low']:g}", f"{row['bin_high']:g}")
            expected = number(row["expected_share"])
            rows.append(
                (
                    title,
                    *edges,
                    shown_count(row),
                    own,
                    "" if expected is None else f"{expected:.1%}",
                )
            )
    legend = [Entry("this site", charts.SITE), Entry("expected for the participants", shape="-")]
    legend += hidden_entry(panels)
    left_out = ""
    if shares_in_state(context, coded.LEFT_OUT):
        left_out = (
            " In this run, covariates were left out of the model. Left out does not mean imputed: "
            "a patient with nothing imputed may still lack some values."
        )
    blocks: list[Block] = [
        Image(
            distributions.histograms(panels, legend, is_one_scale=True),
            "Histograms of the Mahalanobis distance from the trials’ participants, with the "
            "expected share of each bin as a line.",
            "How far patients are from the trials’ participants",
            Markup(
                "Mahalanobis distance{}, over all covariates together. Patients with imputed "
                "values may in fact be farther from the participants than shown."
            ).format(context.notes.mark("distance"))
            + left_out,
            Table(
                "Mahalanobis distance",
                ("Patients", "From", "To below", "Persons", "Share", "Expected"),
                rows,
            ),
            is_half=True,
            subject="Distance from the trials’ participants",
        )
    ]
    if terms.NOTHING_IMPUTED not in distinct(frame, "category"):
        is_none = bool(imputed) and imputed.get(coded.NO, 0) == 0
        reason = (
            "Every patient has at least one imputed value"
            if is_none
            else "Too few patients have nothing imputed"
        )
        text = f"{reason}, so the histogram of patients with nothing imputed is missing."
        blocks.append(Prose(text, "note"))
    return blocks
