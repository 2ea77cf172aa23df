"""Temporary folders: who can enter them, and which of them a later run removes."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from omop_scorer.connections.lock_holder import LockHolder
from omop_scorer.connections.temporary_folder import new_folder, remove_folder


def left(above: Path, name: str, holder: str) -> Path:
    """Make a folder as a run leaves it when it is killed."""
    folder = above / name
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "part.parquet").write_text("rows")
    (folder / "spilled.tmp").write_text("rows")
    (folder / "_holder").write_text(holder, encoding="utf-8")
    return folder


@pytest.fixture
def gone() -> str:
    """Return a holder that has exited."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    here = LockHolder.this_process().text
    return here.replace(f" {os.getpid()} ", f" {process.pid} ")


def test_a_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    folder = new_folder(tmp_path)
    assert folder.parent == tmp_path
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    (folder / "spilled.tmp").write_text("rows")
    (folder / "1").mkdir()
    remove_folder(folder)
    assert list(tmp_path.iterdir()) == []


def test_the_next_folder_removes_those_of_killed_processes(tmp_path: Path, gone: str) -> None:
    """Those that may be in use stay, and so does what is no folder of ours."""
    here = LockHolder.this_process().text
    kept = [
        left(tmp_path, "omop-scorer-alive", here),
        left(tmp_path, "omop-scorer-far", f"elsewhere {gone.partition(' ')[2]}"),
        left(tmp_path, "omop-scorer-unnamed", ""),
        left(tmp_path, "of-something-else", gone),
    ]
    left(tmp_path, "omop-scorer-killed", gone)
    folder = new_folder(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([*kept, folder])
    assert (kept[0] / "spilled.tmp").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_a_folder_of_another_user_stays(tmp_path: Path, gone: str) -> None:
    folder = left(tmp_path, "omop-scorer-killed", gone)
    os.chown(folder, 65534, -1)
    remove_folder(new_folder(tmp_path))
    assert (folder / "spilled.tmp").exists()


def test_a_folder_that_cannot_be_created_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OSError, match="nowhere"):
        new_folder(tmp_path / "nowhere")

    def full(*_: object, **__: object) -> int:
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        new_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []
