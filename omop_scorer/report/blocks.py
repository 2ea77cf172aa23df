"""What a section of the page is made of; the template knows how each part looks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from omop_scorer.report.charts.canvas import Picture
from omop_scorer.report.words import HIDDEN, NOBODY


@dataclass(frozen=True)
class Cell:
    """A cell of a table: a figure, and a smaller one below it.

    `shade`, from 0 to 1, colours it in a heat table.
    """

    text: str
    below: str = ""
    shade: float | None = None


@dataclass(frozen=True)
class Table:
    """A table whose first column heads its rows; the others are numbers but those in `words`."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    words: Sequence[int] = ()
    kind: str = field(default="table", init=False)


@dataclass(frozen=True)
class Image:
    """A picture, with what it says for those who do not see it and a sentence for those who do."""

    picture: Picture
    alt: str
    title: str
    caption: str
    table: Table | None = None
    """The figures drawn, unfolded on demand."""
    kind: str = field(default="image", init=False)


@dataclass(frozen=True)
class Prose:
    """A paragraph."""

    text: str
    look: str = ""
    """`note` for an aside, `warning` for what must not be missed."""
    kind: str = field(default="prose", init=False)


@dataclass(frozen=True)
class Heading:
    """A heading below that of the section."""

    text: str
    kind: str = field(default="heading", init=False)


@dataclass(frozen=True)
class Listing:
    """A list of short paragraphs."""

    items: Sequence[str]
    kind: str = field(default="listing", init=False)


@dataclass(frozen=True)
class Facts:
    """Names and what they are."""

    pairs: Sequence[tuple[str, str]]
    kind: str = field(default="facts", init=False)


Block = Table | Image | Prose | Heading | Listing | Facts


@dataclass(frozen=True)
class Section:
    """A section: what it says in one or two sentences, then what that rests on."""

    key: str
    title: str
    lead: str
    blocks: Sequence[Block]
    notes: Sequence[tuple[int, str]] = ()


def settle(block: Block) -> Block:
    """Return a block, or one sentence instead when nothing of it may be shown."""
    is_hidden = False
    if isinstance(block, Image):
        title, is_hidden = block.title, not block.picture.shows
    elif isinstance(block, Table):
        told = {
            cell if isinstance(cell, str) else cell.text
            for row in block.rows
            for i, cell in enumerate(row)
            if i not in (0, *block.words)
        } - {""}
        title, is_hidden = block.caption, HIDDEN in told <= {HIDDEN, "0", NOBODY}
    if not is_hidden:
        return block
    return Prose(f"{title}: {HIDDEN}, because a small count would be told.", "note")


class Footnotes:
    """Definitions, numbered in the order in which they are first needed."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        self._numbers: dict[str, int] = {}
        self._told = 0

    def mark(self, key: str) -> Markup:
        """Return the number that refers to a definition."""
        number = self._numbers.setdefault(key, len(self._numbers) + 1)
        return Markup('<sup><a href="#note-{0}" aria-label="Note {0}">{0}</a></sup>').format(number)

    def new(self) -> list[tuple[int, str]]:
        """Return the definitions that were first needed since this was last asked."""
        fresh = list(self._numbers.items())[self._told :]
        self._told = len(self._numbers)
        return [(number, self._texts[key]) for key, number in fresh]
