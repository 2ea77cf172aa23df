"""The section on predicted against observed outcomes of participants held out."""

from omop_scorer.report.blocks import Block, Image, Prose, Section, Table
from omop_scorer.report.charts.estimates import Estimate, estimates
from omop_scorer.report.charts.rows import Entry
from omop_scorer.report.trial_data.names import TrialNames, breakable
from omop_scorer.report.words import HIDDEN, decimal
from omop_scorer.trials.calibration import FEWEST, Calibration
from omop_scorer.trials.validation import Validation

_Z = 1.96


def section(found: Validation, names: TrialNames) -> Section:
    """Return the section on calibration and errors."""
    lead = (
        "Participants were predicted by models that never saw them, without an effect of their "
        "trial. The paper gives neither of these figures."
    )
    blocks: list[Block] = []
    for arm, each in found.calibrations("all_patients").items():
        if each.groups:
            blocks.append(_image(arm, each, names))
    blocks.append(_errors(found, names))
    text = (
        "RMSE is the root mean squared error of one participant’s prediction, mostly the residual "
        "spread. It is not an error of a mean or of an effect of a drug. Figures of fewer than "
        f"{FEWEST} participants are not shown."
    )
    blocks.append(Prose(text, "note"))
    return Section("calibration", "Calibration and error", lead, blocks)


def _image(arm: str, found: Calibration, names: TrialNames) -> Image:
    rows = []
    for i, group in enumerate(found.groups, start=1):
        reach = _Z * group.observed_standard_error
        rows.append(
            Estimate(
                f"fifth {i}" if len(found.groups) == 5 else f"group {i}",
                group.observed,
                group.observed - reach,
                group.observed + reach,
                group.predicted,
                f"{decimal(group.predicted, 1)} → {decimal(group.observed, 1)}",
            )
        )
    legend = [
        Entry("observed mean, 95% interval", shape="o", filled=True, colour=names.colour(arm)),
        Entry("predicted mean", shape="D"),
    ]
    table = Table(
        f"Predicted and observed reduction of {names.arm(arm)}, by rising prediction",
        ("Participants with similar predictions", "n", "Predicted", "Observed", "Standard error"),
        [
            (
                row.label.capitalize(),
                f"{g.n:,}",
                decimal(g.predicted, 1),
                decimal(g.observed, 1),
                decimal(g.observed_standard_error, 1),
            )
            for row, g in zip(rows, found.groups, strict=True)
        ],
    )
    return Image(
        estimates(rows, legend, colour=names.colour(arm)),
        f"Predicted and observed mean reduction of {names.arm(arm)}: "
        + "; ".join(f"{row.label} {row.text}" for row in rows)
        + ".",
        f"Calibration: {names.arm(arm)}",
        f"{names.outcome}, in {names.unit}; every model without the fold (all_patients). The total "
        "reduction is compared, of which the effect of a drug is a part: good calibration here "
        "does not mean that the differences between drugs are right.",
        table,
    )


def _errors(found: Validation, names: TrialNames) -> Table:
    rows = []
    for way in found.ways:
        for arm, each in found.calibrations(way).items():
            rows.append((breakable(names.arm(arm)), way, f"{each.n:,}", *_figures(each)))
    return Table(
        "Errors of participants held out",
        ("Arm", "Folds", "Participants", "RMSE", "Bias"),
        rows,
        words=[1],
    )


def _figures(each: Calibration) -> tuple[str, str]:
    if each.rmse is None or each.bias is None:
        return (HIDDEN, HIDDEN)
    return (decimal(each.rmse, 1), decimal(each.bias, 1))
