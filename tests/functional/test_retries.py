"""A fault that may pass is waited for, and the night begins again; any other ends it at once."""

import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from omop_scorer.config.connections import PostgreSQL
from omop_scorer.config.definitions import load_definitions
from omop_scorer.errors import ResultsError
from omop_scorer.journal import JsonJournal
from omop_scorer.nightly.run import run_night
from omop_scorer.stores.postgres.store import PostgresStore
from tests.support import postgresql
from tests.support.server_site import ServerSite

on_the_server = pytest.mark.parametrize("site", ["postgresql"], indirect=True)
QUICK = {"postgresql": {"retry_wait_seconds": 0.05, "retries": 3}}


def end_sessions(site: ServerSite) -> int:
    """End the sessions of a site's commands, as an administrator or a restart would."""
    query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"
    return len(postgresql.session().execute(query, (site.results,)).fetchall())


def messages(log: str) -> list[str]:
    lines = [json.loads(line) for line in log.splitlines()]
    return [line["message"] for line in lines if "message" in line]


@on_the_server
@pytest.mark.parametrize("step", ["results schema", "quality", "score", "index_score"])
def test_a_lost_connection_costs_a_try_and_not_the_night(site: ServerSite, step: str) -> None:
    ((yesterday,),) = site.rows("SELECT run_id FROM latest_run")
    run = site.start("--log-format", "json", **QUICK)
    said = ""
    for line in run.stderr:
        said += line
        if json.loads(line).get("step") == step:
            os.kill(run.pid, signal.SIGSTOP)
            n_ended = end_sessions(site)
            os.kill(run.pid, signal.SIGCONT)
            break
    finished = run.finish()
    said += finished.stderr
    assert finished.returncode == 0, said
    # The CDM is read once and then let go of.
    assert n_ended == (2 if step == "results schema" else 1)
    assert any(message.startswith("attempt 1 of 4 failed at step ") for message in messages(said))
    ((today, kept),) = site.rows("SELECT run_id, message FROM latest_run")
    assert today > yesterday
    # What is kept goes into the report, where the site's places have no business.
    assert re.search(r"(^|; )attempt 1 failed at step .*, and the run started again", kept)
    assert "postgresql:" not in kept
    assert site.tables(today).keys() == site.tables(yesterday).keys()
    for table, rows in site.tables(yesterday).items():
        assert site.tables(today)[table].equals(rows), table
    states = site.states()
    assert {states.pop(run_id) for run_id in (yesterday, today)} == {"COMPLETE"}
    assert set(states.values()) <= {"FAILED"}
    assert len(states) == (step != "results schema")
    assert site.runs_with_rows() == {yesterday, today}


@on_the_server
def test_a_server_that_never_answers_is_tried_so_often_and_no_more(site: ServerSite) -> None:
    nowhere = {"url": "postgresql://somebody@localhost:1/nowhere"}
    keys = {"postgresql": {"retry_wait_seconds": 0.05, "retries": 2}}
    finished = site.run("--log-format", "json", results=nowhere, **keys)
    assert finished.returncode == 11
    starts = [message.partition(" failed")[0] for message in messages(finished.stderr)]
    assert starts[:2] == ["attempt 1 of 3", "attempt 2 of 3"]
    assert len(starts) == 3


@on_the_server
def test_a_fault_that_needs_a_person_is_not_tried_again(site: ServerSite) -> None:
    head, _, rest = site.results_url.partition("://")
    stranger = f"{head}://nobody_of_that_name@{rest.partition('@')[2]}"
    finished = site.run("--log-format", "json", results={"url": stranger}, **QUICK)
    assert finished.returncode == 11
    assert not any("attempt 1" in message for message in messages(finished.stderr))


@on_the_server
def test_a_request_to_stop_ends_the_waiting(site: ServerSite) -> None:
    nowhere = {"url": "postgresql://somebody@localhost:1/nowhere"}
    keys = {"postgresql": {"retry_wait_seconds": 60, "retries": 1}}
    run = site.start("--log-format", "json", results=nowhere, **keys)
    assert "starts again in 60 s" in run.stderr.readline()
    os.kill(run.pid, signal.SIGTERM)
    assert run.finish().returncode == 143


@on_the_server
def test_an_answer_that_was_committed_unheard_is_not_given_twice(
    site: ServerSite, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The connection is lost after the server has committed, and before it could say so."""
    committed = PostgresStore.transaction
    n_published = 0

    @contextmanager
    def commit_and_lose(self: PostgresStore) -> Iterator[None]:
        nonlocal n_published
        with committed(self):
            yield
        if journal.current == "publish":
            n_published += 1
            error = ResultsError("lost")
            error.is_transient = True
            raise error

    monkeypatch.setattr(PostgresStore, "transaction", commit_and_lose)
    journal = JsonJournal(sys.stderr)
    before = site.states()
    quick = PostgreSQL(retry_wait_seconds=0.01, application_name=site.results)
    settings = site.config().model_copy(update={"postgresql": quick})
    summary = run_night(load_definitions(settings), journal)
    new = site.states().keys() - before.keys()
    assert new == {summary.run_id}
    assert site.states()[summary.run_id] == "COMPLETE"
    assert n_published == 1
    assert "attempt 1 of 4" in capsys.readouterr().err
