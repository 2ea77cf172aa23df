"""The frame of every page: one self-contained HTML file with no network, no script and no font."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from omop_scorer.report.blocks import Image, Section, settle
from omop_scorer.report.charts.canvas import PHONE

_TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class Card:
    """A figure with its title and denominator, and the same figure from other sources."""

    title: str
    value: str
    detail: str
    compared: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Finding:
    """A finding as a sentence, and what it means or rests on."""

    text: str
    detail: str = ""


@dataclass(frozen=True)
class Headline:
    """The first screen."""

    kind: str
    """The kind of report, above the title."""
    title: str
    summary: str
    cards: Sequence[Card] = ()
    remarks: Sequence[Sequence[tuple[str, str]]] = ()
    """Paragraphs of what the page is and is not: each a word and what is to be said of it."""
    findings: Sequence[Finding] = ()
    change: str = ""
    """What changed since the last run, in a sentence."""
    image: Image | None = None
    owner: str = ""
    """Who answers for the page: a department, a contact."""


@dataclass(frozen=True)
class Page:
    """A page in reading order."""

    window_title: str
    headline: Headline
    sections: Sequence[Section]
    footer: Sequence[str]
    """Lines at the end of the page."""


def render_page(page: Page) -> str:
    """Return a page as HTML.

    A block of which no figure may be shown becomes a sentence. The same page gives the same text,
    byte for byte.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["phone_width"] = PHONE
    style = (_TEMPLATES / "page.css").read_text(encoding="utf-8")
    return environment.get_template("page.html.j2").render(
        page=page,
        headline=page.headline,
        picture=None if page.headline.image is None else settle(page.headline.image),
        sections=[_settled(section) for section in page.sections],
        # The style sheet is part of the package and contains no HTML, so it needs no escaping.
        style=Markup(style),  # noqa: S704
    )


def _settled(section: Section) -> Section:
    return replace(section, blocks=[settle(block) for block in section.blocks])
