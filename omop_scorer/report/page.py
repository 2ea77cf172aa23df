"""The report as one HTML file that needs nothing else: no network, no script, no font."""

from dataclasses import replace
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from omop_scorer.disclosure.protected_run import ReportData
from omop_scorer.report.blocks import Section, settle
from omop_scorer.report.charts.canvas import plain_settings
from omop_scorer.report.context import Context
from omop_scorer.report.sections import (
    certainty,
    cohort,
    headline,
    history,
    method,
    next_treatment,
    run,
    subgroups,
    trials,
    women,
)
from omop_scorer.report.words import day

_TEMPLATES = Path(__file__).with_name("templates")

#: In the order in which a reader asks.
_SECTIONS = (
    run,
    cohort,
    certainty,
    subgroups,
    women,
    next_treatment,
    trials,
    history,
    method,
)


def render(data: ReportData) -> str:
    """Return the report as HTML.

    The same data gives the same text, byte for byte. A table that the run does not have, that is
    empty, or of which nothing may be shown, is said to be so.
    """
    context = Context(data)
    with plain_settings():
        sections = [_settled(each.section(context)) for each in _SECTIONS]
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = (_TEMPLATES / "page.css").read_text(encoding="utf-8")
    return environment.get_template("page.html.j2").render(
        data=data,
        as_of=day(data.run["as_of_date"]),
        headline=headline.build(context),
        sections=sections,
        # A constant of the package, in which HTML finds nothing to read as its own.
        style=Markup(style),  # noqa: S704
    )


def _settled(section: Section) -> Section:
    return replace(section, blocks=[settle(block) for block in section.blocks])
