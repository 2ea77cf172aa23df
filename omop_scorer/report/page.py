"""The population report as a page: the figures of a run, in the order in which they are read."""

from collections.abc import Iterator

from omop_scorer.disclosure.protected_run import ReportData
from omop_scorer.report.context import Context
from omop_scorer.report.frame import Page, render_page
from omop_scorer.report.sections import (
    certainty,
    headline,
    history,
    method,
    next_treatment,
    otherwise,
    subgroups,
    trials,
    women,
)
from omop_scorer.report.words import day

#: Sections after the first screen, in reading order.
_SECTIONS = (
    otherwise,
    subgroups,
    women,
    next_treatment,
    certainty,
    trials,
    history,
    method,
)


def render(data: ReportData) -> str:
    """Return the report as HTML.

    The same data gives the same text, byte for byte. If a table is missing, empty or completely
    suppressed, the page says so.
    """
    context = Context(data)
    sections = [each.section(context) for each in _SECTIONS]
    first_screen = headline.build(context)
    as_of = day(data.run["as_of_date"])
    title = f"Population report: {first_screen.title}, {as_of}"
    return render_page(Page(title, first_screen, sections, list(_footer(data, as_of))))


def _footer(data: ReportData, as_of: str) -> Iterator[str]:
    run = data.run
    yield f"omop-scorer {run['tool_version']} · run {run['run_id']} · as of {as_of}."
    if published := data.published:
        yield f"Models: {published.citation} ({published.licence}), doi {published.doi}."
    yield "Not a medical device."
    if data.minimum_cell_count > 1:
        yield f"Counts below {data.minimum_cell_count} are not shown."
    if data.rounding > 1:
        yield f"Counts are rounded to the nearest {data.rounding}."
