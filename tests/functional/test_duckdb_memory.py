"""Rows that exceed the memory of DuckDB: where they are, and whether they can be read there."""

from pathlib import Path

import pyarrow as pa
import pytest

from omop_scorer.config import run_file as config
from omop_scorer.connections.duckdb import connected
from omop_scorer.stores.duckdb.store import DuckDBStore

#: A text of a patient in each of 100,000 rows of 100 bytes.
PLANTED = b"PLANTEDPATIENT"
TABLE = (
    "CREATE TABLE t AS SELECT range AS n, 'PLANTEDPATIENT' || MD5(range::VARCHAR) || "
    "MD5((range + 1)::VARCHAR) || MD5((range + 2)::VARCHAR) AS t FROM RANGE(400000)"
)


@pytest.mark.parametrize("is_encrypted", [True, False], ids=["encrypted", "plain"])
def test_what_is_spilled_can_be_read_only_if_it_is_not_encrypted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_encrypted: bool
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with connected("20MB", is_encrypted=is_encrypted, threads=1) as connection:
        connection.execute(TABLE)
        files = [path for path in tmp_path.glob("*/*") if path.suffix in (".tmp", ".block")]
        spilled = b"".join(path.read_bytes() for path in files)
        assert len(spilled) > 10_000_000
        assert (PLANTED in spilled) != is_encrypted
        # What was spilled comes back whole.
        query = "SELECT COUNT(*) FROM t WHERE t LIKE 'PLANTED%' || MD5((n + 2)::VARCHAR)"
        assert connection.execute(query).fetchall() == [(400_000,)]
    assert list(tmp_path.iterdir()) == []


def test_rows_that_are_appended_do_not_stay_in_memory(tmp_path: Path) -> None:
    """A transaction of many batches takes the memory of a few."""
    settings = config.RunConfig.model_validate(
        {"cdm": {"url": "cdm.duckdb"}, "results": {"url": str(tmp_path / "results.duckdb")}}
    )
    store = DuckDBStore(settings.connections)
    store.create_schema()
    store._connection.execute("CREATE TABLE omop_scorer.counts (run_id BIGINT, n BIGINT)")
    before = pa.total_allocated_bytes()
    most = 0
    with store.transaction():
        for _ in range(20):
            column = pa.array(range(100_000), pa.int64())
            batch = pa.record_batch({"n": column, "run_id": column})
            store.append("counts", [batch])
            del column, batch
            most = max(most, pa.total_allocated_bytes() - before)
    assert most < 3 * 1_600_000
    ((n, total),) = store._connection.execute(
        "SELECT COUNT(*), SUM(n) FROM omop_scorer.counts"
    ).fetchall()
    assert (n, total) == (2_000_000, 20 * 4_999_950_000)
    store.close()
