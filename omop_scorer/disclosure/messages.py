"""Warnings of a run without the counts in them: the tables show those that may be shown."""

import re

#: The only numbers that stay in a warning; every other one may count persons. Each form names what
#: the number is: a day, a time, a run, an attempt, concepts, a length of time, or part of a name.
_KINDS = re.compile(
    r"(?<![\w.,])(?:"
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?Z?"
    r"|\d\d:\d\d(?::\d\d(?:\.\d+)?)?"
    r"|(?:run|attempt|concept) \d+"
    r"|record of \d+(?:, \d+)*(?= (?:or a descendant )?up to )"
    r"|\d+ (?:days?|hours?|minutes?|seconds?|s|months?|years?)"
    r"|\d+ different rows(?: instead of 1)?"
    r"|[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+|[.:-][A-Za-z][A-Za-z0-9]*)*"
    r"|v\d+(?:\.\d+)+"
    r")(?![\w%]|[.,:]\d)"
)

_NUMBER = re.compile(r"\d+(?:[,.]\d+)*%?")


def without_counts(message: str | None) -> str | None:
    """Return a run's warnings in which `some` replaces every number of no known kind."""
    if message is None:
        return None
    text, end = "", 0
    for kind in _KINDS.finditer(message):
        text += _NUMBER.sub("some", message[end : kind.start()]) + kind[0]
        end = kind.end()
    text += _NUMBER.sub("some", message[end:])
    text = text.replace(" (some)", "")
    text = re.sub(r"\bsome of some (?=\w)", "some of the ", text)
    return re.sub(r"\bsome (\w+)\(s\)", r"some \1s", text)
