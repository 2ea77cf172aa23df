"""Widths of text in pictures, and where its lines are broken."""

from functools import lru_cache

#: Sizes of text in pictures, in pixels.
SIZE, SMALL = 13.0, 12.0

#: A word is broken only into pieces of at least so many letters.
_FEWEST_LETTERS = 4

#: Widths of letters in hundredths of the size, of DejaVu Sans: the fonts of other machines are
#: narrower, so what fits here fits there.
_WIDTHS = {
    27: "'",
    28: "ijl",
    29: "IJ",
    32: " ,.’·",
    34: "/:;\\|",
    35: "f",
    36: "-",
    39: "()[]t",
    40: "!²",
    41: "r",
    46: '"',
    50: "*_`–°",
    52: "sz“”",
    53: "?",
    55: "c",
    56: "L",
    58: "Fk",
    59: "vxy",
    60: "P",
    61: "TYaoäö",
    62: "eé",
    63: "ESbdghnpquüß",
    64: "$0123456789{}",
    66: "K",
    68: "AV",
    69: "BRXZ",
    70: "C",
    73: "U",
    75: "HN",
    77: "DG◇",
    78: "&",
    79: "OQ",
    82: "w",
    84: "#+<=>^~−×≥≤→±",
    86: "M",
    95: "%",
    97: "m",
    99: "W",
}
_OF_LETTER = {letter: width for width, letters in _WIDTHS.items() for letter in letters}

_WIDEST, _BOLD = 100, 1.12


@lru_cache(maxsize=4096)
def text_width(text: str, size: float = SMALL, *, bold: bool = False) -> float:
    """Return the width of a line of text, in pixels; a letter that is not known is a wide one."""
    width = sum(_OF_LETTER.get(letter, _WIDEST) for letter in text)
    return width * size / 100 * (_BOLD if bold else 1)


def wrap(text: str, width: float, size: float = SMALL) -> list[str]:
    """Break a text into lines of at most a width; a word that is wider is broken, too."""
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


def fitted(text: str, width: float, size: float = SMALL) -> str:
    """Return a text that fits a width; of a longer one the end is cut off."""
    if text_width(text, size) <= width:
        return text
    while len(text) > 1 and text_width(f"{text}…", size) > width:
        text = text[:-1]
    return f"{text}…"
