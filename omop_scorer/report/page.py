"""The report as one self-contained HTML file: no network, no script and no font."""

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

#: Sections in reading order.
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

    The same data gives the same text, byte for byte. If a table is missing, empty or completely
    suppressed, the page says so.
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
        # The style sheet is part of the package and contains no HTML, so it needs no escaping.
        style=Markup(style),  # noqa: S704
    )


def _settled(section: Section) -> Section:
    return replace(section, blocks=[settle(block) for block in section.blocks])
