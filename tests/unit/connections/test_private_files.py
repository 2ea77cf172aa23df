"""New files that hold persons can be read by this user alone; the site decides on older ones."""

import os
from pathlib import Path

import pytest

from omop_scorer.connections.private_files import private_files


@pytest.fixture(autouse=True)
def usual_umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.parametrize(
    ("mode", "expected"), [(None, 0o600), (0o600, 0o600), (0o700, 0o600), (0o750, 0o644)]
)
def test_what_exists_decides(tmp_path: Path, mode: int | None, expected: int) -> None:
    folder = tmp_path / "results"
    if mode is not None:
        folder.mkdir()
        folder.chmod(mode)
    with private_files(folder):
        folder.mkdir(exist_ok=True)
        (folder / "inside").touch()
        after = tmp_path / "beside"
        after.touch()
    assert folder.stat().st_mode & 0o777 == (mode or 0o700)
    assert {p.stat().st_mode & 0o777 for p in (folder / "inside", after)} == {expected}


def test_the_umask_is_restored_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError), private_files(tmp_path / "new"):
        raise KeyError
    assert os.umask(0o022) == 0o022
