"""Parts of a section of the page, without their look, which the templates define."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from omop_scorer.report.charts.canvas import Picture
from omop_scorer.report.words import HIDDEN, NOBODY


@dataclass(frozen=True)
class Cell:
    """A table cell: a figure, and a smaller one below it.

    `shade`, from 0 to 1, is the strength of its colour in a heat map.
    """

    text: str
    below: str = ""
    shade: float | None = None


@dataclass(frozen=True)
class Table:
    """A table whose first column holds the row headings.

    The other columns are numbers, except those whose index is in `words`.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    words: Sequence[int] = ()
    kind: str = field(default="table", init=False)


@dataclass(frozen=True)
class Image:
    """A chart with its title and caption, and the text that replaces it for blind readers."""

    picture: Picture
    alt: str
    title: str
    caption: str
    table: Table | None = None
    """The figures drawn, folded below the chart."""
    kind: str = field(default="image", init=False)


@dataclass(frozen=True)
class Prose:
    """A paragraph."""

    text: str
    look: str = ""
    """`note` for a remark, `warning` for something important."""
    kind: str = field(default="prose", init=False)


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    text: str
    kind: str = field(default="heading", init=False)


@dataclass(frozen=True)
class Listing:
    """A list of short paragraphs."""

    items: Sequence[str]
    kind: str = field(default="listing", init=False)


@dataclass(frozen=True)
class Facts:
    """A list of names with their values."""

    pairs: Sequence[tuple[str, str]]
    kind: str = field(default="facts", init=False)


Block = Table | Image | Prose | Heading | Listing | Facts


@dataclass(frozen=True)
class Section:
    """A section: its result in one or two sentences, then the figures behind it."""

    key: str
    title: str
    lead: str
    blocks: Sequence[Block]
    notes: Sequence[tuple[int, str]] = ()


def settle(block: Block) -> Block:
    """Return a block, or one sentence if none of its figures may be shown."""
    is_hidden = False
    if isinstance(block, Image):
        title, is_hidden = block.title, not block.picture.shows
    elif isinstance(block, Table):
        texts = {
            cell if isinstance(cell, str) else cell.text
            for row in block.rows
            for i, cell in enumerate(row)
            if i not in (0, *block.words)
        } - {""}
        title, is_hidden = block.caption, HIDDEN in texts <= {HIDDEN, "0", NOBODY}
    if not is_hidden:
        return block
    return Prose(f"{title}: {HIDDEN}, because it would reveal a small count.", "note")


class Footnotes:
    """Definitions of terms, numbered in the order of their first use."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        self._numbers: dict[str, int] = {}
        self._n_listed = 0

    def mark(self, key: str) -> Markup:
        """Return the note mark of a definition."""
        number = self._numbers.setdefault(key, len(self._numbers) + 1)
        return Markup('<sup><a href="#note-{0}" aria-label="Note {0}">{0}</a></sup>').format(number)

    def new(self) -> list[tuple[int, str]]:
        """Return the definitions first used since the last call."""
        added = list(self._numbers.items())[self._n_listed :]
        self._n_listed = len(self._numbers)
        return [(number, self._texts[key]) for key, number in added]
