"""The nightly run, in order. Start here to see how the parts of the package work together."""

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import date
from functools import partial

import pyarrow as pa

from omop_scorer import data_model, sql
from omop_scorer.config.definitions import Definitions
from omop_scorer.engines import open_engine
from omop_scorer.errors import CdmError
from omop_scorer.journal import Journal
from omop_scorer.nightly.as_of import old_cdm_warnings, planned_as_of, with_last_day
from omop_scorer.nightly.dry_run import CountingWriter, DryRunEngine
from omop_scorer.nightly.reconciliation import reconcile
from omop_scorer.nightly.retries import CONNECT, retrying
from omop_scorer.results import row_counts, runs
from omop_scorer.results.answer import Answer, answer_of
from omop_scorer.results.schema import migrate
from omop_scorer.scoring.batch import score_and_count
from omop_scorer.scoring.preference import no_patient_score
from omop_scorer.scoring.tally import Tally
from omop_scorer.staging.audits import Audits, arrow_tables, fetch_audits, stage_audits
from omop_scorer.staging.cdm_views import MappedCdm, UnreadableValues, count_unreadable, map_cdm
from omop_scorer.staging.cohort import AttritionStep, stage_cohort
from omop_scorer.staging.cohort_definitions import cohort_definitions
from omop_scorer.staging.concept_drift import drift_warnings
from omop_scorer.staging.concept_mapping import fetch_mapped_records, mapping_messages
from omop_scorer.staging.concept_sets import stage_concept_sets
from omop_scorer.staging.covariates import stage_covariates
from omop_scorer.staging.doubts import doubts
from omop_scorer.staging.matrix import matrix_query
from omop_scorer.staging.night import Night
from omop_scorer.staging.quality import Quality, cohort_warnings, fetch_quality
from omop_scorer.stores import open_store
from omop_scorer.stores.base import Store, Writer
from omop_scorer.terms import INPUT, UNCASTABLE_PREFIX

#: Run id in the rows that a dry run counts but does not write.
_NO_RUN = 0
#: Work tables that are copied to the results unchanged.
_STAGED_RESULTS = (
    *("attrition", "patient_covariate", "covariate_input", "treatment_line", "index_treatment"),
    *("concept_set_member", "run_cohort"),
)


@dataclass(frozen=True)
class RunSummary:
    """The counts of a finished run."""

    run_id: int | None
    """None after a dry run."""
    as_of: date
    uncertainty: str
    snapshot: str | None
    """State of the CDM that was read; None where files are read in place."""
    attrition: tuple[AttritionStep, ...]
    quality: Quality
    subgroups: dict[str, int]
    n_worst_class_ruled_out: int
    trial_range: dict[str, int]
    warnings: tuple[str, ...]
    answer: Answer | None = None
    """The run that readers see, if it is another one."""

    @property
    def n_cohort(self) -> int:
        """Persons of the cohort."""
        return self.attrition[0].n_persons

    @property
    def n_scored(self) -> int:
        """Persons scored."""
        return self.attrition[-1].n_persons


def n_steps(definitions: Definitions) -> int:
    """Return the number of steps of a run, for a progress bar."""
    is_limited = definitions.config.keep_person_level_runs is not None
    return 43 + is_limited + 3 * len(definitions.model.card.covariates)


def run_night(
    definitions: Definitions,
    journal: Journal,
    *,
    allow_future: bool = False,
    on_complete: Callable[[], None] | None = None,
) -> RunSummary:
    """Score every patient of a CDM and publish the results.

    Readers of the results see the whole run once it is COMPLETE, and nothing of it before. After a
    transient fault, such as a lost connection, the run starts again as often as the run file says.

    Parameters
    ----------
    definitions
        What a run reads from files.
    journal
        Receives steps and warnings.
    allow_future
        True to allow an as-of date after today.
    on_complete
        Called as soon as the run is COMPLETE.

    Raises
    ------
    OmopScorerError
        One class per cause. The run is then recorded as FAILED wherever that is possible.
    """
    as_of = planned_as_of(definitions.config, allow_future=allow_future)
    attempts = _Attempts(definitions, as_of, journal, on_complete or (lambda: None))
    return retrying(definitions.config.postgresql, journal)(attempts.run)


def dry_run(
    definitions: Definitions,
    journal: Journal,
    say: Callable[[str], None],
    *,
    allow_future: bool = False,
) -> RunSummary:
    """Do the same work as `run_night`, but neither open nor write the results.

    Parameters
    ----------
    definitions, journal, allow_future
        As for `run_night`.
    say
        Receives each query, its plan and its number of rows, as SQL with comments, and at the end
        the number of rows that a run would write to each table.

    Raises
    ------
    OmopScorerError
        As for `run_night`.
    """
    as_of = planned_as_of(definitions.config, allow_future=allow_future)
    with journal.step(CONNECT):
        engine = DryRunEngine(open_engine(definitions.config.connections), say)
    writer = CountingWriter()
    with closing(engine):
        night, cdm = _open_cdm(Night(engine, definitions, as_of, journal))
        summary = _score_and_publish(night, writer, _NO_RUN, _stage(night, cdm))
    say("-- rows that a run would write")
    for table in data_model.run_tables():
        say(f"-- {table}: {writer.rows_to_write[table]:,}")
    return replace(summary, run_id=None)


@dataclass
class _Attempts:
    """The attempts at one night: one, or several after transient faults."""

    definitions: Definitions
    as_of: date
    journal: Journal
    on_complete: Callable[[], None]
    summary: RunSummary | None = None
    """Summary of an attempt that failed during its commit: the commit may have succeeded."""

    def run(self) -> RunSummary:
        connections = self.definitions.config.connections
        with ExitStack() as stack:
            with self.journal.step(CONNECT):
                engine = stack.enter_context(closing(open_engine(connections)))
                store = stack.enter_context(closing(open_store(connections, self.journal.notice)))
            with self.journal.step("results schema"):
                migrate(store)
                if self._is_published(store):
                    assert self.summary is not None
                    self.on_complete()
                    return self.summary
                runs.refuse_clock_gone_back(store, runs.utc_now())
                for run_id in runs.clear_unfinished(store):
                    self.journal.warn(
                        f"run {run_id} was interrupted before its end; its rows have been removed"
                    )
            night = Night(engine, self.definitions, self.as_of, self.journal)
            return self._score(night, store)

    def _score(self, night: Night, store: Store) -> RunSummary:
        journal = night.journal
        begin = partial(runs.begin, store, night.definitions, engine=night.engine)
        try:
            with night.engine.changed_files_explained():
                night, cdm = _open_cdm(night)
        except BaseException as error:
            run_id = begin(as_of=night.as_of, release={})
            runs.record_failure(store, run_id, journal.current, error)
            raise
        run_id = begin(as_of=night.as_of, release=cdm.release)
        try:
            with night.engine.changed_files_explained():
                staged = _stage(night, cdm)
            for warning in drift_warnings(night, store.fetch):
                journal.warn(warning)
            with store.transaction(), night.engine.changed_files_explained():
                self.summary = _score_and_publish(night, store, run_id, staged)
                if night.config.keep_person_level_runs is not None:
                    with journal.step("retention"):
                        runs.retain(store, night.config.keep_person_level_runs, run_id)
            self.on_complete()
        except BaseException as error:
            if runs.record_failure(store, run_id, journal.current, error):
                self.on_complete()
            raise
        return self.summary

    def _is_published(self, store: Store) -> bool:
        if self.summary is None or self.summary.run_id is None:
            return False
        return runs.is_complete(store, self.summary.run_id)


@dataclass(frozen=True)
class _Staged:
    """The counts of the staged cohort and covariates."""

    attrition: list[AttritionStep]
    quality: Quality

    @property
    def n_cohort(self) -> int:
        return self.attrition[0].n_persons

    @property
    def n_to_score(self) -> int:
        return self.attrition[-1].n_persons


def _open_cdm(night: Night) -> tuple[Night, MappedCdm]:
    """Map the tables of the CDM; return them, and the night with its final as-of date."""
    with night.step("CDM"):
        cdm = map_cdm(night.engine)
        if cdm.problems:
            raise CdmError(*cdm.problems)
        night, last = with_last_day(night)
    for warning in (*cdm.warnings, *old_cdm_warnings(night, last)):
        night.journal.warn(warning)
    return night, replace(cdm, release={**cdm.release, "cdm_last_date": last})


def _stage(night: Night, cdm: MappedCdm) -> _Staged:
    with night.step("concept sets") as step:
        step.rows, warnings = stage_concept_sets(night)
    for warning in warnings:
        night.journal.warn(warning)
    attrition = stage_cohort(night)
    _refuse_small_cohort(night, attrition[0].n_persons)
    stage_covariates(night)
    values = cdm.unreadable or _pulled_values(night)
    with night.step("quality"):
        mapped = fetch_mapped_records(night)
        quality = fetch_quality(night, mapped)
    n_cohort, n_scored = attrition[0].n_persons, attrition[-1].n_persons
    found = doubts(night, quality, n_cohort, n_scored)
    for warning in (*cohort_warnings(quality), *mapping_messages(night, mapped)[1], *found):
        night.journal.warn(warning)
    unreadable = {
        (INPUT, f"{UNCASTABLE_PREFIX}{name}"): n for name, n in values.counts.items() if n
    }
    return _Staged(attrition, {**quality, **unreadable})


def _pulled_values(night: Night) -> UnreadableValues:
    """Count the unreadable values of the rows that were pulled.

    A column without any readable value is only warned of: the CDM may have readable ones in rows
    that were not pulled.
    """
    values = count_unreadable(night.engine)
    for warning in (*values.problems, *values.warnings):
        night.journal.warn(warning)
    return values


def _refuse_small_cohort(night: Night, n_cohort: int) -> None:
    rule = night.config.cohort
    if n_cohort < rule.minimum_persons:
        raise CdmError(
            f"the cohort has {n_cohort:,} persons, and cohort.minimum_persons is "
            f"{rule.minimum_persons:,}: load the whole CDM, or set a lower minimum"
        )
    if n_cohort == 0:
        night.journal.warn(
            "the cohort is empty: no condition record of "
            f"{', '.join(map(str, rule.concept_ids))} or a descendant up to {night.as_of}"
        )


def _score_and_publish(night: Night, writer: Writer, run_id: int, staged: _Staged) -> RunSummary:
    """Score, audit, write, reconcile, and set COMPLETE; the caller commits all of it or nothing."""
    tally = _score(night, writer, run_id, staged.n_to_score)
    stage_audits(night)
    with night.step("write"):
        audits, written = _write(night, writer, run_id, staged.quality, tally)
    answer = None
    with night.step("publish"):
        reconcile(night.definitions, staged.attrition, tally, staged.quality, audits)
        night.engine.refuse_changed_files()
        if isinstance(writer, Store):
            row_counts.refuse_lost_rows(writer, run_id, written)
            answer = _other_answer(writer, run_id, night.as_of)
        # The semicolon separates warnings, and is no part of one.
        warnings = "; ".join(each.replace("; ", ", ") for each in night.journal.warnings)
        runs.publish(writer, run_id, staged.n_cohort, tally.n, warnings, written)
        if isinstance(writer, Store):
            row_counts.refuse_unpublished(writer, run_id)
    return RunSummary(
        run_id=run_id,
        as_of=night.as_of,
        uncertainty=night.config.uncertainty,
        snapshot=night.engine.snapshot,
        attrition=tuple(staged.attrition),
        quality=staged.quality,
        subgroups=tally.subgroups(),
        n_worst_class_ruled_out=tally.n_worst_class_ruled_out,
        trial_range=tally.trial_range,
        warnings=tuple(night.journal.warnings),
        answer=answer,
    )


def _other_answer(store: Store, run_id: int, as_of: date) -> Answer | None:
    """Return the run that readers will still see once this one is COMPLETE; None if it is this."""
    shown = answer_of(store)
    is_other = shown is not None and (shown.as_of, shown.run_id) > (as_of, run_id)
    return shown if is_other else None


def _score(night: Night, writer: Writer, run_id: int, n_to_score: int) -> Tally:
    """Stream one row per patient through the kernel: write the scores, return the counts."""
    tally = Tally(night.model)
    with night.step("score") as step:
        night.load("patient_score", no_patient_score())
        work = partial(
            score_and_count,
            model=night.model,
            uncertainty=night.config.uncertainty,
            run_id=run_id,
        )
        query = matrix_query(night.model)
        for counted in night.engine.map_batches(query, work, writer):
            tally.update(counted)
            night.journal.advance(tally.n, n_to_score)
        step.rows = tally.n
    return tally


def _write(
    night: Night, writer: Writer, run_id: int, quality: Quality, tally: Tally
) -> tuple[Audits, dict[str, int]]:
    """Append every table except the scores, which are already written.

    Returns the audits, and the number of rows of the run by table, scores included.
    """
    n_classes = len(night.model.card.classes)
    written = Counter({row_counts.RUN: 1, "patient_subgroup": tally.n})
    written["counterfactual"] = tally.n * n_classes
    written.update(_staged_rows(night))
    for table in _STAGED_RESULTS:
        night.engine.copy(runs.staged_rows(table), {"run_id": run_id}, writer, table)
    audits = fetch_audits(night)
    for table, rows in (
        ("covariate_quality", _quality_rows(run_id, quality)),
        ("run_cohort_definition", cohort_definitions(night.definitions, run_id)),
        *arrow_tables(audits, run_id),
        *tally.tables(run_id, night.config.uncertainty),
    ):
        writer.append(table, rows.to_batches())
        written[table] += rows.num_rows
    return audits, dict(written)


def _staged_rows(night: Night) -> dict[str, int]:
    """Return the number of rows of each work table that is copied to the results."""
    counts = " UNION ALL ".join(
        f"SELECT '{table}' AS table_name, COUNT(*) AS n_rows FROM work.{table}"  # noqa: S608
        for table in _STAGED_RESULTS
    )
    return {str(name): int(str(n)) for name, n in night.engine.fetch(sql.parse(counts), {})}


def _quality_rows(run_id: int, quality: Quality) -> pa.Table:
    rows = [
        {"run_id": run_id, "covariate": covariate, "measure": measure, "n": n}
        for (covariate, measure), n in sorted(quality.items())
    ]
    return pa.Table.from_pylist(rows, schema=data_model.arrow_schema("covariate_quality"))
