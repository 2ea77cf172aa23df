"""The delimiter of a CSV file, which its header decides, and its name."""

import re

_DELIMITERS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "vertical bar"}

_IN_QUOTES = re.compile(r'"[^"]*"')


def delimiter_of(header: str) -> str:
    """Return the delimiter that a header has most of, outside quotes; a comma if it has none."""
    bare = _IN_QUOTES.sub("", header)
    return max(_DELIMITERS, key=bare.count)


def delimiter_note(delimiter: str) -> str:
    """Return the end of a message on a file whose cells are not separated by commas, or nothing."""
    return "" if delimiter == "," else f"; its delimiter is a {_DELIMITERS[delimiter]}"
