"""Date formats of a site as regular expressions.

Spark does not read formats in the codes of strptime.
"""

import re
from collections.abc import Callable

from omop_scorer.errors import ConfigurationError

#: Pattern of each format code, and the part of a date or time that it matches.
_CODES = {
    "d": ("([0-9]{1,2})", "day"),
    "-d": ("([0-9]{1,2})", "day"),
    "m": ("([0-9]{1,2})", "month"),
    "-m": ("([0-9]{1,2})", "month"),
    "Y": ("([0-9]{4})", "year"),
    "y": ("([0-9]{2})", "short year"),
    "b": ("([A-Za-z]{3})", "short name"),
    "B": ("([A-Za-z]{3,9})", "long name"),
    "H": ("([01]?[0-9]|2[0-3])", "hour"),
    "M": ("([0-5]?[0-9])", "minute"),
    "S": ("([0-5]?[0-9])", "second"),
}

_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)


def as_pattern(text: str, engine: str, literal: Callable[[str], str]) -> tuple[str, list[str]]:
    """Return a regular expression with one group per part of a date, and the parts in order.

    Parameters
    ----------
    text
        Format in the codes of strptime.
    engine
        Name of the engine, for messages.
    literal
        Function that escapes a character, so that the pattern matches that character.

    Raises
    ------
    ConfigurationError
        The format has a code that is not supported.
    """
    pattern, parts = "", []
    for code, other in re.findall(r"%(-?[a-zA-Z])|(%%|.)", text, flags=re.DOTALL):
        if not code:
            pattern += literal(other[-1])
            continue
        if code not in _CODES:
            raise ConfigurationError(
                f"cdm.date_formats: engine {engine} does not support %{code} in {text!r}; "
                f"allowed: {' '.join(f'%{each}' for each in _CODES)}"
            )
        part_pattern, part = _CODES[code]
        pattern += part_pattern
        parts.append(part)
    return pattern, parts


def month_names(part: str) -> list[str]:
    """Return lower-case month names: abbreviated for `short name`, in full for `long name`."""
    return [name[:3] for name in _MONTHS] if part == "short name" else list(_MONTHS)
