"""The section on patients whose current class is not the one that the models prefer."""

from omop_scorer.report.blocks import Section
from omop_scorer.report.charts.estimates import Estimate
from omop_scorer.report.context import Context
from omop_scorer.report.frame import Finding

_TITLE = "Who would be treated otherwise"


def section(context: Context) -> Section:
    """Return the section on preferred class against current class."""
    lead = "This run has no figures on current treatments."
    return Section("otherwise", _TITLE, lead, [], context.notes.new())


def otherwise_finding(context: Context) -> Finding:
    """Return how many patients were last on another class than the one alone on top."""
    return Finding("This run has no figures on current treatments.")


def otherwise_estimates(context: Context) -> list[Estimate]:
    """Return the share of patients last on another class, for the picture of the first screen."""
    return []
