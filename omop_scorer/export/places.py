"""The place of an export: it replaces an earlier export as a whole, and nothing else."""

import csv
import mmap
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from omop_scorer.config.export import Export
from omop_scorer.connections.private_files import keep_rights, usual_rights
from omop_scorer.errors import ResultsError
from omop_scorer.report.whole_folder import refuse_unfit_folder

#: Words that an export with persons holds: comments of a DuckDB file, metadata of Parquet files.
MARK = "omop-scorer export of one run"

#: A file of every export to a folder of Parquet files.
ALWAYS_THERE = "latest_run.parquet"

#: Columns of a summarised_result.
RESULT_COLUMNS = (
    *("result_id", "cdm_name", "group_name", "group_level", "strata_name", "strata_level"),
    *("variable_name", "variable_level", "estimate_name", "estimate_type", "estimate_value"),
    *("additional_name", "additional_level"),
)
#: Package of the settings of our summarised results.
PACKAGE = "omop-scorer"

#: Files of an older export that was killed.
_ABANDONED_SECONDS = 3600

#: The mark in the bytes of a DuckDB file: the comment of its tables.
_MARK_IN_FILE = re.compile(MARK.encode() + rb": \d{16}, as of \d{4}-\d\d-\d\d")

#: Where DuckDB files have their magic bytes.
_MAGIC = slice(8, 12)


def refuse_unfit(export: Export) -> None:
    """Refuse a place that an export cannot take.

    Raises
    ------
    ResultsError
        There is no such folder, or the place holds something else than an earlier export.
    """
    path = export.path
    with _errors_of(path):
        if export.is_folder:
            refuse_unfit_folder(path)
            if path.is_dir() and not _may_replace_folder(path, export.format):
                raise ResultsError(
                    f"{path}: holds files and is no earlier export, and an export replaces nothing "
                    "else; choose another folder"
                )
            return
        if not path.resolve().parent.is_dir():
            raise ResultsError(f"{path.parent}: no such folder; create it or choose another")
        if export.format == "duckdb":
            refuse_changes_of_readers(path)
        if path.exists() and not _may_replace_file(path, export.format):
            raise ResultsError(
                f"{path}: exists and is no earlier export of format {export.format}, and an export "
                "replaces nothing else; choose another file"
            )


def exported_parquet(folder: Path) -> list[str]:
    """Return the names of the files in a folder that an earlier export has written.

    A program that makes a file out of one of ours keeps its metadata, but gives it another name.
    """
    return sorted(path.name for path in folder.glob("*.parquet") if _is_marked(path))


def _may_replace_folder(folder: Path, kind: str) -> bool:
    if not any(folder.iterdir()):
        return True
    if kind == "parquet":
        return ALWAYS_THERE in exported_parquet(folder)
    readme = folder / "README.txt"
    with suppress(OSError, UnicodeDecodeError):
        return readme.read_text(encoding="utf-8").startswith("Figures of run ")
    return False


def _is_marked(path: Path) -> bool:
    try:
        metadata = pq.read_metadata(path).metadata or {}
    except (OSError, pa.ArrowException):
        return False
    table, _, _ = metadata.get(MARK.encode(), b"").decode("utf-8", "replace").partition(",")
    # `latest_x` may be the same file as `x`.
    return bool(table) and table in (path.stem, path.stem.removeprefix("latest_"))


def _may_replace_file(path: Path, kind: str) -> bool:
    if not path.is_file():
        return False
    if not path.stat().st_size:
        return True
    if kind == "summarised_result":
        return _is_result_of_ours(path)
    # Not opened by DuckDB: an analyst may have the file open, and its lock would refuse us.
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        return content[_MAGIC] == b"DUCK" and _MARK_IN_FILE.search(content) is not None


def _is_result_of_ours(path: Path) -> bool:
    """Return whether every result of a summarised_result is one of this program."""
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        try:
            header, *rows = csv.reader(file)
        except (csv.Error, ValueError):
            return False
    ours = {row[0] for row in rows if row[8:11] == ["package_name", "character", PACKAGE]}
    return tuple(header) == RESULT_COLUMNS and {row[0] for row in rows if row} == ours != set()


def refuse_changes_of_readers(path: Path) -> None:
    """Refuse a DuckDB file beside which another program keeps changes, or has left them.

    DuckDB would apply them to whatever file has the name.

    Raises
    ------
    ResultsError
    """
    changes = Path(f"{path.resolve()}.wal")
    if changes.exists():
        raise ResultsError(
            f"{path}: another program has changed the file, and {changes.name} holds what it "
            "changed; close the program, remove that file, and open exports read-only"
        )


@contextmanager
def replaced_file(path: Path, *, is_private: bool) -> Iterator[Path]:
    """Yield the path of a new file in a private folder beside; it replaces `path` at the end.

    A file that exists keeps its mode and group. A new one can be read by this user alone, if
    `is_private`, or else by everybody whom the umask of the process allows.

    Raises
    ------
    ResultsError
        The file cannot be written; `path` is then as before.
    """
    place = path.resolve()
    with _errors_of(path):
        for left in place.parent.glob(f".{place.name}.*.new"):
            with suppress(OSError):
                if time.time() - left.stat().st_mtime > _ABANDONED_SECONDS:
                    shutil.rmtree(left)
        beside = Path(tempfile.mkdtemp(prefix=f".{place.name}.", suffix=".new", dir=place.parent))
    try:
        with _errors_of(path):
            new = beside / place.name
            yield new
            if place.exists():
                keep_rights(place, new)
            elif is_private:
                new.chmod(0o600)
            else:
                usual_rights(new)
            to_disk(new)
            new.replace(place)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def to_disk(path: Path) -> None:
    """Wait until a file is on the disk; one that is full may say so only now."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


@contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ResultsError(
            f"{path}: cannot be written: {error.strerror or 'the disk failed'}; choose another "
            "place"
        ) from None
