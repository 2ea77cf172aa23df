"""The delimiter of a CSV file, which its header decides."""

import re

_DELIMITERS = (",", "\t", ";", "|")

_IN_QUOTES = re.compile(r'"[^"]*"')


def delimiter_of(header: str) -> str:
    """Return the delimiter that a header has most of, outside quotes; a comma if it has none."""
    bare = _IN_QUOTES.sub("", header)
    return max(_DELIMITERS, key=bare.count)
