"""Characters that a text of a site may hold and a line, a cell or a terminal must not obey."""

import re
import unicodedata

#: Controls, terminal escapes, line separators, bidirectional marks, and halves of a character.
_INVISIBLE = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
#: Starts of a formula for spreadsheets, in both widths; some skip the spaces before them.
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")


def one_line(text: str) -> str:
    r"""Return a text in which escapes such as `\x1b` and `\n` replace what a reader cannot see."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_visible, text))


def lines(text: str) -> str:
    """Return a text of several lines, each of them as `one_line` returns it."""
    return "\n".join(map(one_line, text.split("\n")))


def cell(text: str) -> str:
    """Return a text for a cell of a CSV file; an apostrophe precedes what would be a formula."""
    line = one_line(text)
    return f"'{line}" if _FORMULA.match(line) else line


def is_utf_8(path: str) -> bool:
    """Return False for a path with a byte that is not UTF-8, which Python keeps as a surrogate."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _visible(character: str) -> str:
    if unicodedata.category(character) not in _INVISIBLE:
        return character
    if "\udc80" <= character <= "\udcff":  # a byte of a name that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
