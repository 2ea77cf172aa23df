"""The files that a site starts from are valid, and give the answer of the shipped ones."""

from pathlib import Path

import pytest

from omop_scorer.config.definitions import load_definitions
from omop_scorer.config.run_file import load, shipped_run_file
from omop_scorer.config.starting_files import write_starting_files
from omop_scorer.errors import ConfigurationError


@pytest.mark.parametrize("name", ["site", "a site", "sité: #1", "it's"])
def test_they_mean_what_the_shipped_files_mean(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name / "below"
    written = write_starting_files(folder, "nightly.yaml", overwrite=False)
    assert written[0] == folder / "nightly.yaml"
    assert all(path.is_file() for path in written)
    own = load_definitions(load(folder / "nightly.yaml"))
    shipped = load_definitions(load(shipped_run_file()))
    assert own.concept_sets_sha256 == shipped.concept_sets_sha256
    assert own.config.cdm.url == str(folder / "cdm.duckdb")
    assert own.config.concept_sets == str(folder / "concept_sets")
    places = dict.fromkeys(("cdm", "results", "concept_sets", "units", "treatment_lines"))
    assert own.config.model_copy(update=places) == shipped.config.model_copy(update=places)


def test_nothing_is_overwritten_without_a_word(tmp_path: Path) -> None:
    (tmp_path / "units.yaml").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"units\.yaml: exists already") as caught:
        write_starting_files(tmp_path, "nightly.yaml", overwrite=False)
    assert "--overwrite" in caught.value.problems[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["units.yaml"]
    write_starting_files(tmp_path, "nightly.yaml", overwrite=True)
    assert load_definitions(load(tmp_path / "nightly.yaml"))


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        write_starting_files(tmp_path / "file" / "x", "nightly.yaml", overwrite=False)
