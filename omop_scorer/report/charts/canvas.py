"""A canvas measured in pixels from its top left corner, which a template writes as SVG.

Text stays text: it can be selected and found, and it grows with the page. A picture is laid out
anew for each width, so that a picture on a phone is not a shrunken one of a desk.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from omop_scorer.report.charts.lettering import SIZE, SMALL

#: Widths for which a picture is laid out: across the page, half of it, and on a phone.
FULL, HALF, PHONE = 900.0, 436.0, 350.0

#: Distance between two lines of small text.
LINE = 15.0

#: Text colour on medium colours, where INK has too little contrast.
_BLACK = "#0b0f15"

INK, SOFT, RULE, PAPER = "#1d2530", "#566070", "#d9dde3", "#ffffff"

ACCENT, ACCENT_MIDDLE = "#45397f", "#8a82bd"

Element = tuple[str, dict[str, str], str]


@dataclass(frozen=True)
class Look:
    """The fill of an area: one colour, or several as horizontal stripes."""

    colour: str
    others: tuple[str, ...] = ()

    @property
    def ink(self) -> str:
        """The text colour that is legible on this fill."""
        return PAPER if luminance(self.colour) < 0.18 else _BLACK


@dataclass
class Canvas:
    """A drawing of a given width: x to the right, y downwards; `height` is set by its maker."""

    width: float
    height: float = 0.0
    elements: list[Element] = field(default_factory=list)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        align: str = "start",
        colour: str = INK,
        size: float = SIZE,
        bold: bool = False,
        has_halo: bool = False,
    ) -> None:
        """Write a line of text, centred on y; `align` is start, middle or end."""
        look = {"class": "b"} if bold else {"class": "o"} if has_halo else {}
        if align != "start":
            look["text-anchor"] = align
        if colour != INK:
            look["fill"] = colour
        if size != SMALL:
            look["font-size"] = _number(size)
        # The middle of small letters is about a third of the size above the line they stand on.
        place = {"x": _number(x), "y": _number(y + 0.35 * size)}
        self.elements.append(("text", place | look, text))

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
        line = {"stroke": edge} if edge else {}
        for i, colour in enumerate(colours):
            place = _sized(x, y + i * stripe, width, stripe)
            self.elements.append(("rect", place | {"fill": colour} | line, ""))

    def hidden(self, x: float, y: float) -> None:
        """Mark a value that is not shown by a crossed square around (x, y)."""
        path = f"M{_number(x - 4)} {_number(y - 4)}h8v8h-8zl8 8m0 -8l-8 8"
        self.elements.append(("path", {"class": "h", "d": path}, ""))

    def line(
        self,
        points: Sequence[tuple[float, float]],
        *,
        colour: str = INK,
        width: float = 1.5,
        dotted: bool = False,
    ) -> None:
        """Draw a line through points."""
        look = {"class": "l", "stroke": colour, "stroke-width": _number(width)}
        if dotted:
            look["stroke-dasharray"] = "2 3"
        steps = "L".join(f"{_number(x)} {_number(y)}" for x, y in points)
        self.elements.append(("path", look | {"d": f"M{steps}"}, ""))

    def rules(self, places: Sequence[tuple[float, float, float, float]]) -> None:
        """Draw thin lines, each from (x0, y0) to (x1, y1)."""
        steps = (
            f"M{_number(x0)} {_number(y0)}L{_number(x1)} {_number(y1)}" for x0, y0, x1, y1 in places
        )
        self.elements.append(("path", {"class": "r", "d": "".join(steps)}, ""))

    def interval(self, low: float, high: float, y: float, *, colour: str = INK) -> None:
        """Draw an interval with end marks and a white edge, visible on any colour."""
        low_x, high_x = _number(low), _number(high)
        path = f"M{low_x} {_number(y)}H{high_x}M{low_x} {_number(y - 3.5)}v7M{high_x} "
        path += f"{_number(y - 3.5)}v7"
        for tint, width in ((PAPER, "4"), (colour, "1.4")):
            look = {"class": "l", "stroke": tint, "stroke-width": width}
            self.elements.append(("path", look | {"d": path}, ""))

    def mark(
        self, x: float, y: float, shape: str, *, colour: str = INK, filled: bool = True
    ) -> None:
        """Draw a mark around (x, y): `o`, `D`, `s`, `^` or `v`."""
        look = {"class": "m", "stroke": colour, "fill": colour if filled else PAPER}
        if shape == "o":
            circle = {"cx": _number(x), "cy": _number(y), "r": "4.5"}
            self.elements.append(("circle", circle | look, ""))
            return
        path = f"M{_number(x)} {_number(y)}{_SHAPES[shape]}"
        self.elements.append(("path", look | {"d": path}, ""))

    def area(self, points: Sequence[tuple[float, float]], look: Look) -> None:
        """Fill a polygon with a pale tint of a colour."""
        steps = "L".join(f"{_number(x)} {_number(y)}" for x, y in points)
        shape = {"d": f"M{steps}z", "fill": look.colour, "fill-opacity": ".18"}
        self.elements.append(("path", shape, ""))


#: Outlines of marks, from their centre.
_SHAPES = {
    "D": "m0-5.5l5.5 5.5l-5.5 5.5l-5.5-5.5z",
    "s": "m-4.5-4.5h9v9h-9z",
    "^": "m0-5.5l5 9.5h-10z",
    "v": "m0 5.5l5-9.5h-10z",
}


@dataclass(frozen=True)
class Picture:
    """A drawing for any width; it is laid out anew for each."""

    draw: Callable[[float], Canvas]
    shows: bool
    """False if every figure of the drawing is hidden."""


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour `#rrggbb`, from 0 to 1 (WCAG 2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, from 1 to 21 (WCAG 2)."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _number(value: float) -> str:
    """Return a coordinate with at most one decimal, as short as it can be."""
    return f"{value:z.1f}".removesuffix(".0")


def _sized(x: float, y: float, width: float, height: float) -> dict[str, str]:
    names = ("x", "y", "width", "height")
    return dict(zip(names, map(_number, (x, y, width, height)), strict=True))
