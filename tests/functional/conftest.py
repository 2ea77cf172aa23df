"""Made-up CDMs and answers that several tests start from; each is made once."""

import os
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from omop_scorer.synthetic import write as synthetic
from tests.support import postgresql
from tests.support.command_line import AS_OF, Site
from tests.support.server_site import ServerSite, load

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


@pytest.fixture(scope="session")
def loaded(made_up) -> str:
    """Load the small CDM into a schema of the test server, once; return its name."""
    schema = postgresql.new_schema("loaded")
    load(made_up(), postgresql.database(), schema)
    return schema


@pytest.fixture(scope="session")
def server_answered(tmp_path_factory: pytest.TempPathFactory, loaded: str) -> ServerSite:
    """Return a site on the server with one COMPLETE run on the small CDM."""
    schema = postgresql.new_schema("answered")
    site = ServerSite(tmp_path_factory.mktemp("answered"), loaded, schema)
    finished = site.run()
    assert finished.returncode == 0, finished.stderr
    return site


@pytest.fixture
def site(request: pytest.FixtureRequest, tmp_path: Path, made_up) -> Site:
    """Return a site with a CDM of its own and yesterday's answer.

    It is one of DuckDB unless the test is marked `in_files_and_on_a_server`.
    """
    if getattr(request, "param", "duckdb") == "postgresql":
        answered = request.getfixturevalue("server_answered")
        of_server = ServerSite(tmp_path, answered.cdm, postgresql.new_schema("results"))
        return of_server.with_answer_of(answered)
    cdm, results = tmp_path / "cdm.duckdb", tmp_path / "results.duckdb"
    shutil.copy(made_up(), cdm)
    shutil.copy(request.getfixturevalue("answered"), results)
    return Site(tmp_path, cdm, results)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a Chromium that asks the network for nothing of its own."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        reason = "chromium is not installed: nobody has looked at the pages"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=program,
            args=[
                *("--no-sandbox", "--disable-gpu", "--no-first-run"),
                *("--disable-background-networking", "--disable-component-update"),
                "--disable-sync",
            ],
        )
        yield chromium
        chromium.close()
