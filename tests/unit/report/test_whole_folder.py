"""A folder that holds all files of one set, or none, whatever stood there and whatever fails."""

import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from omop_scorer.errors import ResultsError
from omop_scorer.report.whole_folder import replaced_folder, whole_folder

OURS = frozenset(("a.csv", "b.csv", "c.csv", "README.txt"))
OLD = {"a.csv": "old", "c.csv": "old", "README.txt": "old"}
NEW = {"a.csv": "new", "b.csv": "new", "README.txt": "new"}
#: No file system takes this name.
UNWRITABLE = {**NEW, "x" * 300: "new"}


def write(folder: Path, files: Mapping[str, str]) -> None:
    with whole_folder(folder, files, OURS):
        pass


def found(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def hidden(folder: Path) -> list[Path]:
    return [path for path in folder.parent.iterdir() if path.name.startswith(".")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "figures"


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "figures"
    write(folder, NEW)
    assert found(folder) == NEW
    (tmp_path / "plain").mkdir()
    assert folder.stat().st_mode == (tmp_path / "plain").stat().st_mode
    (tmp_path / "file").touch()
    assert (folder / "a.csv").stat().st_mode == (tmp_path / "file").stat().st_mode
    assert hidden(folder) == []


def test_an_older_set_goes_and_other_files_stay(folder: Path) -> None:
    folder.mkdir(mode=0o750)
    write(folder, OLD)
    (folder / "page.html").write_text("page")
    (folder / ".hidden").symlink_to("nowhere")
    before = (folder / "page.html").stat()
    write(folder, NEW)
    assert (folder / ".hidden").readlink() == Path("nowhere")
    (folder / ".hidden").unlink()
    assert found(folder) == {**NEW, "page.html": "page"}
    assert (folder / "page.html").stat().st_ino == before.st_ino
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750
    assert hidden(folder) == []


def test_through_a_link(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "disk").mkdir()
    folder.symlink_to("disk")
    write(folder, NEW)
    assert folder.is_symlink()
    assert found(tmp_path / "disk") == NEW


@pytest.mark.parametrize("is_there", [True, False])
def test_a_file_that_cannot_be_written_leaves_everything(folder: Path, is_there: bool) -> None:
    if is_there:
        write(folder, OLD)
    with pytest.raises(ResultsError, match="cannot create the folder or a file in it: File name"):
        write(folder, UNWRITABLE)
    assert (found(folder) if folder.exists() else None) == (OLD if is_there else None)
    assert hidden(folder) == []


@pytest.mark.parametrize("error", [ResultsError("the page"), KeyboardInterrupt(), SystemExit(143)])
def test_an_error_meanwhile_leaves_everything(folder: Path, error: BaseException) -> None:
    write(folder, OLD)
    with pytest.raises(type(error)), whole_folder(folder, NEW, OURS):
        raise error
    assert found(folder) == OLD
    assert hidden(folder) == []


def test_a_folder_with_folders_is_not_replaced(folder: Path) -> None:
    (folder / "inner").mkdir(parents=True)
    with pytest.raises(ResultsError, match="holds other folders, such as inner"):
        write(folder, NEW)
    assert list(folder.iterdir()) == [folder / "inner"]


def test_the_current_folder_is_not_replaced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    monkeypatch.chdir(folder)
    with pytest.raises(ResultsError, match=r"is the current folder, .*name a folder in it"):
        write(Path(), NEW)
    assert found(folder) == {}


def test_a_file_is_no_folder(folder: Path) -> None:
    folder.touch()
    with pytest.raises(ResultsError, match="is a file, and a folder is written there"):
        write(folder, NEW)


def test_what_a_killed_program_left_is_put_right(folder: Path) -> None:
    # Killed between the two renames: the old set stands beside, and the new one too.
    write(folder, {**OLD})
    (folder / "notes.txt").write_text("mine")
    folder.rename(folder.with_name(".figures.old"))
    beside = folder.with_name(".figures.abc.new")
    beside.mkdir()
    os.utime(beside, (0, 0))
    with pytest.raises(ResultsError, match="File name"):
        write(folder, UNWRITABLE)
    assert found(folder) == {**OLD, "notes.txt": "mine"}
    assert hidden(folder) == []


def refuse(*_: object) -> None:
    raise OSError(1, "no rename")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it takes two renames")
def test_a_set_takes_the_place_of_another_in_one_step(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, OLD)
    monkeypatch.setattr(Path, "rename", refuse)
    write(folder, NEW)
    assert found(folder) == NEW
    assert hidden(folder) == []


def test_two_renames_do_where_one_step_is_not_to_be_had(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, OLD)
    monkeypatch.setattr("ctypes.CDLL", refuse)
    write(folder, NEW)
    assert found(folder) == NEW
    assert hidden(folder) == []
    rename = Path.rename

    def fail_at_the_second(one: Path, other: Path) -> object:
        return refuse() if one.suffix == ".new" else rename(one, other)

    monkeypatch.setattr(Path, "rename", fail_at_the_second)
    with pytest.raises(ResultsError, match="no rename"):
        write(folder, OLD)
    assert found(folder) == NEW
    assert hidden(folder) == []


def test_a_private_folder_stays_private(folder: Path) -> None:
    for _ in range(2):
        with replaced_folder(folder, OURS, is_private=True) as beside:
            (beside / "a.csv").write_text("person")
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
