"""Parts of a section of the page, without their look, which the templates define."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from markupsafe import Markup

from omop_scorer.report.charts.canvas import FULL, HALF, Picture
from omop_scorer.report.words import HIDDEN, NOBODY


@dataclass(frozen=True)
class Cell:
    """A table cell: a figure, and a smaller one below it.

    `shade`, from 0 to 1, is the strength of its colour in a heat map; a strong one has light text.
    """

    text: str
    below: str = ""
    shade: float | None = None
    is_marked: bool = False
    """True for a cell with a frame, such as the agreements of a matrix."""


@dataclass(frozen=True)
class Table:
    """A table whose first column holds the row headings.

    The other columns are numbers, except those whose index is in `words`.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    words: Sequence[int] = ()
    is_folded: bool = False
    """True for a table behind a chart, which opens under "The figures"."""
    kind: str = field(default="table", init=False)


@dataclass(frozen=True)
class Image:
    """A chart with its finding as a title, its caption, and the text for those who cannot see it.

    An image that `is_half` takes half of the page, where there is another one beside it.
    """

    picture: Picture
    alt: str
    title: str
    caption: str
    table: Table | None = None
    """The figures drawn, folded below the chart."""
    is_half: bool = False
    subject: str = ""
    """What the chart is of, for a chart of which nothing may be shown; by default its title."""
    kind: str = field(default="image", init=False)

    @property
    def width(self) -> float:
        """Width for which the picture is laid out on a desk."""
        return HALF if self.is_half else FULL


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


@dataclass(frozen=True)
class Step:
    """A step of a flow of persons: those left out, why, and those who remain."""

    reason: str
    excluded: str
    remaining: str
    is_end: bool = False


@dataclass(frozen=True)
class Steps:
    """A flow of persons from top to bottom, with its finding as a title."""

    title: str
    caption: str
    steps: Sequence[Step]
    kind: str = field(default="steps", init=False)


@dataclass(frozen=True)
class Beside:
    """Blocks side by side; below each other where there is no room."""

    blocks: Sequence["Block"]
    kind: str = field(default="beside", init=False)


@dataclass(frozen=True)
class Stack:
    """Blocks below each other, as one of several side by side."""

    blocks: Sequence["Block"]
    kind: str = field(default="stack", init=False)


@dataclass(frozen=True)
class Fold:
    """Blocks that open on a click, under a title."""

    title: str
    blocks: Sequence["Block"]
    kind: str = field(default="fold", init=False)


Block = Table | Image | Prose | Heading | Listing | Facts | Steps | Beside | Stack | Fold


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
    if isinstance(block, Beside | Stack | Fold):
        return replace(block, blocks=[settle(each) for each in block.blocks])
    if isinstance(block, Image) and block.table and block.picture.shows:
        table = settle(block.table)
        return replace(block, table=table if isinstance(table, Table) else None)
    is_hidden = False
    if isinstance(block, Image):
        title, is_hidden = block.subject or block.title, not block.picture.shows
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
    return Prose(f"{title}: {HIDDEN}, because every figure would reveal a small count.", "note")


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
