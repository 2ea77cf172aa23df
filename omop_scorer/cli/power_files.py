"""Files of planned trials: JSON, CSV and the page."""

import csv
import io
from typing import TYPE_CHECKING, Any

from omop_scorer.cli.trials import MINIMUM
from omop_scorer.terms import Uncertainty

if TYPE_CHECKING:
    from omop_scorer.model.load import Model
    from omop_scorer.trials.population import Criteria, Persons
    from omop_scorer.trials.power import PlannedTrial, Protection, Settings


def power_document(
    plans: "list[PlannedTrial]",
    persons: "Persons",
    card: "Model",
    arms: tuple[str, str],
    uncertainty: Uncertainty,
    settings: "Settings",
    protection: "Protection | None",
) -> dict[str, Any]:
    """Return the document of the JSON file."""
    from omop_scorer import __version__  # noqa: PLC0415
    from omop_scorer.trials.power_figures import DEFINITIONS, plans_as_json  # noqa: PLC0415

    how = (
        f"Two arms of n, drawn with replacement; pairs of numbers are {arms[0]}, {arms[1]}; "
        f"{arms[0]} better at alpha {settings.alpha:g}, two-sided. binary_chi2: exact power of "
        "Pearson's chi-squared test of responders, the headline; _continuity: with Yates' "
        "correction. predicted_probability_t_test and expected_count_chi2 are the published code's "
        "and text's definitions, simulated; they lack the noise of outcomes, or take sums of "
        "probabilities for counts, and are not the power of a trial that counts responders."
    )
    return {
        "tool_version": __version__,
        "settings": {
            "model": card.card.id,
            "model_sha256": card.sha256,
            "arms": list(arms),
            "sizes": list(settings.sizes),
            "alpha": settings.alpha,
            "uncertainty": uncertainty,
            "yates": settings.is_corrected,
            "simulations": settings.n_simulations,
            "seed": settings.seed,
            "minimum_cell_count": protection and protection.minimum_cell_count,
            "definitions": DEFINITIONS,
        },
        # Of a run, its own report counts them.
        "not_recorded": {name: None if protection else n for name, n in persons.missing.items()},
        "power": plans_as_json(plans, how),
    }


def power_csv(plans: "list[PlannedTrial]", *, is_corrected: bool) -> str:
    """Return the text of the CSV file."""
    from omop_scorer.trials.power_figures import CSV_COLUMNS, plans_as_rows  # noqa: PLC0415

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    writer.writerows(plans_as_rows(plans, is_corrected=is_corrected))
    return text.getvalue()


def power_page(
    plans: "list[PlannedTrial]",
    criteria: "list[Criteria]",
    persons: "Persons",
    card: "Model",
    arms: tuple[str, str],
    settings: "Settings",
    protection: "Protection | None",
    source: str,
) -> str:
    """Return the page, which hides small groups of patients of a CSV file, too."""
    from omop_scorer.disclosure.populations import (  # noqa: PLC0415
        may_be_counted,
        protection_of,
        without_small_subgroup,
    )
    from omop_scorer.report.trial_data.power_page import PowerPage, render_power  # noqa: PLC0415

    rules = protection or protection_of("{}", MINIMUM)
    shown = {each.name for each in criteria if may_be_counted(each, persons, rules)}
    page = PowerPage(
        plans=[without_small_subgroup(each, rules) for each in plans if each.name in shown],
        hidden=[each.name for each in plans if each.name not in shown],
        card=card.card,
        arms=arms,
        settings=settings,
        minimum=rules.minimum_cell_count,
        source=source,
    )
    return render_power(page)
