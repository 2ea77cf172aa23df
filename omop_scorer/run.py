"""The nightly run, in order."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import partial

import pyarrow as pa

from omop_scorer import __version__, audit, cdm, covariates, results
from omop_scorer.cohort import AttritionStep, stage_cohort, stage_concept_sets
from omop_scorer.covariates import Quality, matrix_query
from omop_scorer.engines import open_engine
from omop_scorer.engines.base import Engine
from omop_scorer.errors import CdmError, OmopScorerError, ScoringError
from omop_scorer.journal import Journal
from omop_scorer.rehearsal import Rehearsal
from omop_scorer.retries import CONNECT, retrying
from omop_scorer.rules import Rules
from omop_scorer.scoring import Tally, no_patient_score, score_and_count


@dataclass(frozen=True)
class RunSummary:
    """What a finished run has to say: counts, never patients."""

    run_id: int | None
    """None: a rehearsal."""
    as_of: date
    uncertainty: str
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


#: Under which a rehearsal makes the rows that it counts.
_NO_RUN = 0


def n_steps(rules: Rules) -> int:
    """How many steps a run under these rules has."""
    is_limited = rules.config.keep_person_level_runs is not None
    return 28 + is_limited + 2 * len(rules.model.card.covariates)


def execute(rules: Rules, journal: Journal) -> RunSummary:
    """Score every patient of a CDM and publish the answer.

    Readers of the results see the run when it is COMPLETE, or nothing of it. After a fault that
    may pass, such as a lost connection, it begins again, as often as the run file says.

    Raises
    ------
    OmopScorerError
        One class per cause; the run is then recorded as FAILED wherever it can be.
    """
    night = _Night(rules, rules.config.as_of_date or date.today(), journal)
    return retrying(rules.config.postgresql, journal)(night.run)


def rehearse(rules: Rules, journal: Journal, say: Callable[[str], None]) -> RunSummary:
    """Do what `execute` does, except that the results are neither opened nor written.

    Parameters
    ----------
    rules, journal
        As for `execute`.
    say
        Told every query, its plan and how many rows it gave, as SQL with comments; in the end, how
        many rows would be written.

    Raises
    ------
    OmopScorerError
        As `execute`.
    """
    as_of = rules.config.as_of_date or date.today()
    with journal.step(CONNECT):
        engine = Rehearsal(open_engine(rules.config, with_results=False), say)
    try:
        exposed, _ = _open_cdm(engine, journal)
        staged = _stage(engine, rules, as_of, exposed, journal)
        summary = _publish(engine, rules, _NO_RUN, as_of, *staged, journal)
    finally:
        engine.close()
    say("-- rows that a run would write")
    for table in results.run_tables():
        say(f"-- {table}: {engine.rows_to_write[table]:,}")
    return replace(summary, run_id=None)


@dataclass
class _Night:
    """A night, in one try or several."""

    rules: Rules
    as_of: date
    journal: Journal
    answer: RunSummary | None = None
    """Of a try that failed while it committed: the server may have done so all the same."""

    def run(self) -> RunSummary:
        with self.journal.step(CONNECT):
            engine = open_engine(self.rules.config, with_results=True)
        try:
            with self.journal.step("results schema"):
                results.migrate(engine)
                if self._is_published(engine):
                    assert self.answer is not None
                    return self.answer
                for run_id in results.clear_unfinished(engine):
                    self.journal.warn(
                        f"run {run_id} was interrupted before its end; its rows are removed"
                    )
            return self._score(engine)
        finally:
            engine.close()

    def _score(self, engine: Engine) -> RunSummary:
        rules, as_of, journal = self.rules, self.as_of, self.journal
        try:
            exposed, release = _open_cdm(engine, journal)
        except BaseException as error:
            _fail(engine, _begin(engine, rules, as_of, {}), journal, error)
            raise
        run_id = _begin(engine, rules, as_of, release)
        try:
            staged = _stage(engine, rules, as_of, exposed, journal)
            with engine.transaction():
                self.answer = _publish(engine, rules, run_id, as_of, *staged, journal)
                if rules.config.keep_person_level_runs is not None:
                    with journal.step("retention"):
                        results.retain(engine, rules.config.keep_person_level_runs, run_id)
        except BaseException as error:
            _fail(engine, run_id, journal, error)
            raise
        return self.answer

    def _is_published(self, engine: Engine) -> bool:
        if self.answer is None or self.answer.run_id is None:
            return False
        return results.is_complete(engine, self.answer.run_id)


def _open_cdm(engine: Engine, journal: Journal) -> tuple[cdm.Exposed, dict[str, object]]:
    with journal.step("CDM"):
        exposed = cdm.expose(engine)
        if exposed.problems:
            raise CdmError(*exposed.problems)
        release, doubts = results.cdm_release(engine)
    for warning in (*exposed.warnings, *doubts):
        journal.warn(warning)
    return exposed, release


def _fail(engine: Engine, run_id: int, journal: Journal, error: BaseException) -> None:
    problems = error.problems if isinstance(error, OmopScorerError) else (type(error).__name__,)
    message = "; ".join(problems)
    # Where even that cannot be written, the next run finds this one RUNNING and says FAILED.
    # An engine may refuse the first statement after one that a signal has stopped.
    for _ in range(2):
        with suppress(OmopScorerError):
            if not results.is_complete(engine, run_id):
                results.record_status(
                    engine, run_id, "FAILED", message=f"step {journal.current}: {message}"
                )
            return


def _begin(engine: Engine, rules: Rules, as_of: date, release: dict[str, object]) -> int:
    config = rules.config
    started_at = datetime.now(UTC).replace(tzinfo=None)
    run_id = results.new_run_id(engine, started_at)
    with engine.transaction():
        results.record_run(
            engine,
            {
                "run_id": run_id,
                "as_of_date": as_of,
                "started_at": started_at,
                "tool_version": __version__,
                "engine": engine.name,
                "model_id": rules.model.card.id,
                "model_sha256": rules.model.sha256,
                "config_sha256": config.sha256,
                "concept_sets_sha256": rules.concept_sets_sha256,
                "uncertainty": config.uncertainty,
                **release,
                "config_json": config.to_json(),
            },
        )
        results.record_status(engine, run_id, "RUNNING")
    return run_id


def _stage(
    engine: Engine, rules: Rules, as_of: date, exposed: cdm.Exposed, journal: Journal
) -> tuple[list[AttritionStep], Quality]:
    config = rules.config
    with journal.step("concept sets") as step:
        step.rows, warnings = stage_concept_sets(engine, config, rules.concept_sets, as_of)
    for warning in warnings:
        journal.warn(warning)
    attrition = stage_cohort(engine, config, as_of, journal)
    if attrition[0].n_persons < config.cohort.minimum_persons:
        raise CdmError(
            f"the cohort has {attrition[0].n_persons:,} persons, and cohort.minimum_persons is "
            f"{config.cohort.minimum_persons:,}: load the CDM whole, or name a lower minimum"
        )
    if attrition[0].n_persons == 0:
        journal.warn(
            "the cohort is empty: no condition record of "
            f"{', '.join(map(str, config.cohort.concept_ids))} or a descendant up to {as_of}"
        )
    covariates.stage_covariates(
        engine, config, rules.model, rules.units, rules.lines, as_of, journal
    )
    with journal.step("quality"):
        quality = covariates.quality(engine, config, rules.model, as_of)
    for warning in covariates.doubts(quality):
        journal.warn(warning)
    quality |= {("input", f"n_uncastable:{name}"): n for name, n in exposed.uncastable.items()}
    return attrition, quality


def _publish(
    engine: Engine,
    rules: Rules,
    run_id: int,
    as_of: date,
    attrition: list[AttritionStep],
    quality: Quality,
    journal: Journal,
) -> RunSummary:
    """Score and write everything, check it, and say COMPLETE; the caller keeps all or nothing."""
    tally = Tally(rules.model)
    n_scored = attrition[-1].n_persons
    with journal.step("score") as step:
        engine.load("patient_score", no_patient_score())
        work = partial(
            score_and_count, model=rules.model, uncertainty=rules.config.uncertainty, run_id=run_id
        )
        query = matrix_query(rules.model)
        for counted in engine.map_batches(query, rules.config.batch_size, work):
            tally.update(counted)
            journal.advance(tally.n, n_scored)
        step.rows = tally.n
    audit.stage_audits(engine, rules, as_of, journal)
    with journal.step("write"):
        for table in (
            "attrition",
            "patient_covariate",
            "treatment_line",
            "concept_set_member",
            "run_cohort",
        ):
            results.append_staged(engine, table, run_id)
        engine.append("covariate_quality", _quality_rows(run_id, quality))
        engine.append("run_cohort_definition", audit.cohort_definitions(rules, run_id))
        audits = audit.fetch_audits(engine)
        for table, rows in (*audit.arrow_tables(audits, run_id), *tally.tables(run_id)):
            engine.append(table, rows)
    with journal.step("publish"):
        _refuse_what_does_not_add_up(attrition, tally, quality, audits, rules)
        results.record_status(
            engine,
            run_id,
            "COMPLETE",
            n_cohort=attrition[0].n_persons,
            n_scored=tally.n,
            message="; ".join(journal.warnings) or None,
        )
    return RunSummary(
        run_id=run_id,
        as_of=as_of,
        uncertainty=rules.config.uncertainty,
        attrition=tuple(attrition),
        quality=quality,
        subgroups=tally.subgroups(),
        n_worst_class_ruled_out=tally.n_worst_class_ruled_out,
        trial_range=tally.trial_range,
        warnings=tuple(journal.warnings),
    )


def _quality_rows(run_id: int, quality: Quality) -> pa.Table:
    rows = [
        {"run_id": run_id, "covariate": covariate, "measure": measure, "n": n}
        for (covariate, measure), n in sorted(quality.items())
    ]
    return pa.Table.from_pylist(rows, schema=results.arrow_schema("covariate_quality"))


def _refuse_what_does_not_add_up(
    attrition: list[AttritionStep],
    tally: Tally,
    quality: Quality,
    audits: audit.Audits,
    rules: Rules,
) -> None:
    n_cohort = attrition[0].n_persons
    n_left_out = sum(step.n_excluded for step in attrition)
    problems = []
    if tally.n + n_left_out != n_cohort:
        problems.append(
            f"{tally.n} scored and {n_left_out} left out do not add up to a cohort of {n_cohort}"
        )
    if sum(tally.subgroups().values()) != tally.n:
        problems.append(f"the subgroups do not add up to the {tally.n} scored")
    for covariate in rules.model.card.covariates:
        n = sum(quality[covariate.name, f"n_{status}"] for status in covariates.STATUSES)
        if n != tally.n:
            problems.append(f"{covariate.name}: the states of {n} patients, {tally.n} were scored")
    problems += audit.contradictions(audits, n_cohort, tally.n)
    if problems:
        raise ScoringError(*problems)
