"""CDM and results that lie in each other, directly or through links."""

from pathlib import Path

import pytest

from omop_scorer.config.run_file import RunConfig


def refused(cdm: Path | str, results: Path | str) -> bool:
    """Tell whether a run file with these locations is refused, and for this reason."""
    try:
        RunConfig.model_validate({"cdm": {"url": str(cdm)}, "results": {"url": str(results)}})
    except ValueError as error:
        return "a run never writes" in str(error)
    return False


@pytest.fixture
def cdm(tmp_path: Path) -> Path:
    """A folder of tables, one of which is a link to a folder elsewhere."""
    (tmp_path / "lake" / "measurement").mkdir(parents=True)
    folder = tmp_path / "cdm"
    folder.mkdir()
    (folder / "measurement").symlink_to(tmp_path / "lake" / "measurement")
    (tmp_path / "link").symlink_to(folder)
    return folder


@pytest.mark.parametrize(
    "results",
    [
        *("cdm/r.duckdb", "cdm/r/", "cdm/new/deep/", "link/r.duckdb", "link/r/", "link/../cdm/r/"),
        *("lake/measurement/r/", "lake/measurement/r.duckdb", "./", "link/", "cdm/"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "delta:"])
def test_results_in_the_cdm_or_around_it_are_refused(cdm: Path, results: str, prefix: str) -> None:
    assert refused(f"{prefix}{cdm}", f"{cdm.parent}/{results}")


@pytest.mark.parametrize("results", ["r.duckdb", "r/", "cdm2/", "lake/r/", "lake/r.duckdb"])
def test_results_beside_the_cdm_are_allowed(cdm: Path, results: str) -> None:
    assert not refused(cdm, f"{cdm.parent}/{results}")


def test_a_cdm_file_in_a_folder_of_results_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out" / "omop_scorer").mkdir(parents=True)
    file = tmp_path / "out" / "omop_scorer" / "cdm.duckdb"
    file.touch()
    assert refused(file, f"{tmp_path}/out/")
    assert not refused(file, tmp_path / "out" / "r.duckdb")


def test_a_schema_folder_that_is_a_link_into_the_cdm_is_refused(cdm: Path) -> None:
    out = cdm.parent / "out"
    out.mkdir()
    assert not refused(cdm, f"{out}/")
    (out / "omop_scorer").symlink_to(cdm)
    assert refused(cdm, f"{out}/")


def test_a_vocabulary_counts_too(tmp_path: Path) -> None:
    (tmp_path / "vocabulary").mkdir()
    keys = {"url": "elsewhere.duckdb", "vocabulary_url": str(tmp_path / "vocabulary")}
    with pytest.raises(ValueError, match="a run never writes"):
        RunConfig.model_validate(
            {"cdm": keys, "results": {"url": str(tmp_path / "vocabulary" / "r.duckdb")}}
        )
