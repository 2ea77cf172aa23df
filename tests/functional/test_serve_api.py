"""The answers in JSON against their description, and the server under many clients."""

import json
import math
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import psutil
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from omop_scorer.model.load import load_model
from omop_scorer.scoring.patient import score_patient
from tests.support import postgresql
from tests.support.command_line import AS_OF, Site
from tests.support.forked import Forked
from tests.support.served import Served, served
from tests.support.server_site import ServerSite

_JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def site_of_module(tmp_path_factory: pytest.TempPathFactory, answered: Path, made_up) -> Site:
    folder = tmp_path_factory.mktemp("api")
    shutil.copy(answered, folder / "results.duckdb")
    return Site(folder, made_up(), folder / "results.duckdb")


@pytest.fixture(scope="module")
def server(site_of_module: Site) -> Iterator[Served]:
    with served(site_of_module) as found:
        yield found


def test_the_answers_are_as_described(server: Served) -> None:
    checks = [not_a_server_error, status_code_conformance, content_type_conformance]
    description = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    operations = [each.ok() for each in description.get_all_operations()]
    assert len(operations) == 2
    for operation in operations:

        @settings(
            max_examples=40,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def holds(case: schemathesis.Case) -> None:
            case.call_and_validate(checks=[*checks, response_schema_conformance])

        holds()


def test_a_patient_of_the_run_has_the_stored_numbers(site_of_module: Site, server: Served) -> None:
    names = ("anti_tnf_effect", "anti_integrin_standard_error", "anti_il12_23_response_probability")
    rows = site_of_module.rows(
        f"SELECT person_id, subgroup, n_imputed, within_trial_range, {', '.join(names)} "
        "FROM latest_score ORDER BY person_id LIMIT 20"
    )
    for person, label, n_imputed, within, *numbers in rows:
        found = server.ask(f"/api/patients/{person}").json
        assert found["person_id"] == person
        assert (found["subgroup"], found["n_imputed"]) == (label, n_imputed)
        assert found["within_trial_range"] == within
        assert [found[name] for name in names] == numbers
        assert found["as_of_date"] == str(AS_OF)
        stored = site_of_module.rows(
            "SELECT covariate, covariate_value, status, source_id FROM latest_patient_covariate "
            f"WHERE person_id = {person}"
        )
        given = [
            (e["covariate"], e["covariate_value"], e["status"], e["source_id"])
            for e in found["covariates"]
        ]
        assert sorted(given) == sorted(stored)


def test_a_score_has_the_numbers_and_names_of_the_command(server: Served) -> None:
    model = load_model("crohns_srs_2025")
    patients: list[dict[str, Any]] = [
        {"age": 40, "sex": "male"},
        {"age": 71.5, "sex": "F", "crp": 0.5, "cdai": 301, "steroid": True, "ileal": "no"},
        {
            "age": 33,
            "sex": "female",
            "bmi": None,
            "prior_anti_tnf": "yes",
            "immunomodulator": False,
        },
    ]
    for patient in patients:
        for more in ({}, {"uncertainty": "analytic"}, {"exclude": ["anti_tnf"]}):
            found = server.ask("/api/score", "POST", _JSON, json.dumps({**patient, **more})).json
            words = {k: str(v).lower() if isinstance(v, bool) else v for k, v in patient.items()}
            expected = score_patient(
                words,
                model,
                more.get("uncertainty", "bootstrap"),
                frozenset(more.get("exclude", ())),
            )
            for each in expected.classes:
                effect, error = found[f"{each.key}_effect"], found[f"{each.key}_standard_error"]
                assert math.isclose(effect, each.attributable_effect, rel_tol=1e-12)
                assert math.isclose(error, each.standard_error, rel_tol=1e-12)
            assert found["subgroup"] == expected.subgroup
            assert found["n_imputed"] == len(expected.imputed)
            assert found["model_sha256"] == model.sha256
    assert not any("score" in line["page"] for line in server.log())


@dataclass(frozen=True)
class Beside:
    """A night that works beside a server, on results that exist."""

    start: Callable[[], Forked]
    served: Site
    """The results as the server reads them, in a folder of its own."""


@pytest.fixture
def beside(request: pytest.FixtureRequest, answered: Path, made_up: Any, tmp_path: Path) -> Beside:
    """Return a night that writes one kind of results, or an export of them."""
    night, pages = tmp_path / "night", tmp_path / "pages"
    night.mkdir()
    pages.mkdir()
    if request.param == "postgresql":
        shared = request.getfixturevalue("server_answered")
        schema = postgresql.new_schema("beside")
        site = ServerSite(night, shared.cdm, schema).with_answer_of(shared)
        return Beside(site.start, ServerSite(pages, site.cdm, schema))
    cdm = made_up()
    if request.param == "folder":
        (tmp_path / "results").mkdir()
        site = Site(night, cdm, tmp_path / "results")
        assert site.run().returncode == 0
        return Beside(site.start, Site(pages, cdm, site.results))
    shutil.copy(answered, night / "results.duckdb")
    site, copy = Site(night, cdm, night / "results.duckdb"), tmp_path / "answer.duckdb"
    done = site.run("--to", copy, "--format", "duckdb", command="export")
    assert done.returncode == 0, done.stderr
    export = [{"to": str(copy), "format": "duckdb"}]
    return Beside(
        lambda: site.start(export=export), Site(pages, cdm, copy, {"results": {"schema": "main"}})
    )


@pytest.mark.parametrize("beside", ["postgresql", "export", "folder"], indirect=True)
def test_twenty_clients_are_served_while_a_night_runs(beside: Beside) -> None:
    """The pages stay whole, the log complete and the memory the same; the night ends COMPLETE."""
    with served(beside.served) as server:
        server.ask("/")
        listed = server.log()[-1]
        persons = listed["person_ids"][:20]
        process = psutil.Process(server.process.pid)
        for person in persons:
            assert server.ask(f"/patients/{person}").status == 200
        before = process.memory_info().rss
        shown: list[tuple[int, str]] = []
        lock = threading.Lock()
        night = beside.start()
        end = time.monotonic() + 10

        def client(person: int) -> None:
            while time.monotonic() < end or night.is_at_work:
                page = server.ask(f"/patients/{person}")
                lists = server.ask("/?known=1")
                with lock:
                    shown.extend([(page.status, page.body[-8:]), (lists.status, lists.body[-8:])])

        with ThreadPoolExecutor(20) as pool:
            list(pool.map(client, persons))
        done = night.finish()
        assert done.returncode == 0, done.stderr
        assert len(shown) >= 40
        assert {status for status, _ in shown} == {200}
        assert {tail.strip() for _, tail in shown} == {"</html>"}
        looks = [line for line in server.log() if line["page"] == "patient"]
        assert len(looks) == len(persons) + len(shown) // 2
        assert process.memory_info().rss < before + 100_000_000
        server.ask(f"/patients/{persons[0]}")
        assert server.log()[-1]["run_id"] > listed["run_id"]


def test_results_that_a_run_is_writing_are_asked_for_again_later(site: Site) -> None:
    ((person,),) = site.rows("SELECT MIN(person_id) FROM latest_score")
    with served(site) as server:
        with duckdb.connect(str(site.results)):
            reply = server.ask(f"/patients/{person}")
            assert reply.status == 503
            assert reply.headers["retry-after"] == "60"
            assert str(site.results) not in reply.body
            assert server.ask("/health").status == 503
        assert server.ask(f"/patients/{person}").status == 200


def test_health_is_that_of_the_runs(site: Site) -> None:
    with served(site) as server:
        found = server.ask("/health")
        assert found.status == 200
        assert found.json["is_healthy"] is True
        assert found.json["as_of_date"] == str(AS_OF)
    site.write("DELETE FROM patient_subgroup")
    with served(site) as server:
        found = server.ask("/health")
        assert (found.status, found.json["is_healthy"]) == (503, False)


def test_the_report_is_that_of_the_command(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    assert site.run("--output", path, command="report").returncode == 0
    with served(site) as server:
        assert server.ask("/report").body == path.read_text()


def test_a_copy_is_served_with_the_run_file_that_writes_it(site: Site, tmp_path: Path) -> None:
    copy = tmp_path / "copy.duckdb"
    export = [{"to": str(copy), "format": "duckdb"}]
    assert site.run(command="export", export=export).returncode == 0
    for read, is_warned in ((site.results, True), (copy, False)):
        with served(site, "--set", f"results.url={read}", export=export) as server:
            assert server.ask("/").status == 200
            _, said = server.stop()
        assert ("serve a copy" in said) == is_warned
    for command in (["status", "--max-age-hours", 876_000], ["runs"]):
        words = (*command[1:], "--set", f"results.url={copy}")
        shown = site.run(*words, command=command[0], export=export)
        assert shown.returncode == 0, shown.stderr


def test_results_that_cannot_be_shown_are_a_warning_at_the_start(site: Site) -> None:
    folder = site.folder / "answer"
    assert site.run("--to", folder, "--format", "parquet", command="export").returncode == 0
    for read, reason in ((folder, "is an export"), (site.folder / "none.duckdb", "no such file")):
        with served(site, "--set", f"results.url={read}") as server:
            assert server.ask("/").status == 503
            _, said = server.stop()
        assert f"warning: no page can be shown yet: results.url {read}: {reason}" in said


# The work list ------------------------------------------------------------------------------------


def listed(server: Served, query: str) -> list[int]:
    """Return the patients of every page of a work list."""
    found: list[int] = []
    start = len(server.log())
    page = 1
    while True:
        body = server.ask(f"/?{query}&page={page}").body
        found += server.log()[-1]["person_ids"]
        page += 1
        if f"page={page}" not in body.replace("&amp;", "&"):
            assert len(server.log()) - start == page - 1
            return found


@pytest.mark.parametrize(
    "query",
    [
        "",
        "group=anti_tnf_alone",
        "group=no_preference",
        "known=1",
        "within=1",
        "changed=1",
        "treated_otherwise=1",
        "treated_otherwise=1&known=1",
        "group=shared_top&within=1",
        "group=none",
    ],
)
def test_a_work_list_has_the_patients_of_its_filters(two_runs: Served, query: str) -> None:
    assert listed(two_runs, query) == expected_list(two_runs, query)


def test_an_empty_work_list_says_why(server: Served) -> None:
    for query, said in (
        ("changed=1", "These results hold no earlier labels, so no change is known."),
        ("page=7777", "The list ends before page 7777"),
        ("group=no_preference&within=1&page=8888", "The list ends before page 8888"),
    ):
        body = server.ask(f"/?{query}").body
        assert said in body
        assert "No patient of this run matches" not in body


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory, answered: Path, made_up) -> Iterator[Served]:
    """Serve two runs, the earlier of which gave every third patient another label."""
    folder = tmp_path_factory.mktemp("lists")
    shutil.copy(answered, folder / "results.duckdb")
    site = Site(folder, made_up(), folder / "results.duckdb")
    copies = [
        f"INSERT INTO {table} SELECT * REPLACE (1 AS run_id) FROM {table}"
        for table in ("scoring_run_status", "patient_subgroup", "patient_covariate")
    ]
    site.write(
        *copies,
        "INSERT INTO scoring_run SELECT * REPLACE (1 AS run_id, as_of_date - 30 AS as_of_date) "
        "FROM scoring_run",
        "UPDATE patient_subgroup SET subgroup = 'INT > TNF > IL' WHERE run_id = 1 "
        "AND person_id % 3 = 0 AND subgroup <> 'INT > TNF > IL'",
        # A patient whom the earlier run did not score has no other label.
        "DELETE FROM patient_subgroup WHERE run_id = 1 AND person_id % 7 = 0",
        # Drugs in use that tie, end, or are of the class on top.
        "UPDATE treatment_line SET is_current = (person_id % 2 = 0)",
    )
    with served(site) as server:
        server.site = site  # type: ignore[attr-defined]
        yield server


def expected_list(server: Any, query: str) -> list[int]:
    """Work out a list from the tables, person by person."""
    site = server.site
    run = site.rows("SELECT run_id FROM latest_run")[0][0]
    columns = "person_id, preference_group, first_class, subgroup, n_imputed, within_trial_range"
    now = site.rows(f"SELECT {columns} FROM patient_subgroup WHERE run_id = {run}")
    before = dict(site.rows("SELECT person_id, subgroup FROM patient_subgroup WHERE run_id = 1"))
    drugs: dict[int, tuple[Any, str]] = {}
    for person, number, drug_class, start in site.rows(
        "SELECT person_id, line_number, drug_class, last_start_date FROM treatment_line "
        f"WHERE run_id = {run} AND is_current"
    ):
        drugs[person] = max(
            drugs.get(person, ((start, number), drug_class)), ((start, number), drug_class)
        )
    wanted = dict(part.split("=") for part in query.split("&") if part)
    found = []
    for person, group, first, label, n_imputed, within in now:
        used = drugs.get(person)
        if wanted.get("group") in (group, None, "none") and (
            ("known" not in wanted or n_imputed == 0)
            and ("within" not in wanted or within is True)
            and ("changed" not in wanted or (person in before and before[person] != label))
            and (
                "treated_otherwise" not in wanted
                or (group == f"{first}_alone" and used is not None and used[1] != first)
            )
        ):
            found.append(person)
    return sorted(found)
