"""What was run on what."""

from markupsafe import Markup

from omop_scorer.report.blocks import Block, Facts, Heading, Listing, Prose, Section
from omop_scorer.report.context import Context
from omop_scorer.report.words import count, day

_UNCERTAINTY = {
    "bootstrap": "bootstrap: the paper’s subgroups",
    "analytic": "analytic: the published calculator’s, wider",
}
_MISSING = {
    "impute": "imputed: {how}",
    "reduced_model": "not imputed: the covariate is left out of the model",
}
_IMPUTED = {
    "calculator": "the published calculator’s constants",
    "training_mean": "the means of the trials’ participants",
    "cohort_median": "the medians of this cohort",
}


def section(context: Context) -> Section:
    """Return the section on the CDM, the model and the program."""
    run = context.data.run
    config = run.get("config") or {}
    card = context.data.card
    how = _IMPUTED.get(str(config.get("impute")), str(config.get("impute", "as configured")))
    missing = _MISSING.get(str(config.get("missing", "impute")), "as configured").format(how=how)
    since = context.names.since
    facts = [
        ("Data", _or_unknown(run["cdm_source_name"])),
        ("CDM version", _or_unknown(run["cdm_version"])),
        ("CDM release", _or_unknown(run["cdm_release_date"])),
        ("Vocabulary", _or_unknown(run["vocabulary_version"])),
        ("As of", f"{day(run['as_of_date'])}; no later record was read"),
        ("Model", f"{run['model_id']}{f': {card.title}' if card else ''}"),
        ("Uncertainty", _UNCERTAINTY.get(run["uncertainty"], str(run["uncertainty"]))),
        ("Missing values", missing),
        ("Treatments", f"first biologics and index treatments since {since}"),
        ("Program", f"omop-scorer {run['tool_version']} on {run['engine']}"),
        ("Run", f"{run['run_id']}, finished {_moment(run['completed_at'])}"),
        (
            "Fingerprints",
            Markup(
                "model <code>{}</code>, configuration <code>{}</code>, concept sets <code>{}</code>"
            ).format(
                *(str(run[f"{name}_sha256"])[:8] for name in ("model", "config", "concept_sets"))
            ),
        ),
        ("Small counts", _suppression(context.data.minimum_cell_count)),
    ]
    blocks: list[Block] = [Facts(facts)]
    warnings = [each for each in str(run["message"] or "").split("; ") if each.strip()]
    blocks.append(Heading("What the run warned of"))
    blocks.append(Listing(warnings) if warnings else Prose("Nothing."))
    n_cohort, n_scored = run["n_cohort"], run["n_scored"]
    if n_scored == 0:
        lead = "The run is complete, but it found nobody to score."
    elif n_scored is None:
        lead = "How many patients were scored is not shown, because it would tell a small count."
    elif n_cohort is None:
        lead = f"{count(n_scored)} patients of the cohort were scored."
    else:
        lead = (
            f"The models were run on every patient of the cohort: {count(n_scored)} of "
            f"{count(n_cohort)} were scored."
        )
    return Section("run", "What was run on what", lead, blocks, context.notes.new())


def _or_unknown(value: object) -> str:
    return day(value) or "not recorded in the CDM"


def _moment(value: object) -> str:
    return f"{value:%Y-%m-%d %H:%M} UTC" if hasattr(value, "strftime") else str(value)


def _suppression(minimum: int) -> str:
    return f"below {minimum} are not shown" if minimum > 1 else "none are held back"
