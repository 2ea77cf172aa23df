"""A canvas measured in inches from its top left corner, saved as an SVG data URI.

Matplotlib draws without pyplot and its global state. The same drawing always gives the same bytes:
there is no date, identifiers are fixed, letters are outlines, and `plain_settings` ignores the
user's matplotlib configuration.
"""

import base64
import io
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ft2font import LoadFlags
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch, Polygon, Rectangle
from matplotlib.path import Path

WIDTH = 5.2

SIZE, SMALL = 10.0, 9.4

#: Distance between two lines of small text, in inches.
LINE = 0.165

#: A word is broken only into pieces of at least so many letters.
_FEWEST_LETTERS = 4

#: Text colour on medium colours, where INK has too little contrast.
_BLACK = "#0b0f15"

INK, SOFT, RULE, PAPER = "#1d2530", "#566070", "#d9dde3", "#ffffff"

ACCENT, ACCENT_MIDDLE, ACCENT_PALE = "#45397f", "#8a82bd", "#c9c4e2"

#: Colours of hatched areas: values not shown, which must not look like zero.
HIDDEN, HIDDEN_LINE = "#eceef1", "#9aa3b0"

_SETTINGS: dict[Any, Any] = {"svg.fonttype": "path", "svg.hashsalt": "omop-scorer"}

_NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))


def plain_settings() -> AbstractContextManager[None]:
    """Return a context in which matplotlib uses its defaults, not the user's settings."""
    defaults = {key: value for key, value in mpl.rcParamsDefault.items() if key != "backend"}
    return mpl.rc_context(defaults | _SETTINGS)


@dataclass(frozen=True)
class Look:
    """The fill of an area: one colour, or several as horizontal stripes."""

    colour: str
    others: tuple[str, ...] = ()

    @property
    def ink(self) -> str:
        """The text colour that is legible on this fill."""
        return PAPER if luminance(self.colour) < 0.18 else _BLACK


@dataclass(frozen=True)
class Picture:
    """A drawing as a data URI, with its size in inches."""

    source: str
    width: float
    height: float
    shows: bool
    """False if every figure of the drawing is hidden."""


class Canvas:
    """A drawing area of a given height and fixed width, in inches; x to the right, y downwards."""

    def __init__(self, height: float) -> None:
        self.height = height
        figure = Figure(figsize=(WIDTH, height), facecolor="none")
        self._axes = figure.add_axes((0, 0, 1, 1))
        self._axes.set_xlim(0, WIDTH)
        self._axes.set_ylim(height, 0)
        self._axes.set_axis_off()
        self._figure = figure

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        align: str = "left",
        colour: str = INK,
        size: float = SIZE,
        bold: bool = False,
    ) -> None:
        """Write a line of text, centred on y."""
        self._axes.text(
            x,
            y,
            text,
            ha=align,
            va="center_baseline",
            color=colour,
            fontproperties=_font(size, bold),
            parse_math=False,
        )

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        look: Look,
        *,
        edge: str | None = None,
    ) -> None:
        """Fill a rectangle whose top left corner is (x, y)."""
        colours = (look.colour, *look.others)
        stripe = height / len(colours)
        for i, colour in enumerate(colours):
            self._add(Rectangle((x, y + i * stripe), width, stripe, facecolor=colour, linewidth=0))
        if edge:
            self._add(Rectangle((x, y), width, height, fill=False, edgecolor=edge, linewidth=0.8))

    def hidden(self, x: float, y: float, width: float, height: float) -> None:
        """Mark a value that is not shown."""
        patch = Rectangle(
            (x, y), width, height, facecolor=HIDDEN, edgecolor=HIDDEN_LINE, linewidth=0.6
        )
        patch.set_hatch("xxxx")
        patch.set_hatch_linewidth(0.5)
        self._add(patch)

    def line(
        self,
        xs: Sequence[float],
        ys: Sequence[float],
        *,
        colour: str = INK,
        width: float = 1.0,
        style: Literal["-", ":"] = "-",
    ) -> None:
        """Draw a line through points."""
        self._axes.add_line(Line2D(xs, ys, color=colour, linewidth=width, linestyle=style))

    def rule(self, xs: Sequence[float], ys: Sequence[float], *, colour: str = RULE) -> None:
        """Draw a thin line behind everything else."""
        self._axes.add_line(Line2D(xs, ys, color=colour, linewidth=0.8, zorder=0))

    def interval(self, low: float, high: float, y: float, *, colour: str = INK) -> None:
        """Draw an interval with end marks and a white edge, visible on any colour."""
        for tint, width in ((PAPER, 3.2), (colour, 1.2)):
            self.line([low, high], [y, y], colour=tint, width=width)
            for x in (low, high):
                self.line([x, x], [y - 0.035, y + 0.035], colour=tint, width=width)

    def mark(
        self, x: float, y: float, shape: str, *, colour: str = INK, filled: bool = True
    ) -> None:
        """Draw a mark: `o`, `D`, `s`, `^` or `v`."""
        self._axes.add_line(
            Line2D(
                [x],
                [y],
                marker=shape,
                markersize=5 if filled and shape == "o" else 6.5,
                markerfacecolor=colour if filled else PAPER,
                markeredgecolor=colour,
                markeredgewidth=1.3,
                linestyle="none",
            )
        )

    def band(
        self,
        left: tuple[float, float, float],
        right: tuple[float, float, float],
        look: Look,
    ) -> None:
        """Draw a curved band between two vertical sides, each given as x, top and bottom."""
        (x0, top0, bottom0), (x1, top1, bottom1) = left, right
        middle = (x0 + x1) / 2
        points = [
            *((x0, top0), (middle, top0), (middle, top1), (x1, top1)),
            *((x1, bottom1), (middle, bottom1), (middle, bottom0), (x0, bottom0), (x0, top0)),
        ]
        codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
        path = Path(points, codes)
        self._add(PathPatch(path, facecolor=look.colour, alpha=0.42, edgecolor="none"))

    def arrow(self, x0: float, y0: float, x1: float, y1: float, *, colour: str = SOFT) -> None:
        """Draw a horizontal or vertical arrow."""
        self.line([x0, x1], [y0, y1], colour=colour, width=1.1)
        head = (
            [(x1, y1), (x1 - 0.07, y1 - 0.04), (x1 - 0.07, y1 + 0.04)]
            if y0 == y1
            else [(x1, y1), (x1 - 0.04, y1 - 0.07), (x1 + 0.04, y1 - 0.07)]
        )
        self._add(Polygon(head, facecolor=colour, edgecolor="none"))

    def _add(self, patch: Patch) -> None:
        # Patches get the order of lines, so that whatever is drawn later lies on top.
        patch.set_zorder(2)
        self._axes.add_patch(patch)

    def picture(self, *, shows: bool) -> Picture:
        """Return the drawing as a data URI; `shows` is False if every figure of it is hidden."""
        target = io.BytesIO()
        with mpl.rc_context(_SETTINGS), warnings.catch_warnings():
            # A site's name may contain letters that the font lacks; the page shows them in text.
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            FigureCanvasSVG(self._figure)
            self._figure.savefig(target, format="svg", metadata=_NO_METADATA)
        text = base64.b64encode(target.getvalue()).decode("ascii")
        return Picture(f"data:image/svg+xml;base64,{text}", WIDTH, self.height, shows)


def text_width(text: str, size: float = SIZE, *, bold: bool = False) -> float:
    """Return the width of a line of text, in inches."""
    return _width_at_100_points(text, bold) * size / 100 / 72


@lru_cache(maxsize=4096)
def _width_at_100_points(text: str, bold: bool) -> float:
    font = get_font(findfont(_font(SIZE, bold)))
    font.set_size(100, 72)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        font.set_text(text, flags=LoadFlags.NO_HINTING)
    width_in_64ths, _ = font.get_width_height()
    return float(width_in_64ths) / 64


def wrap(text: str, width: float, size: float = SIZE) -> list[str]:
    """Break a text into lines of at most a width in inches; a word that is wider is broken, too."""
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}", size) <= width:
            lines[-1] += f" {word}"
        else:
            lines += _pieces(word, width, size)
    return lines or [""]


def _pieces(word: str, width: float, size: float) -> list[str]:
    """Return the parts of a word that fit, broken after a sign where there is one."""
    pieces = []
    while text_width(word, size) > width:
        fits = sum(text_width(word[: n + 1], size) <= width for n in range(len(word)))
        if fits < _FEWEST_LETTERS:
            break
        after_sign = max((n + 1 for n in range(fits) if word[n] in "-_/.,:"), default=0)
        end = after_sign if after_sign > fits // 2 else fits
        pieces.append(word[:end])
        word = word[end:]
    return [*pieces, word]


def fitted(text: str, width: float, size: float = SIZE) -> str:
    """Return a text that fits a width in inches; of a longer one the end is cut off."""
    if text_width(text, size) <= width:
        return text
    while len(text) > 1 and text_width(f"{text}…", size) > width:
        text = text[:-1]
    return f"{text}…"


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour `#rrggbb`, from 0 to 1 (WCAG 2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@lru_cache
def _font(size: float, bold: bool) -> FontProperties:
    return FontProperties(family="DejaVu Sans", size=size, weight="bold" if bold else "normal")
