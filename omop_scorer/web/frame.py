"""The frame of the pages on patients: templates, styles and the policy of what a page may load."""

from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from omop_scorer import __version__
from omop_scorer.texts.characters import one_line
from omop_scorer.web.policy import class_colours, content_policy

_FOLDER = Path(__file__).parent


def render_page(
    template: str, scripts: Iterable[str] = (), *, is_served: bool, **context: Any
) -> str:
    """Return a page as HTML, with its own Content-Security-Policy in a meta element.

    `scripts` are files of the package. `is_served` adds the links between the pages of the app. The
    policy allows the style and the scripts of the page by their hashes, and nothing else.
    """
    texts = [own_file(name) for name in scripts]
    return (
        _environment()
        .get_template(template)
        .render(
            **context,
            is_served=is_served,
            policy=policy_of(texts),
            version=__version__,
            # Files of the package, which no text of a CDM or a card can change.
            style=Markup(_style()),  # noqa: S704
            scripts=[Markup(each) for each in texts],  # noqa: S704
        )
    )


def policy_of(scripts: Iterable[str]) -> str:
    """Return the Content-Security-Policy of a page with these scripts, given as texts."""
    return content_policy(_style(), scripts, form_action="'self'")


def own_file(name: str) -> str:
    """Return the text of a file of this folder."""
    return (_FOLDER / name).read_text(encoding="utf-8")


def environment(folder: Path, finalize: Callable[[Any], Any] | None = None) -> Environment:
    """Return the environment of the templates of a folder."""
    found = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=finalize,
    )
    # The order of the words of a coding says which of them the page shows.
    found.policies["json.dumps_kwargs"] = {"sort_keys": False}
    return found


@cache
def _environment() -> Environment:
    return environment(
        _FOLDER / "templates", lambda value: _plain(value) if type(value) is str else value
    )


def _plain(text: str) -> str:
    # A text of a site may hold marks that turn the direction of what follows. One of a card may
    # have several lines, which HTML shows as one.
    return one_line(text.replace("\n", " "))


@cache
def _style() -> str:
    return class_colours() + own_file("calculator/page.css") + own_file("templates/app.css")
