"""Checks before a run: everything that could make it fail, found at once, without writing."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from omop_scorer.config.definitions import Definitions, load_definitions
from omop_scorer.config.run_file import RunConfig
from omop_scorer.config.site_sets import site_concept_sets
from omop_scorer.engines import open_engine
from omop_scorer.engines.base import Engine
from omop_scorer.errors import CdmError, OmopScorerError
from omop_scorer.journal import Journal
from omop_scorer.results.schema import refuse_newer
from omop_scorer.staging.cdm_views import count_unreadable, inspect_tables, map_cdm
from omop_scorer.staging.cohort import stage_cohort
from omop_scorer.staging.concept_sets import stage_concept_sets
from omop_scorer.staging.covariates import stage_covariates
from omop_scorer.staging.night import Night
from omop_scorer.staging.quality import fetch_quality
from omop_scorer.stores import try_store
from omop_scorer.texts.characters import one_line
from omop_scorer.texts.secret_values import hide

Severity = Literal["error", "warning", "note"]

_ORDER: tuple[Severity, ...] = ("error", "warning", "note")

_UNIT_QUANTITIES = ("bmi", "crp")

_MOST_NAMED = 10


@dataclass(frozen=True)
class Finding:
    """One finding: its severity, what and where, and the exit code that it causes."""

    severity: Severity
    message: str
    exit_code: int = 0


@dataclass
class Findings:
    """Everything that the checks found."""

    findings: list[Finding] = field(default_factory=list)

    def add(self, severity: Severity, *messages: str, exit_code: int = 0) -> None:
        """Keep findings of one severity."""
        self.findings += [
            Finding(severity, one_line(hide(message)), exit_code) for message in messages
        ]

    def fail(self, error: OmopScorerError) -> None:
        """Keep every problem of an error."""
        self.add("error", *error.problems, exit_code=error.exit_code)

    def worst_first(self) -> list[Finding]:
        """Return the findings, errors first, each kind in the order found."""
        return sorted(self.findings, key=lambda finding: _ORDER.index(finding.severity))

    @property
    def exit_code(self) -> int:
        """The exit code of the first error, 0 without one."""
        errors = [finding.exit_code for finding in self.findings if finding.severity == "error"]
        return errors[0] if errors else 0


def check(config: RunConfig, journal: Journal) -> Findings:
    """Check files, connection, tables, rights, concepts, units and missing values.

    After a check that fails, every check that is still possible runs.
    """
    findings = Findings()
    definitions = _files(config, findings)
    with journal.step("results"):
        _results(config, findings)
    try:
        with journal.step("connect"):
            engine = open_engine(config.connections)
    except OmopScorerError as error:
        findings.fail(error)
        return findings
    try:
        with journal.step("tables"):
            is_usable = _tables(engine, findings)
        if is_usable and definitions is not None:
            night = Night(engine, definitions, config.as_of_date or date.today(), journal)
            with journal.step("concepts"):
                _concepts(night, findings)
            _patients(night, findings)
    except OmopScorerError as error:
        findings.fail(error)
    finally:
        engine.close()
    return findings


def _files(config: RunConfig, findings: Findings) -> Definitions | None:
    try:
        definitions = load_definitions(config)
    except OmopScorerError as error:
        findings.fail(error)
        return None
    card = definitions.model.card
    findings.add(
        "note",
        f"files: model card {card.id} with {len(card.classes)} classes and "
        f"{len(card.covariates)} covariates, {len(definitions.concept_sets)} concept sets",
    )
    return definitions


def _results(config: RunConfig, findings: Findings) -> None:
    """Prove the right to write by taking the run lock and releasing it."""
    try:
        version = try_store(config.connections)
        refuse_newer(version)
    except OmopScorerError as error:
        findings.fail(error)
        return
    state = "can be written" if version else "will be created by the first run"
    findings.add("note", f"results: {state}; no other run holds the lock")


def _tables(engine: Engine, findings: Findings) -> bool:
    problems, warnings, _ = inspect_tables(engine)
    if problems:
        findings.fail(CdmError(*problems))
        findings.add("warning", *warnings)
        return False
    cdm = map_cdm(engine)
    findings.fail(CdmError(*cdm.problems))
    findings.add("warning", *cdm.warnings)
    release = {name: value or "?" for name, value in cdm.release.items()}
    findings.add(
        "note",
        f"CDM: {cdm.release['cdm_source_name'] or 'unnamed'}, version {release['cdm_version']}, "
        f"released {release['cdm_release_date']}, vocabulary {release['vocabulary_version']}",
    )
    if engine.snapshot is not None:
        findings.add("note", f"CDM state: {engine.snapshot}")
    return not cdm.problems


def _concepts(night: Night, findings: Findings) -> None:
    n_members, warnings = stage_concept_sets(night)
    findings.add("warning", *warnings)
    rows = night.fetch("cohort/concept_check")
    findings.add("note", f"concepts: {len(rows)} ids given, {n_members} members with descendants")
    if not night.fetch("cohort/vocabulary_size")[0][0]:
        findings.add("warning", "the vocabulary is empty: no concept id can be checked")
        return
    tables = dict(_domains_by_set(night.definitions))
    doubts: dict[str, list[str]] = {}
    for name, concept_id, is_known, is_standard, is_invalid, domain, n_below, n_records in rows:
        concept_set = str(name)
        expected = tables.get(concept_set, ())
        if not is_known:
            doubt = "not in the vocabulary, so only records with this exact id count"
        elif is_invalid:
            doubt = "no longer valid in this vocabulary"
        elif not is_standard and expected:
            doubt = "not standard, so CDM records rarely use them"
        elif domain and expected and domain not in expected:
            doubt = f"of domain {domain}, but searched for in {' and '.join(expected)} records"
        elif n_below == 0:
            doubt = "that include descendants but have none in this vocabulary"
        elif n_records == 0:
            doubt = "with no records in the CDM, descendants included"
        else:
            continue
        doubts.setdefault(doubt, []).append(f"{concept_id} ({concept_set})")
    for doubt, names in doubts.items():
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        listed = ", ".join(names[:_MOST_NAMED])
        findings.add("warning", f"concepts {doubt}: {listed}{more}")


_DOMAINS = {
    "condition_occurrence": "Condition",
    "drug_exposure": "Drug",
    "measurement": "Measurement",
    "observation": "Observation",
}


def _domains_by_set(definitions: Definitions) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name, concept_set in {
        **definitions.concept_sets,
        **site_concept_sets(definitions.config),
    }.items():
        yield name, tuple(_DOMAINS[table] for table in concept_set.tables if table in _DOMAINS)


def _patients(night: Night, findings: Findings) -> None:
    """Stage cohort and covariates as a run does, and report how many records they are based on."""
    attrition = stage_cohort(night)
    n_cohort, n_scored = attrition[0].n_persons, attrition[-1].n_persons
    if n_cohort == 0:
        findings.add("warning", f"cohort: no persons as of {night.as_of}")
        _pulled_values(night, findings)
        return
    findings.add(
        "note", f"cohort: {n_cohort:,} persons as of {night.as_of}, {n_scored:,} can be scored"
    )
    if n_scored == 0:
        return
    before = len(night.journal.warnings)
    stage_covariates(night)
    findings.add("warning", *night.journal.warnings[before:])
    _pulled_values(night, findings)
    counts = fetch_quality(night)
    for quantity in _UNIT_QUANTITIES:
        n = counts[quantity, "n_records"]
        if not n:
            findings.add("warning", f"{quantity}: no patient has a record in its window")
            continue
        n_rejected = counts[quantity, "n_rejected_unit"]
        findings.add(
            "warning" if n_rejected else "note",
            f"{quantity}: {1 - n_rejected / n:.1%} of {n:,} records have an accepted unit"
            + (f"; {n_rejected:,} are rejected for their unit" if n_rejected else ""),
        )
    for covariate in night.model.card.covariates:
        n_imputed = counts[covariate.name, "n_imputed"]
        share = n_imputed / n_scored
        if n_imputed:
            findings.add(
                "warning" if share >= 0.5 else "note",
                f"{covariate.name}: would be imputed for {share:.1%} of patients",
            )


def _pulled_values(night: Night, findings: Findings) -> None:
    """Warn of the unreadable values of the rows that were pulled."""
    if not night.engine.reads_in_place:
        values = count_unreadable(night.engine)
        findings.add("warning", *values.problems, *values.warnings)
