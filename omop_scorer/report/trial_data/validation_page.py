"""The page of `omop-scorer trials validate`."""

from collections.abc import Iterator

from omop_scorer.report.blocks import Prose, Section
from omop_scorer.report.frame import Card, Page, render_page
from omop_scorer.report.trial_data import calibration, cleaning, folds, left_out_trials
from omop_scorer.report.trial_data.names import TrialNames, first_screen, footer
from omop_scorer.report.trial_data.shown_counts import shown_counts
from omop_scorer.report.trial_data.subgroups import counts_section
from omop_scorer.report.words import HIDDEN, decimal
from omop_scorer.trials.folds import N_FOLDS
from omop_scorer.trials.validation import Validation


def render_validation(found: Validation, minimum: int) -> str:
    """Return a validation as a page.

    Parameters
    ----------
    found
        The validation.
    minimum
        The smallest number of participants of a trial that is shown.
    """
    template = found.data.template
    names = TrialNames(template, template.classes)
    source = "the column fold of the file" if found.folds.source == "column" else "dealt"
    headline = first_screen(
        "Validation of models of trial data",
        template.title,
        f"Figures of participants and trials that the models never saw: {N_FOLDS} folds "
        f"({source}) in two ways, and each trial left out in turn. The paper’s text and its code "
        "fold differently; both ways are here.",
        _cards(found, names),
        names,
    )
    sections = list(_sections(found, names, minimum))
    settings = (
        f"Trial data: SHA-256 {found.data.sha256}. Seed {found.refitting.seed}, "
        f"{found.refitting.refits:,} refits."
    )
    title = f"Validation of models of trial data: {template.title}"
    return render_page(Page(title, headline, sections, footer(minimum, settings)))


def _sections(found: Validation, names: TrialNames, minimum: int) -> Iterator[Section]:
    yield cleaning.section(found.data, minimum)
    for way in found.ways:
        yield folds.section(found, way, names)
    yield calibration.section(found, names)
    counts = shown_counts(found.data.participants, minimum)
    yield left_out_trials.section(found.trials, counts, names)
    seen = counts_section(found.labels, found.names.labels)
    note = "For comparison with the sections above: labels by models that saw everybody."
    yield Section("seen", "Subgroups by models that saw everybody", seen.lead,
                  [Prose(note), *seen.blocks])  # fmt: skip


def _cards(found: Validation, names: TrialNames) -> list[Card]:
    counts = found.data.attrition
    agreement = found.against_full_data("all_patients", "bootstrap")
    n_failed = sum(each.models is None for each in found.ways["all_patients"].folds)
    cards = [
        Card("Participants", f"{counts.n_included:,}", f"of {counts.n_rows:,} rows of the file"),
        Card(
            "Same label held out",
            f"{agreement.same_label_share:.1%}" if agreement.n else "–",
            "as by models that saw everybody (all_patients, bootstrap)",
            [
                ("contradictions", f"{agreement.n_contradictory:,}"),
                ("no preference", f"{agreement.no_preference_share[1]:.1%}"),
            ]
            if agreement.n
            else [],
        ),
        Card("Folds that failed", str(n_failed), f"of {N_FOLDS}, all_patients"),
    ]
    errors = [
        (names.arm(arm), HIDDEN if each.rmse is None else decimal(each.rmse, 1))
        for arm, each in found.calibrations("all_patients").items()
    ]
    if errors:
        (_, first), *others = errors
        detail = f"{names.unit}, {errors[0][0]}, held out (all_patients)"
        cards.append(Card("RMSE", first, detail, others))
    return cards
