"""Results in a folder: whose the lock is, and what a reader sees of what is there."""

import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Timer

import pyarrow as pa
import pytest
from sqlglot import exp

from omop_scorer.config import run_file as config
from omop_scorer.connections.lock_holder import LockHolder
from omop_scorer.engines import open_engine
from omop_scorer.errors import (
    ConfigurationError,
    ConnectionFailedError,
    LockHeldError,
    ResultsError,
)
from omop_scorer.stores import open_results
from omop_scorer.stores.folder import files
from omop_scorer.stores.folder.files import ResultsFolder


def put(folder: ResultsFolder, run_id: int, *n: int) -> None:
    rows = pa.record_batch({"run_id": [run_id] * len(n), "n": list(n)})
    folder.append("attrition", rows.schema, [rows])


def test_one_of_many_takes_the_lock(tmp_path: Path) -> None:
    folders = [ResultsFolder(str(tmp_path), "scores") for _ in range(20)]

    def take(folder: ResultsFolder) -> str:
        try:
            folder.take_lock()
        except LockHeldError as error:
            return str(error)
        return "taken"

    with ThreadPoolExecutor(20) as pool:
        said = list(pool.map(take, folders))
    assert said.count("taken") == 1
    refused = next(text for text in said if text != "taken")
    assert f"process {os.getpid()} on {socket.gethostname()}" in refused
    folders[said.index("taken")].free_lock()
    assert take(folders[0]) == "taken"


def test_a_lock_whose_holder_is_still_to_be_written_names_it(tmp_path: Path) -> None:
    lock = tmp_path / "scores" / "_run.lock"
    lock.parent.mkdir()
    lock.touch()
    writer = Timer(0.2, lock.write_text, ["elsewhere 7 1 2026-01-01T00:00:00"])
    writer.start()
    with pytest.raises(LockHeldError, match="process 7 on elsewhere"):
        ResultsFolder(str(tmp_path), "scores").take_lock()
    writer.join()


def test_a_lock_without_a_holder_is_not_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_HOLDER_SECONDS", 0.05)
    lock = tmp_path / "scores" / "_run.lock"
    lock.parent.mkdir()
    lock.touch()
    with pytest.raises(LockHeldError, match=r"remove .*_run\.lock"):
        ResultsFolder(str(tmp_path), "scores").take_lock()
    assert lock.exists()


def test_the_lock_of_a_process_that_died_is_taken_over(tmp_path: Path) -> None:
    script = (
        "import os; from omop_scorer.stores.folder.files import ResultsFolder; "
        f"ResultsFolder({str(tmp_path)!r}, 'scores').take_lock(); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", script], check=False)
    lock = tmp_path / "scores" / "_run.lock"
    assert LockHolder(lock.read_text(encoding="utf-8")).is_gone()
    folder = ResultsFolder(str(tmp_path), "scores")
    folder.take_lock()
    assert not LockHolder(lock.read_text(encoding="utf-8")).is_gone()
    folder.free_lock()
    assert not lock.exists()
    assert [path.name for path in (tmp_path / "scores").iterdir()] == []


def test_a_number_that_was_given_to_another_process_holds_nothing(tmp_path: Path) -> None:
    own = LockHolder.this_process().text.split()
    assert not LockHolder(" ".join(own)).is_gone()
    space = own[2].rpartition("/")[0]
    assert LockHolder(" ".join([*own[:2], f"{space}/1", own[3]])).is_gone()
    # Of a container with the same name of host nobody knows.
    assert not LockHolder(" ".join([*own[:2], "another/1", own[3]])).is_gone()


def test_who_has_lost_the_lock_is_told(tmp_path: Path) -> None:
    folder = ResultsFolder(str(tmp_path), "scores")
    folder.take_lock()
    folder.refuse_lost_lock()
    lock = tmp_path / "scores" / "_run.lock"
    lock.write_text("elsewhere 7 1 2026-01-01T00:00:00", encoding="utf-8")
    with pytest.raises(LockHeldError, match="no longer holds the run lock"):
        folder.refuse_lost_lock()
    folder.free_lock()
    assert lock.exists()


def test_runs_of_a_table_that_is_not_listed_are_not_removed(tmp_path: Path) -> None:
    folder = ResultsFolder(str(tmp_path), "scores")
    folder.take_lock()
    folder.make_empty("attrition")
    put(folder, 1, 10)
    with pytest.raises(ResultsError, match=r"_tables\.json does not list the table attrition"):
        folder.make_empty("attrition")
    assert folder.run_ids("attrition") == [1]


def test_what_a_dead_writer_left_is_removed(tmp_path: Path) -> None:
    folder = ResultsFolder(str(tmp_path), "scores")
    folder.take_lock()
    half = folder.make_empty("attrition") / "_temporary" / "0" / "task_1" / "run_id=7"
    half.mkdir(parents=True)
    put(folder, 1, 10)
    folder.remove_half_written(["attrition"])
    assert sorted(path.name for path in half.parents[3].iterdir()) == ["run_id=1"]


def test_of_another_machine_nobody_knows(tmp_path: Path) -> None:
    (tmp_path / "scores").mkdir()
    lock = tmp_path / "scores" / "_run.lock"
    lock.write_text("elsewhere 7 1 2026-01-01T00:00:00", encoding="utf-8")
    with pytest.raises(LockHeldError, match=r"process 7 on elsewhere.*remove .*_run\.lock"):
        ResultsFolder(str(tmp_path), "scores").take_lock()
    assert lock.exists()


def results_config(folder: Path) -> config.RunConfig:
    document = {"cdm": {"url": "not opened"}, "results": {"url": str(folder), "schema": "scores"}}
    return config.RunConfig.model_validate({"engine": "spark", **document})


def test_a_reader_sees_whole_files_and_columns_that_came_later(tmp_path: Path) -> None:
    folder = ResultsFolder(str(tmp_path), "scores")
    folder.take_lock()
    columns = {"run_id": "BIGINT", "n": "BIGINT"}
    folder.make_empty("attrition")
    folder.make_empty("empty")
    put(folder, 1, 10)
    put(folder, 2, 20, 21)
    (tmp_path / "scores" / "attrition" / "run_id=2" / "_part-half.parquet").write_text("half")
    (tmp_path / "scores" / "attrition" / "_temporary").mkdir()
    (tmp_path / "scores" / "attrition" / "_temporary" / "x.parquet").write_text("half")
    folder.save_tables({"attrition": {**columns, "later": "DOUBLE"}, "empty": columns})
    query = exp.select("*").from_(exp.table_("attrition", "results")).order_by("n")
    with open_results(results_config(tmp_path).connections) as reader:
        assert reader.tables() >= {"attrition", "empty"}
        rows = reader.read(query, {})
        assert rows.schema.names == ["run_id", "n", "later"]
        assert rows["run_id"].to_pylist() == [1, 2, 2]
        assert rows["later"].to_pylist() == [None] * 3
        empty = exp.select("*").from_(exp.table_("empty", "results"))
        assert reader.read(empty, {}).schema.names == ["run_id", "n"]
    assert folder.run_ids("attrition") == [1, 2]
    folder.remove("attrition", 2)
    assert folder.run_ids("attrition") == [1]


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConnectionFailedError, match="no such folder"):
        open_results(results_config(tmp_path / "nowhere").connections)
    with pytest.raises(ResultsError, match=r"no results.schema 'scores' in it; schemas: none"):
        open_results(results_config(tmp_path).connections)


def test_without_pyspark_the_message_says_what_to_install(tmp_path, monkeypatch) -> None:
    for name in [
        name for name in sys.modules if name.startswith("omop_scorer.engines.spark.engine")
    ]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("pyspark", "py4j")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyspark", None)
    monkeypatch.setitem(sys.modules, "py4j", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'omop-scorer\[spark\]'"):
        open_engine(results_config(tmp_path).connections)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[]", "not a list of tables"),
        ('{"score": []}', "'score' is not a table"),
        ('{"../score": {}}', "'../score' is not a table"),
        ('{"score": {"n": "NUMBER("}}', "column 'n' of table score has an unknown name or type"),
        ('{"score": {"n": ["BIGINT"]}}', "column 'n' of table score"),
        ('{"score": {"n": "BIGINT; DROP"}}', "column 'n' of table score"),
        ('{"score": {"n\\"": "BIGINT"}}', "column .* of table score"),
        ("[" * 100_000, "cannot be read"),
        ("{", "cannot be read"),
    ],
)
def test_a_damaged_list_of_tables_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    folder = ResultsFolder(str(tmp_path), "scores")
    folder.home.mkdir()
    (folder.home / "_tables.json").write_text(text, encoding="utf-8")
    with pytest.raises(ResultsError, match=rf"_tables\.json .*{fault}.*restore"):
        folder.tables()
