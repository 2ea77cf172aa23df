"""Texts that sites keep in place of numbers, days and moments, and what each one means.

Worked out by hand from `configs/README.md`, "Values that cannot be read". None: it cannot be read,
counts as missing and is counted. MISSING: there is no value, and nothing is counted.
"""

import math
from datetime import date, datetime
from typing import Any

MISSING = "missing"
NBSP = "\u00a0"
FIRST, LAST = date(1, 1, 1), date(9999, 12, 31)
DAY = date(2024, 1, 10)

#: Texts in a column of whole numbers.
WHOLE_NUMBERS: dict[str, int | str | None] = {
    "7": 7,
    "+7": 7,
    "-7": -7,
    "007": 7,
    "7.": 7,
    "7.000": 7,
    " 7 ": 7,
    "\t7\r\n": 7,
    f"{NBSP}7": 7,
    "9223372036854775807": 2**63 - 1,
    "-9223372036854775808": -(2**63),
    "": MISSING,
    " \t": MISSING,
    NBSP: MISSING,
    "9223372036854775808": None,
    "9" * 300: None,
    "7.5": None,
    "7e0": None,
    "0x10": None,
    "1_0": None,
    "1,000": None,
    "--7": None,
    "7-": None,
    "- 7": None,
    "\u22127": None,
    "\u0667": None,
    "\uff17": None,
    "nan": None,
    "infinity": None,
    "true": None,
}

#: Texts in a column of numbers that is a column of texts.
NUMBERS: dict[str, float | str | None] = {
    "7": 7.0,
    "7.25": 7.25,
    ".5": 0.5,
    "7.": 7.0,
    "+7": 7.0,
    "-.5": -0.5,
    "1.5e1": 15.0,
    "1E-3": 0.001,
    "1e0003": 1000.0,
    "1e-400": 0.0,
    f" \n7{NBSP}": 7.0,
    "7" * 300: float("7" * 300),
    "0." + "0" * 300 + "7": 7e-301,
    "": MISSING,
    f" {NBSP}": MISSING,
    "1e400": None,
    "-1e400": None,
    "7" * 400: None,
    "7,5": None,
    "<5": None,
    "7 mg/L": None,
    "1e": None,
    "e1": None,
    ".": None,
    "0x10": None,
    "0x1p3": None,
    "1_0": None,
    "7f": None,
    "7d": None,
    "NaN": None,
    "inf": None,
    "Infinity": None,
    "-infinity": None,
    "\u0667": None,
    "\u00bd": None,
    "--7": None,
}

#: What a column of numbers whose values arrive as text (NUMERIC of a database) may hold besides.
SPECIAL_NUMBERS = {
    "NaN": math.nan,
    "Infinity": math.inf,
    "-Infinity": -math.inf,
    "inf": math.inf,
    "7" * 400: None,
    "<5": None,
}

_MIDNIGHT = datetime(2024, 1, 10)
_EIGHT = datetime(2024, 1, 10, 8)
_BEFORE, _AFTER = datetime(1, 1, 1), datetime(9999, 12, 31)

#: Texts in a column of moments.
MOMENTS: dict[str, datetime | str | None] = {
    "2024-01-10": _MIDNIGHT,
    " 2024-01-10\t": _MIDNIGHT,
    "2024-01-10 08:00": _EIGHT,
    "2024-01-10T08:00:00": _EIGHT,
    "2024-01-10 08:00:00.5": datetime(2024, 1, 10, 8, 0, 0, 500_000),
    "2024-01-10 08:00:00.123456789": datetime(2024, 1, 10, 8, 0, 0, 123_456),
    "2024-01-10 23:59:59.9999999": datetime(2024, 1, 10, 23, 59, 59, 999_999),
    "2024-01-10T08:00:00Z": _EIGHT,
    "2024-01-10 08:00:00-05": _EIGHT,
    "2024-01-10 08:00:00+0530": _EIGHT,
    "2024-01-10 08:00:00+14:00": _EIGHT,
    "2024-02-29": datetime(2024, 2, 29),
    "0001-01-01": _BEFORE,
    "1753-01-01 00:00:00": datetime(1753, 1, 1),
    "9999-12-31": _AFTER,
    "-infinity": _BEFORE,
    "-Infinity": _BEFORE,
    "0000-01-01": _BEFORE,
    "0044-03-15 BC": _BEFORE,
    "0044-03-15 10:00:00 BC": _BEFORE,
    "0044-03-15 (BC)": _BEFORE,
    "0044-03-15 (BC) 10:00:00": _BEFORE,
    "-0043-03-15": _BEFORE,
    "-12345-03-15": _BEFORE,
    "infinity": _AFTER,
    "12345-01-01": _AFTER,
    "+12345-01-01 08:00:00": _AFTER,
    "294276-12-31": _AFTER,
    "": MISSING,
    "  ": MISSING,
    "2024-01-10 24:00:00": None,
    "2024-01-10 25:00": None,
    "2024-01-10 08:60": None,
    "2024-01-10 23:59:60": None,
    "2024-01-10 08:00:00+15:00": None,
    "2024-01-10 08:00:00+14:30": None,
    "2024-01-10 08": None,
    "2024-01-10 08:00:00.": None,
    "2023-02-29": None,
    "2024-04-31": None,
    "0000-00-00": None,
    "0000-00-00 00:00:00": None,
    "2024-00-10": None,
    "2024-13-01": None,
    "2024-1-1": None,
    "20240110": None,
    "1/10/2024": None,
    "\u0662\u0660\u0662\u0664-01-10": None,
    "2024\u201301\u201310": None,
    "today": None,
    "epoch": None,
    "unknown": None,
}

#: The same texts in a column of days.
DAYS: dict[str, Any] = {
    text: meaning.date() if isinstance(meaning, datetime) else meaning
    for text, meaning in MOMENTS.items()
}

MEANINGS: dict[str, dict[str, Any]] = {
    "integer": WHOLE_NUMBERS,
    "double": NUMBERS,
    "date": DAYS,
    "timestamp": MOMENTS,
}


def answers(meanings: dict[str, Any]) -> list[tuple[Any, bool]]:
    """Return, for each text, the value of its cast and whether the cast loses it."""
    return [
        (None if meaning in (None, MISSING) else meaning, meaning is None)
        for meaning in meanings.values()
    ]
