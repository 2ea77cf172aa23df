"""Comparison of the answers of two engines to one warehouse: every table of the results.

python -m tests.benchmarks.answers keep FOLDER KEY=VALUE...: the results that a run file with these
keys names are kept as Parquet, rows in a fixed order. python -m tests.benchmarks.answers compare
FOLDER FOLDER: everything is equal, doubles to 1e-9, or it ends with an error.
"""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.measuring import clock, tell

CONFIG = Path("configs/nightly.yaml")
_TOLERANCE = 1e-9
#: Between two runs these differ on any engine.
_OF_A_RUN = {"run_id", "first_run_id", "message"}
_RUNS = {"scoring_run", "scoring_run_status", "latest_run", "complete_run", "schema_version"}


def keep(folder: Path, settings: Sequence[str]) -> None:
    """Write every table and view of the results."""
    import duckdb
    from sqlglot import exp

    from omop_scorer.config import run_file as config
    from omop_scorer.stores import open_results

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    start = clock()
    with (
        open_results(config.load(CONFIG, settings).connections) as reader,
        duckdb.connect() as connection,
    ):
        for name in sorted(reader.tables() - _RUNS):
            found = reader.read(exp.select("*").from_(exp.table_(name, "results")), {})
            columns = sorted(set(found.column_names) - _OF_A_RUN)
            doubles = [c for c in columns if str(found.schema.field(c).type) == "double"]
            others = [c for c in columns if c not in doubles]
            # Where nothing else tells rows apart: a double may differ in its last digits.
            order = [*others, *(f"ROUND({double}, 6)" for double in doubles)]
            connection.register("found", found)
            connection.execute(
                f"COPY (SELECT {', '.join([*others, *doubles])} FROM found "
                f"ORDER BY {', '.join(order)}) TO '{folder / name}.parquet' (FORMAT parquet)"
            )
            connection.unregister("found")
    tell(start)


def compare(one: Path, other: Path) -> None:
    """Say how many rows are equal and by how much doubles differ.

    Raises
    ------
    SystemExit
        Something else differs, or a double by more than 1e-9 of 1 or of itself.
    """
    import duckdb

    start = clock()
    names = sorted(path.name for path in one.iterdir())
    if names != sorted(path.name for path in other.iterdir()):
        sys.exit("the tables are not the same")
    n_rows, largest = 0, 0.0
    with duckdb.connect() as connection:
        for name in names:
            rows, unequal, apart = _differences(connection, one / name, other / name)
            if unequal or apart > _TOLERANCE:
                sys.exit(f"{name}: {unequal} values differ, doubles by up to {apart}")
            n_rows, largest = n_rows + rows, max(largest, apart)
    note = f"{len(names)} tables and views, {n_rows:,} rows equal; doubles differ by {largest:.2g}"
    tell(start, note=note)


def _differences(connection: Any, one: Path, other: Path) -> tuple[int, int, float]:
    """Return the rows of a table, the values that are not equal, and the widest gap of a double."""
    # A view without rows is of no type where the engine keeps no types.
    described = connection.execute(f"DESCRIBE FROM '{one}'").fetchall()
    kinds = [(name, kind) for name, kind, *_ in described]
    if kinds != [(n, k) for n, k, *_ in connection.execute(f"DESCRIBE FROM '{other}'").fetchall()]:
        return 0, 1, 0.0
    unequal, gaps = ["0"], ["0.0"]
    for name, kind in kinds:
        pair = f"a.{name}", f"b.{name}"
        if kind == "DOUBLE":
            unequal.append(f"COUNT_IF(({pair[0]} IS NULL) <> ({pair[1]} IS NULL))")
            gap = f"ABS({pair[0]} - {pair[1]}) / GREATEST(1, ABS({pair[0]}))"
            gaps.append(f"COALESCE(MAX({gap}), 0)")
        else:
            unequal.append(f"COUNT_IF({pair[0]} IS DISTINCT FROM {pair[1]})")
    joined = f"FROM '{one}' AS a POSITIONAL JOIN '{other}' AS b"
    query = f"SELECT COUNT(*), {' + '.join(unequal)}, GREATEST({', '.join(gaps)}) {joined}"
    counts = [
        connection.execute(f"SELECT COUNT(*) FROM '{p}'").fetchall()[0][0] for p in (one, other)
    ]
    rows, n_unequal, apart = connection.execute(query).fetchall()[0]
    return rows, n_unequal + abs(counts[0] - counts[1]), apart


if __name__ == "__main__":
    if sys.argv[1] == "keep":
        keep(Path(sys.argv[2]), sys.argv[3:])
    else:
        compare(Path(sys.argv[2]), Path(sys.argv[3]))
