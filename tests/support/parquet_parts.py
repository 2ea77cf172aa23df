"""A table of measurements written as Parquet in random parts: types, orders, names and folders.

Each part writes a column in any type that holds its own values exactly, so that the table as a
whole always has the same values.
"""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq

Row = tuple[Any, ...]

ZONE = ZoneInfo("Europe/Berlin")

#: Columns of the table, and what they hold. The order is that of the rows.
COLUMNS = {
    "measurement_id": "integer",
    "person_id": "integer",
    "measurement_concept_id": "integer",
    "measurement_date": "date",
    "measurement_datetime": "timestamp",
    "operator_concept_id": "integer",
    "value_as_number": "double",
    "unit_concept_id": "integer",
    "unit_source_value": "text",
}

_INTEGERS = (0, 1, 127, 128, 40_000, 2**24 - 1, 2**24 + 1, 2**31, 2**53 - 1, 2**53 + 1, 2**62 + 1)
_NUMBERS = (0.0, 7.6, 8.0, -1.25, 0.1, 1e300, 123_456.75, 3_000_000_000.0)
_DATES = (date(1969, 12, 31), date(2000, 2, 29), date(2026, 1, 2), date(2025, 7, 1))
_TIMES = (time(0), time(23, 59, 59), time(8, 30, 0, 250_000))
_TEXTS = ("", "mg/L", "\u00b5g", "5", " x ")

Cells = Sequence[Any]
Encoding = Callable[[Cells], pa.Array]


def random_rows(choose: random.Random) -> list[Row]:
    """Return rows, some of whose columns are all missing."""
    share = {name: choose.choice((0.0, 0.3, 0.3, 1.0)) for name in COLUMNS}

    def cell(name: str, kind: str) -> Any:
        if choose.random() < share[name]:
            return None
        day = choose.choice(_DATES)
        return {
            "integer": choose.choice(_INTEGERS),
            "double": choose.choice(_NUMBERS),
            "date": day,
            "timestamp": datetime.combine(day, choose.choice(_TIMES)),
            "text": choose.choice(_TEXTS),
        }[kind]

    n = choose.randint(1, 12)
    return [tuple(cell(name, kind) for name, kind in COLUMNS.items()) for _ in range(n)]


def write_plain(rows: Sequence[Row], folder: Path) -> None:
    """Write the rows as one file with the types of the CDM."""
    types = {
        "integer": pa.int64(),
        "double": pa.float64(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us"),
        "text": pa.string(),
    }
    columns = {
        name: pa.array([row[index] for row in rows], types[kind])
        for index, (name, kind) in enumerate(COLUMNS.items())
    }
    folder.mkdir(parents=True)
    pq.write_table(pa.table(columns), folder / "measurement.parquet")


def write_parts(rows: Sequence[Row], folder: Path, choose: random.Random) -> None:
    """Write the rows as a folder of parts, beside files that are no part of the table."""
    home = folder / choose.choice(("measurement", "MEASUREMENT", "measurement.parquet"))
    home.mkdir(parents=True)
    shuffled = choose.sample(list(rows), len(rows))
    n_parts = choose.randint(1, 4)
    days_are_text = {kind: choose.random() < 0.2 for kind in ("date", "timestamp")}
    for number in range(n_parts):
        place = home / choose.choice(("", "a", "year=2025", "a/month=1", "x y [1]"))
        place.mkdir(parents=True, exist_ok=True)
        part = place / f"part-{number}.{choose.choice(('parquet', 'c000', 'PARQUET'))}"
        _write_part(part, shuffled[number::n_parts], days_are_text, choose)
        if choose.random() < 0.2:
            target = folder / f"elsewhere-{number}"
            part.rename(target)
            part.symlink_to(target)
    _write_decoys(home, rows)


def _write_part(
    file: Path, rows: Sequence[Row], days_are_text: dict[str, bool], choose: random.Random
) -> None:
    is_int96 = choose.random() < 0.3
    columns: dict[str, pa.Array] = {}
    for name in choose.sample([*COLUMNS], len(COLUMNS)):
        kind, index = COLUMNS[name], [*COLUMNS].index(name)
        cells = [row[index] for row in rows]
        is_empty = all(cell is None for cell in cells)
        if is_empty and rows and choose.random() < 0.3:
            continue
        written = choose.choice((name, name, name.upper(), name.title()))
        if is_empty and choose.random() < 0.5:
            columns[written] = pa.nulls(len(rows))
            continue
        columns[written] = _encoded(cells, kind, is_int96, days_are_text.get(kind, False), choose)
    if choose.random() < 0.5:
        columns["note_of_the_site"] = pa.array([[{"x": 1}]] * len(rows))
    if not columns:
        columns["row"] = pa.array(range(len(rows)))
    pq.write_table(
        pa.table(columns),
        file,
        use_deprecated_int96_timestamps=is_int96,
        version=choose.choice(("1.0", "2.4", "2.6")),
        row_group_size=choose.choice((1, 100)),
    )


def _write_decoys(home: Path, rows: Sequence[Row]) -> None:
    """Write what a killed job, a checksum and an empty partition leave."""
    for name in ("_temporary/0", ".hidden", "_key=1"):
        (home / name).mkdir(parents=True)
        write_plain(rows, home / name / "decoy")
    (home / "_SUCCESS").touch()
    (home / ".part-0.parquet.crc").write_bytes(b"crc")
    (home / "README.txt").write_text("about this folder", encoding="utf-8")
    nothing = pa.table({"person_id": pa.array([], pa.date32()), "unit_source_value": pa.nulls(0)})
    pq.write_table(nothing, home / "empty.parquet")


def _encoded(
    cells: Cells, kind: str, is_int96: bool, is_text: bool, choose: random.Random
) -> pa.Array:
    if is_text:
        return pa.array([None if c is None else str(c) for c in cells], pa.string())
    fitting = []
    for encoding in _ENCODINGS[kind](is_int96):
        try:
            fitting.append(encoding(cells))
        except (pa.ArrowInvalid, OverflowError, ValueError):
            continue
    return choose.choice(fitting)


def _as(kind: pa.DataType, convert: Callable[[Any], Any] = lambda value: value) -> Encoding:
    return lambda cells: pa.array([None if c is None else convert(c) for c in cells], kind)


def _float(limit: float, kind: pa.DataType) -> Encoding:
    def encode(cells: Cells) -> pa.Array:
        known = [cell for cell in cells if cell is not None]
        # The format of 32-bit floats has 24 binary digits.
        written = pa.array([None if c is None else float(c) for c in cells], kind)
        back = [float(value) for value in written.drop_null().to_pylist()]
        if back != [float(cell) for cell in known] or any(
            isinstance(cell, int) and abs(cell) >= limit for cell in known
        ):
            raise ValueError
        return written

    return encode


def _decimal(precision: int, scale: int) -> Encoding:
    def encode(cells: Cells) -> pa.Array:
        exact = [None if c is None else Decimal(repr(c)) for c in cells]
        return pa.array(exact, pa.decimal128(precision, scale))

    return encode


def _whole(value: Any) -> int:
    if value != int(value) or abs(value) >= 2**53:
        raise ValueError
    return int(value)


def _utc(value: Any) -> datetime:
    moment = value if isinstance(value, datetime) else datetime.combine(value, time())
    return moment.replace(tzinfo=ZONE).astimezone(UTC)


def _wall(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.combine(value, time())


def _days(is_int96: bool) -> list[Encoding]:
    """Return encodings of a day; INT96 holds moments, and a file has it for all or for none."""
    return [_as(pa.date32()), _as(pa.date64()), *_moments(is_int96)]


def _moments(is_int96: bool) -> list[Encoding]:
    if is_int96:
        return [_as(pa.timestamp("ns"), lambda value: _utc(value).replace(tzinfo=None))]
    return [
        *(_as(pa.timestamp(unit), _wall) for unit in ("us", "ns")),
        *(_as(pa.timestamp(unit, "Europe/Berlin"), _utc) for unit in ("us", "ns")),
    ]


def _integers(_: bool) -> list[Encoding]:
    widths = (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint32(), pa.uint64())
    return [
        *map(_as, widths),
        _float(2**24, pa.float32()),
        _float(2**53, pa.float64()),
        _decimal(19, 0),
        _decimal(38, 2),
        _as(pa.string(), str),
        _as(pa.string(), lambda value: f" {value}.0"),
    ]


def _doubles(_: bool) -> list[Encoding]:
    return [
        _as(pa.float64()),
        _float(2**24, pa.float32()),
        _as(pa.int64(), _whole),
        _decimal(12, 2),
        _decimal(16, 3),
        _as(pa.string(), repr),
    ]


def _words(_: bool) -> list[Encoding]:
    return [
        _as(pa.string()),
        _as(pa.large_string()),
        _as(pa.binary(), str.encode),
        lambda cells: pa.array(cells, pa.string()).dictionary_encode(),
    ]


_ENCODINGS: dict[str, Callable[[bool], list[Encoding]]] = {
    "integer": _integers,
    "double": _doubles,
    "date": _days,
    "timestamp": _moments,
    "text": _words,
}
