"""Pre-flight: everything that could spoil a night, found at once, cheap looks first."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from omop_scorer import cdm, covariates, results
from omop_scorer.cohort import fetch_file, site_concept_sets, stage_cohort, stage_concept_sets
from omop_scorer.config import RunConfig
from omop_scorer.engines import open_engine, try_results
from omop_scorer.engines.base import Engine
from omop_scorer.errors import OmopScorerError
from omop_scorer.journal import Journal
from omop_scorer.rules import Rules, load_rules

Severity = Literal["error", "warning", "note"]
_ORDER: tuple[Severity, ...] = ("error", "warning", "note")
_UNIT_QUANTITIES = ("bmi", "crp")
_MOST_NAMED = 10


@dataclass(frozen=True)
class Finding:
    """One thing found: how bad, what and where, and the exit code it calls for."""

    severity: Severity
    message: str
    exit_code: int = 0


@dataclass
class Report:
    """All that a check found."""

    findings: list[Finding] = field(default_factory=list)

    def add(self, severity: Severity, *messages: str, exit_code: int = 0) -> None:
        """Keep findings of one severity."""
        self.findings += [Finding(severity, message, exit_code) for message in messages]

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


def check(config: RunConfig, journal: Journal) -> Report:
    """Look at files, connection, tables, rights, concepts, units and missingness.

    Every look that can still be made is made after one has failed.
    """
    report = Report()
    rules = _files(config, report)
    with journal.step("results"):
        _results(config, report)
    try:
        with journal.step("connect"):
            engine = open_engine(config, with_results=False)
    except OmopScorerError as error:
        report.fail(error)
        return report
    try:
        with journal.step("tables"):
            is_usable = _tables(engine, report)
        if is_usable and rules is not None:
            as_of = config.as_of_date or date.today()
            with journal.step("concepts"):
                _concepts(engine, rules, as_of, report)
            _patients(engine, rules, as_of, report, journal)
    except OmopScorerError as error:
        report.fail(error)
    finally:
        engine.close()
    return report


def _files(config: RunConfig, report: Report) -> Rules | None:
    try:
        rules = load_rules(config)
    except OmopScorerError as error:
        report.fail(error)
        return None
    card = rules.model.card
    report.add(
        "note",
        f"files: model card {card.id} with {len(card.classes)} classes and "
        f"{len(card.covariates)} covariates, {len(rules.concept_sets)} concept sets",
    )
    return rules


def _results(config: RunConfig, report: Report) -> None:
    """Prove the right to write by taking the run lock and letting go of it."""
    try:
        version = try_results(config)
        results.refuse_newer(version)
    except OmopScorerError as error:
        report.fail(error)
        return
    state = "can be written" if version else "will be made by the first run"
    report.add("note", f"results: {state}; no other run holds the lock")


def _tables(engine: Engine, report: Report) -> bool:
    problems, warnings, _ = cdm.look(engine)
    if problems:
        report.add("error", *problems, exit_code=12)
        report.add("warning", *warnings)
        return False
    exposed = cdm.expose(engine)
    report.add("error", *exposed.problems, exit_code=12)
    release, doubts = results.cdm_release(engine)
    report.add("warning", *exposed.warnings, *doubts)
    report.add(
        "note",
        f"CDM: {release['cdm_source_name'] or 'unnamed'}, version {release['cdm_version'] or '?'}, "
        f"released {release['cdm_release_date'] or '?'}, "
        f"vocabulary {release['vocabulary_version'] or '?'}",
    )
    return not exposed.problems


def _concepts(engine: Engine, rules: Rules, as_of: date, report: Report) -> None:
    n_members, warnings = stage_concept_sets(engine, rules.config, rules.concept_sets, as_of)
    report.add("warning", *warnings)
    rows = fetch_file(engine, "cohort/concept_check")
    report.add("note", f"concepts: {len(rows)} ids given, {n_members} members with descendants")
    if not fetch_file(engine, "cohort/vocabulary_size")[0][0]:
        report.add("warning", "the vocabulary is empty: no concept id can be checked")
        return
    tables = dict(_tables_by_set(rules))
    doubts: dict[str, list[str]] = {}
    for name, concept_id, is_known, is_standard, is_invalid, domain, n_below, n_records in rows:
        concept_set = str(name)
        expected = tables.get(concept_set, ())
        if not is_known:
            doubt = "not in the vocabulary, so that only records of the id itself count"
        elif is_invalid:
            doubt = "no longer valid in this vocabulary"
        elif not is_standard and expected:
            doubt = "not standard, so that records rarely carry them"
        elif domain and expected and domain not in expected:
            doubt = f"of domain {domain}, but looked for in {' and '.join(expected)}"
        elif n_below == 0:
            doubt = "asked for with descendants, but without any"
        elif n_records == 0:
            doubt = "without a record, descendants included"
        else:
            continue
        doubts.setdefault(doubt, []).append(f"{concept_id} ({concept_set})")
    for doubt, names in doubts.items():
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        listed = ", ".join(names[:_MOST_NAMED])
        report.add("warning", f"concepts {doubt}: {listed}{more}")


_DOMAINS = {
    "condition_occurrence": "Condition",
    "drug_exposure": "Drug",
    "measurement": "Measurement",
    "observation": "Observation",
}


def _tables_by_set(rules: Rules) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name, concept_set in {**rules.concept_sets, **site_concept_sets(rules.config)}.items():
        yield name, tuple(_DOMAINS[table] for table in concept_set.tables if table in _DOMAINS)


def _patients(engine: Engine, rules: Rules, as_of: date, report: Report, journal: Journal) -> None:
    """Stage cohort and covariates as a run would, and say what they rest on."""
    attrition = stage_cohort(engine, rules.config, as_of, journal)
    n_cohort, n_scored = attrition[0].n_persons, attrition[-1].n_persons
    if n_cohort == 0:
        report.add("warning", f"cohort: nobody, as of {as_of}")
        return
    report.add("note", f"cohort: {n_cohort:,} persons as of {as_of}, {n_scored:,} can be scored")
    if n_scored == 0:
        return
    before = len(journal.warnings)
    covariates.stage_covariates(
        engine, rules.config, rules.model, rules.units, rules.lines, as_of, journal
    )
    report.add("warning", *journal.warnings[before:])
    counts = covariates.quality(engine, rules.config, rules.model, as_of)
    for quantity in _UNIT_QUANTITIES:
        n = counts[quantity, "n_records"]
        if not n:
            report.add("warning", f"{quantity}: no record in its window for any patient")
            continue
        n_bad = counts[quantity, "n_rejected_unit"]
        report.add(
            "warning" if n_bad else "note",
            f"{quantity}: {1 - n_bad / n:.1%} of {n:,} records have an accepted unit"
            + (f"; {n_bad:,} are rejected for their unit" if n_bad else ""),
        )
    for covariate in rules.model.card.covariates:
        n_imputed = counts[covariate.name, "n_imputed"]
        share = n_imputed / n_scored
        if n_imputed:
            report.add(
                "warning" if share >= 0.5 else "note",
                f"{covariate.name}: would be imputed for {share:.1%} of patients",
            )
