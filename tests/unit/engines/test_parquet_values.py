"""Values of Parquet files in columns that nobody reads."""

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from omop_scorer.engines.parquet_values import hold_values
from omop_scorer.errors import CdmError

NO_VALUES: dict[str, pa.Array] = {
    "missing": pa.array([None], pa.int64()),
    "missing lists": pa.array([None], pa.list_(pa.int64())),
    "blanks": pa.array(["", None, "  ", " NULL ", "Death_Date"]),
    "a few texts": pa.array(["", "null"]).dictionary_encode(),
    "no mark of UTF-8": pa.array([b" ", b"NULL"]),
}
VALUES: dict[str, pa.Array] = {
    "a number": pa.array([None, 0]),
    "a text": pa.array(["", " x"]),
    "one of a few texts": pa.array(["", "x"]).dictionary_encode(),
    "bytes": pa.array([b"", b"\xe9"]),
    "a list": pa.array([None, []], pa.list_(pa.int64())),
    "a day": pa.array([None, date(2026, 1, 1)]),
}


@pytest.mark.parametrize("name", NO_VALUES | VALUES)
def test_what_a_value_is(tmp_path: Path, name: str) -> None:
    cells = (NO_VALUES | VALUES)[name]
    files = tmp_path / "a.parquet", tmp_path / "b.parquet"
    pq.write_table(pa.table({"note": pa.nulls(1, pa.list_(pa.date32()))}), files[0])
    pq.write_table(pa.table({"note": cells, "other": pa.nulls(len(cells))}), files[1])
    found = hold_values(files, "cdm.url x/death", {"", "null", "death_date"})
    assert found == (name in VALUES)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    pq.write_table(pa.table({"note": ["", ""]}), file, compression="none", use_dictionary=False)
    whole = file.read_bytes()
    file.write_bytes(whole[:4] + b"\xff" * 40 + whole[44:])
    with pytest.raises(CdmError, match=r"cdm.url x/death: a\.parquet cannot be read as Parquet"):
        hold_values([file], "cdm.url x/death", {""})
