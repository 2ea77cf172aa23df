"""Made-up CDMs and answers that several tests start from; each is made once."""

import shutil
from datetime import date
from pathlib import Path

import pytest
from command_line import AS_OF, Site

from omop_scorer import synthetic

N_SMALL = 150


@pytest.fixture(scope="session")
def made_up(tmp_path_factory: pytest.TempPathFactory):
    """Return a function that makes up a CDM of Crohn's patients; equal calls share one."""
    made: dict[tuple[object, ...], Path] = {}

    def make(persons: int = N_SMALL, as_of: date = AS_OF, suffix: str = ".duckdb") -> Path:
        key = (persons, as_of, suffix)
        if key not in made:
            made[key] = tmp_path_factory.mktemp("cdm") / f"cdm{suffix}"
            synthetic.write(made[key], persons, 11, as_of=as_of, crohns_share=1, cdm_version="5.3")
        return made[key]

    return make


@pytest.fixture(scope="session")
def answered(tmp_path_factory: pytest.TempPathFactory, made_up) -> Path:
    """Return a results file with one COMPLETE run on the small CDM."""
    folder = tmp_path_factory.mktemp("answered")
    site = Site(folder, made_up(), folder / "results.duckdb")
    finished = site.run()
    assert finished.returncode == 0, finished.stderr
    return site.results


@pytest.fixture
def site(tmp_path: Path, made_up, answered: Path) -> Site:
    """Return a site with a CDM of its own and yesterday's answer."""
    cdm, results = tmp_path / "cdm.duckdb", tmp_path / "results.duckdb"
    shutil.copy(made_up(), cdm)
    shutil.copy(answered, results)
    return Site(tmp_path, cdm, results)
