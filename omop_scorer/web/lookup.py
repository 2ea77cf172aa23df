"""Readings of the results for the app: each opens the results read-only, and closes them soon.

The results are opened anew each time, so the app shows a new run as soon as it is COMPLETE, and
holds no DuckDB file open that a run waits for.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from omop_scorer.config.run_file import RunConfig
from omop_scorer.model.load import Model
from omop_scorer.results.health import look
from omop_scorer.results.history import Run, list_runs, run_of
from omop_scorer.results.patient_record import (
    Filters,
    PatientRecord,
    WorkList,
    read_record,
    read_work_list,
)
from omop_scorer.results.row_counts import refuse_changed_rows
from omop_scorer.results.schema import refuse_older
from omop_scorer.stores import open_results
from omop_scorer.stores.base import ResultsReader
from omop_scorer.web.model_of_run import model_of_run

#: Readings at the same time; others wait, so that many clients take no more memory than few.
_AT_ONCE = 4

_HEALTH_SECONDS = 10


class Lookup:
    """The results that a run file names."""

    def __init__(self, config: RunConfig, maximum_age: timedelta) -> None:
        self._config = config
        self._maximum_age = maximum_age
        self._turns = threading.BoundedSemaphore(_AT_ONCE)
        self._model_lock = threading.Lock()
        self._model: tuple[str, Model | None] | None = None
        self._report_lock = threading.Lock()
        self._report: tuple[int, str] | None = None
        self._health_lock = threading.Lock()
        self._health: tuple[datetime, dict[str, Any]] | None = None

    @contextmanager
    def _opened(self) -> Iterator[tuple[ResultsReader, list[Run]]]:
        with self._turns, open_results(self._config.connections) as reader:
            refuse_older(reader)
            yield reader, list_runs(reader)

    def record(self, person_id: int) -> tuple[Run, PatientRecord | None]:
        """Return the latest run, and the patient in it; None if it did not score the person.

        Raises
        ------
        OmopScorerError
            The results cannot be read, or have no COMPLETE run; so for the other methods.
        """
        with self._opened() as (reader, runs):
            run = run_of(runs, "latest")
            return run, read_record(reader, run, person_id)

    def work_list(self, filters_of: Callable[[Run], Filters], n_skipped: int) -> WorkList:
        """Return one page of the patients of the latest run."""
        with self._opened() as (reader, runs):
            run = run_of(runs, "latest")
            return read_work_list(reader, run, filters_of(run), n_skipped)

    def model(self, run: Run) -> Model | None:
        """Return the model of a run; None if its card is not at hand."""
        with self._model_lock:
            if self._model is None or self._model[0] != run.model_sha256:
                self._model = (run.model_sha256, model_of_run(run, self._config.model))
            return self._model[1]

    def report(self) -> str:
        """Return the report of the latest run, with small counts hidden; made once per run."""
        from omop_scorer.disclosure.protect import protect_run  # noqa: PLC0415
        from omop_scorer.disclosure.true_run import read_run  # noqa: PLC0415
        from omop_scorer.report.page import render  # noqa: PLC0415

        with self._report_lock:
            with self._opened() as (reader, runs):
                run = run_of(runs, "latest")
                if self._report is not None and self._report[0] == run.run_id:
                    return self._report[1]
                refuse_changed_rows(reader, run, runs)
                data = read_run(reader, run, runs)
            page = render(protect_run(data, self._config.minimum_cell_count))
            self._report = (run.run_id, page)
            return page

    def health(self) -> dict[str, Any]:
        """Return whether the nightly runs succeed, as `status` does; read at most every 10 s."""
        now = datetime.now(UTC).replace(tzinfo=None)
        with self._health_lock:
            if self._health is None or now - self._health[0] > timedelta(seconds=_HEALTH_SECONDS):
                with self._turns, open_results(self._config.connections) as reader:
                    found = look(reader, now, self._maximum_age)
                seen = found.answer
                self._health = (
                    now,
                    {
                        "is_healthy": found.is_healthy,
                        "as_of_date": str(seen.as_of_date) if seen else None,
                        "completed_at": seen and f"{seen.recorded_at:%Y-%m-%dT%H:%M:%SZ}",
                    },
                )
            return self._health[1]
