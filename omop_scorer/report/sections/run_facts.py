"""Facts about a run: data, model, settings and warnings."""

from collections.abc import Iterable

from markupsafe import Markup

from omop_scorer.config.run_file import EVER_DAYS
from omop_scorer.disclosure.site_texts import LEFT_OUT
from omop_scorer.report.blocks import Block, Facts, Fold, Heading, Listing, Prose
from omop_scorer.report.context import Context
from omop_scorer.report.words import (
    CROHNS_CONCEPT_ID,
    IMPUTED_CONSTANTS,
    MISSING_VALUES,
    UNCERTAINTIES,
    UNCERTAINTIES_UNPUBLISHED,
    day,
)

#: Warnings that are open; more of them open on a click.
_OPEN = 4

_TEXTS = ("message", "cdm_source_name", "cdm_version", "vocabulary_version")


def run_blocks(context: Context) -> list[Block]:
    """Return the CDM, the model, the settings and the warnings of the run."""
    run = context.data.run
    config = run.get("config") or {}
    card = context.data.card
    impute = str(config.get("impute", "as configured"))
    missing = MISSING_VALUES.get(str(config.get("missing", "impute")), "as configured")
    missing = missing.format(constants=IMPUTED_CONSTANTS.get(impute, impute))
    is_published = context.data.published is not None
    uncertainties = UNCERTAINTIES if is_published else UNCERTAINTIES_UNPUBLISHED
    since = context.names.since
    facts = [
        ("Data", _or_unknown(run["cdm_source_name"])),
        ("CDM version", _or_unknown(run["cdm_version"])),
        ("CDM release", _or_unknown(run["cdm_release_date"])),
        ("Vocabulary", _or_unknown(run["vocabulary_version"])),
        *([("CDM state", run["cdm_snapshot"])] if run.get("cdm_snapshot") else []),
        ("As of", f"{day(run['as_of_date'])}; later records were not used"),
        ("Model", f"{run['model_id']}{f': {card.title}' if card else ''}"),
        ("Uncertainty", uncertainties.get(run["uncertainty"], str(run["uncertainty"]))),
        ("Missing values", missing),
        *_rules(context),
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
    blocks.append(Heading("Warnings of the run"))
    blocks.append(Listing(warnings[:_OPEN]) if warnings else Prose("No warnings."))
    if warnings[_OPEN:]:
        more = len(warnings) - _OPEN
        blocks.append(Fold(f"{more} more warnings", [Listing(warnings[_OPEN:])]))
    if any(LEFT_OUT in str(run[name] or "") for name in _TEXTS):
        blocks.append(Prose(f"{LEFT_OUT} stands for words that do not leave the site.", "note"))
    return blocks


def _rules(context: Context) -> list[tuple[str, str]]:
    """Return the definition of the cohort and the time windows, from the run's configuration."""
    config = context.data.run.get("config") or {}
    cohort = config.get("cohort") or {}
    audit = config.get("audit") or {}
    parts = [f"concepts {_joined(cohort.get('concept_ids') or [CROHNS_CONCEPT_ID])}"]
    if cohort.get("extra_concept_ids"):
        parts.append(f"extra concepts {_joined(cohort['extra_concept_ids'])}")
    if cohort.get("exclude_concept_sets"):
        parts.append(f"without {_joined(cohort['exclude_concept_sets'])}")
    parts.append(f"recorded on {cohort.get('minimum_distinct_days', 1)} or more distinct days")
    age = "by year of birth" if cohort.get("age_rule") == "year" else "by date of birth"
    low, high = cohort.get("age_minimum", 18), cohort.get("age_maximum", 99)
    parts.append(f"scored from {low} to {high} years, age {age}")
    at = "the index treatment" if audit.get("age_at") == "index" else "the as-of date"
    windows = [f"audits since {context.names.since}", f"with the age at {at}"]
    for name, rule in (config.get("covariates") or {}).items():
        if isinstance(rule, dict) and "lookback_days" in rule:
            title, days = context.names.covariate(str(name)), rule["lookback_days"]
            is_ever = days is None or days >= EVER_DAYS
            windows.append(f"{title} {'ever' if is_ever else f'{days} days'}")
    return [("Cohort", "; ".join(parts)), ("Windows", "; ".join(windows))]


def _joined(items: Iterable[object]) -> str:
    return ", ".join(str(each) for each in items)


def _or_unknown(value: object) -> str:
    return day(value) or "not recorded in the CDM"


def _moment(value: object) -> str:
    return f"{value:%Y-%m-%d %H:%M} UTC" if hasattr(value, "strftime") else str(value)


def _suppression(minimum: int) -> str:
    return f"below {minimum} are not shown" if minimum > 1 else "all are shown"
