"""Values of a database driver as columns of Arrow: integers, floats, or exact text."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import date, datetime, time, tzinfo
from decimal import Decimal

import pyarrow as pa

#: From it on a float may be the rounded value of another whole number: an id cannot be trusted.
_EXACT = 2**53


def arrow_column(values: Sequence[object], zone: tzinfo) -> pa.Array:
    """Return a column as integers, floats or text; everything else becomes exact text.

    Parameters
    ----------
    values
        The values; None where there is none.
    zone
        Time zone in which a moment is written that has a time zone of its own.
    """
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int}:
        with suppress(pa.ArrowInvalid, OverflowError):
            return pa.array(values, pa.int64())
    if kinds == {float} and not any(isinstance(v, float) and abs(v) >= _EXACT for v in values):
        return pa.array(values, pa.float64())
    texts = [None if each is None else _text(each, zone) for each in values]
    return pa.array(texts, pa.string())


def _text(value: object, zone: tzinfo) -> str:
    match value:
        case datetime() | date() | time():
            return _local(value, zone).isoformat()
        case Decimal():
            return format(value, "f")
        case float():
            # A whole number that a float cannot hold must not look like an id.
            return repr(value) if abs(value) < _EXACT else f"{value:.17e}"
        case bytes() | bytearray() | memoryview():
            return bytes(value).decode("utf-8", "replace")
    return str(value)


def _local(moment: datetime | date | time, zone: tzinfo) -> datetime | date | time:
    """Return the day and time of a moment in a zone, if it has a time zone of its own."""
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        return moment
    # The first and the last day of the calendar cannot be moved. Sites write them for "never".
    with suppress(OverflowError):
        moment = moment.astimezone(zone)
    return moment.replace(tzinfo=None)
