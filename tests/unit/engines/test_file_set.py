"""The files of a run: what counts as a change, and how it is named."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from omop_scorer.engines.file_set import FileSet, entries
from omop_scorer.errors import CdmError, ConnectionFailedError


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "release_1").mkdir()
    (tmp_path / "release_1" / "person.csv").write_text("person_id\n1\n", encoding="utf-8")
    (tmp_path / "release_2").mkdir()
    (tmp_path / "release_2" / "person.csv").write_text("person_id\n2\n", encoding="utf-8")
    (tmp_path / "current").symlink_to("release_1")
    return tmp_path


def in_other_text(file: Path) -> None:
    file.write_text("person_id\n1\n2\n", encoding="utf-8")


def at_another_time(file: Path) -> None:
    before = file.stat()
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))


def with_another_file(file: Path) -> None:
    (file.parent / "another.csv").touch()


def without_it(file: Path) -> None:
    file.unlink()


def by_a_link(file: Path) -> None:
    file.parent.unlink()
    file.parent.symlink_to("release_2")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (in_other_text, "current/person.csv was changed during the run"),
        (at_another_time, "current/person.csv was changed during the run"),
        (with_another_file, "current/another.csv appeared during the run"),
        (without_it, "current/person.csv was removed during the run"),
        (by_a_link, "current/person.csv was replaced during the run"),
    ],
)
def test_a_change_is_named(home: Path, change: Callable[[Path], None], said: str) -> None:
    folder = home / "current"
    files = FileSet()
    files.fix("cdm.url current", "person", lambda: sorted(folder.iterdir()))
    files.refuse_changes()
    change(folder / "person.csv")
    with pytest.raises(CdmError, match=f"^cdm.url current: .*{said}.*start again"):
        files.refuse_changes()


def test_the_first_listing_of_a_table_counts(home: Path) -> None:
    files = FileSet()

    def fixed() -> list[str]:
        found = files.fix("cdm.url", "person", lambda: sorted((home / "release_1").iterdir()))
        return [path.name for path in found]

    assert fixed() == ["person.csv"]
    (home / "release_1" / "later.csv").touch()
    assert fixed() == ["person.csv"]


def test_a_table_that_appears_is_a_change(home: Path) -> None:
    files = FileSet()
    files.fix("cdm.url", "death", lambda: sorted(home.glob("death*")))
    files.refuse_changes()
    (home / "death.csv").touch()
    with pytest.raises(CdmError, match=r"death\.csv appeared"):
        files.refuse_changes()


def test_a_folder_that_vanishes_is_a_change(home: Path) -> None:
    files = FileSet()
    folder = home / "release_1"
    files.fix("cdm.url", "person", lambda: entries(folder, "cdm.url x", ConnectionFailedError))
    folder.rename(home / "moved")
    with pytest.raises(CdmError, match=r"No such file.*could be read when the run began"):
        files.refuse_changes()


def test_the_target_of_a_link_is_read(home: Path) -> None:
    (home / "current" / "link.csv").symlink_to(home / "release_2" / "person.csv")
    states = FileSet().fix("cdm.url", "link", lambda: [home / "current" / "link.csv"])
    assert [state.target for state in states.values()] == [home / "release_2" / "person.csv"]


def test_a_file_of_all_tables_may_be_a_link_to_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    there = tmp_path / os.fsdecode(b"caf\xe9")
    there.touch()
    (tmp_path / "cdm.duckdb").symlink_to(there)
    files = FileSet()
    assert len(files.fix("cdm.url", "", lambda: [tmp_path / "cdm.duckdb"])) == 1
    with pytest.raises(CdmError, match=r"cdm.duckdb leads to .*/caf\\xe9, a name that"):
        files.fix("cdm.url", "person", lambda: [tmp_path / "cdm.duckdb"])
    with pytest.raises(CdmError, match=r"the name .*/caf\\xe9 is not UTF-8; rename"):
        files.fix("cdm.vocabulary_url", "", lambda: [there])
