"""Date formats of a site, as regular expressions: for engines that read no format as it stands."""

import re
from collections.abc import Callable

from omop_scorer.errors import ConfigurationError

#: What stands for each code of a date format, and for which part it stands.
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
    """Return a regular expression with one group a part of the date, and the parts in order.

    Parameters
    ----------
    text
        The format, as strptime has it.
    engine
        Its name, for messages.
    literal
        Writes a character so that it stands for itself.

    Raises
    ------
    ConfigurationError
        It has a code that is not known here.
    """
    pattern, parts = "", []
    for code, other in re.findall(r"%(-?[a-zA-Z])|(%%|.)", text, flags=re.DOTALL):
        if not code:
            pattern += literal(other[-1])
            continue
        if code not in _CODES:
            raise ConfigurationError(
                f"cdm.date_formats: %{code} in {text!r} is not known to engine {engine}; "
                f"allowed: {' '.join(f'%{each}' for each in _CODES)}"
            )
        part_pattern, part = _CODES[code]
        pattern += part_pattern
        parts.append(part)
    return pattern, parts


def month_names(part: str) -> list[str]:
    """Return the names of the months in lower case, for the part `short name` or `long name`."""
    return [name[:3] for name in _MONTHS] if part == "short name" else list(_MONTHS)
