"""The nightly run, in order. Start here to see how the parts of the package work together."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import date
from functools import partial

import pyarrow as pa

from omop_scorer import data_model
from omop_scorer.config.definitions import Definitions
from omop_scorer.engines import open_engine
from omop_scorer.errors import CdmError
from omop_scorer.journal import Journal
from omop_scorer.nightly.dry_run import CountingWriter, DryRunEngine
from omop_scorer.nightly.reconciliation import reconcile
from omop_scorer.nightly.retries import CONNECT, retrying
from omop_scorer.results import runs
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
    *("attrition", "patient_covariate", "treatment_line", "concept_set_member", "run_cohort"),
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
    return 31 + is_limited + 2 * len(definitions.model.card.covariates)


def run_night(definitions: Definitions, journal: Journal) -> RunSummary:
    """Score every patient of a CDM and publish the results.

    Readers of the results see the whole run once it is COMPLETE, and nothing of it before. After a
    transient fault, such as a lost connection, the run starts again as often as the run file says.

    Raises
    ------
    OmopScorerError
        One class per cause. The run is then recorded as FAILED wherever that is possible.
    """
    attempts = _Attempts(definitions, _as_of(definitions), journal)
    return retrying(definitions.config.postgresql, journal)(attempts.run)


def dry_run(definitions: Definitions, journal: Journal, say: Callable[[str], None]) -> RunSummary:
    """Do the same work as `run_night`, but neither open nor write the results.

    Parameters
    ----------
    definitions, journal
        As for `run_night`.
    say
        Receives each query, its plan and its number of rows, as SQL with comments, and at the end
        the number of rows that a run would write to each table.

    Raises
    ------
    OmopScorerError
        As for `run_night`.
    """
    with journal.step(CONNECT):
        engine = DryRunEngine(open_engine(definitions.config.connections), say)
    writer = CountingWriter()
    with closing(engine):
        night = Night(engine, definitions, _as_of(definitions), journal)
        summary = _score_and_publish(night, writer, _NO_RUN, _stage(night, _open_cdm(night)))
    say("-- rows that a run would write")
    for table in data_model.run_tables():
        say(f"-- {table}: {writer.rows_to_write[table]:,}")
    return replace(summary, run_id=None)


def _as_of(definitions: Definitions) -> date:
    return definitions.config.as_of_date or date.today()


@dataclass
class _Attempts:
    """The attempts at one night: one, or several after transient faults."""

    definitions: Definitions
    as_of: date
    journal: Journal
    answer: RunSummary | None = None
    """Summary of an attempt that failed during its commit: the commit may have succeeded."""

    def run(self) -> RunSummary:
        connections = self.definitions.config.connections
        with ExitStack() as stack:
            with self.journal.step(CONNECT):
                engine = stack.enter_context(closing(open_engine(connections)))
                store = stack.enter_context(closing(open_store(connections)))
            with self.journal.step("results schema"):
                migrate(store)
                if self._is_published(store):
                    assert self.answer is not None
                    return self.answer
                for run_id in runs.clear_unfinished(store):
                    self.journal.warn(
                        f"run {run_id} was interrupted before its end; its rows have been removed"
                    )
            night = Night(engine, self.definitions, self.as_of, self.journal)
            return self._score(night, store)

    def _score(self, night: Night, store: Store) -> RunSummary:
        journal = night.journal
        begin = partial(runs.begin, store, night.definitions, night.as_of, night.engine)
        try:
            with _changed_files_explained(night):
                cdm = _open_cdm(night)
        except BaseException as error:
            runs.record_failure(store, begin({}), journal.current, error)
            raise
        run_id = begin(cdm.release)
        try:
            with _changed_files_explained(night):
                staged = _stage(night, cdm)
            for warning in drift_warnings(night, store.fetch):
                journal.warn(warning)
            with store.transaction(), _changed_files_explained(night):
                self.answer = _score_and_publish(night, store, run_id, staged)
                if night.config.keep_person_level_runs is not None:
                    with journal.step("retention"):
                        runs.retain(store, night.config.keep_person_level_runs, run_id)
        except BaseException as error:
            runs.record_failure(store, run_id, journal.current, error)
            raise
        return self.answer

    def _is_published(self, store: Store) -> bool:
        if self.answer is None or self.answer.run_id is None:
            return False
        return runs.is_complete(store, self.answer.run_id)


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


@contextmanager
def _changed_files_explained(night: Night) -> Iterator[None]:
    """Raise an error that names a changed file of the CDM, if one is why a step fails."""
    try:
        yield
    except Exception:
        night.engine.refuse_changed_files()
        raise


def _open_cdm(night: Night) -> MappedCdm:
    with night.step("CDM"):
        cdm = map_cdm(night.engine)
        if cdm.problems:
            raise CdmError(*cdm.problems)
    for warning in cdm.warnings:
        night.journal.warn(warning)
    return cdm


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
        audits = _write(night, writer, run_id, staged.quality, tally)
    with night.step("publish"):
        reconcile(night.definitions, staged.attrition, tally, staged.quality, audits)
        night.engine.refuse_changed_files()
        runs.publish(writer, run_id, staged.n_cohort, tally.n, "; ".join(night.journal.warnings))
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
    )


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


def _write(night: Night, writer: Writer, run_id: int, quality: Quality, tally: Tally) -> Audits:
    """Append every table except the scores, which are already written; return the audits."""
    for table in _STAGED_RESULTS:
        night.engine.copy(runs.staged_rows(table), {"run_id": run_id}, writer, table)
    audits = fetch_audits(night)
    for table, rows in (
        ("covariate_quality", _quality_rows(run_id, quality)),
        ("run_cohort_definition", cohort_definitions(night.definitions, run_id)),
        *arrow_tables(audits, run_id),
        *tally.tables(run_id),
    ):
        writer.append(table, rows.to_batches())
    return audits


def _quality_rows(run_id: int, quality: Quality) -> pa.Table:
    rows = [
        {"run_id": run_id, "covariate": covariate, "measure": measure, "n": n}
        for (covariate, measure), n in sorted(quality.items())
    ]
    return pa.Table.from_pylist(rows, schema=data_model.arrow_schema("covariate_quality"))
