"""Checks before a run: everything that could make it fail, found at once, without writing."""

from collections.abc import Collection, Iterator

from omop_scorer.config.definitions import RULE_SETS, Definitions, load_definitions
from omop_scorer.config.run_file import Measured, RunConfig
from omop_scorer.config.site_sets import site_concept_sets
from omop_scorer.engines import open_engine
from omop_scorer.engines.base import Engine
from omop_scorer.errors import CdmError, OmopScorerError
from omop_scorer.journal import Journal
from omop_scorer.nightly.as_of import old_cdm_warnings, planned_as_of, with_last_day
from omop_scorer.nightly.findings import Findings, Severity
from omop_scorer.results.schema import migrations, refuse_newer
from omop_scorer.staging.cdm_views import count_unreadable, inspect_tables, map_cdm
from omop_scorer.staging.cohort import stage_cohort
from omop_scorer.staging.concept_drift import drift_warnings
from omop_scorer.staging.concept_mapping import fetch_mapped_records, mapping_messages
from omop_scorer.staging.concept_sets import stage_concept_sets
from omop_scorer.staging.covariates import stage_covariates
from omop_scorer.staging.doubts import doubts, without_number
from omop_scorer.staging.night import Night
from omop_scorer.staging.quality import Quality, cohort_warnings, fetch_quality
from omop_scorer.stores import open_results, try_store
from omop_scorer.terms import COHORT, RACE_SETS

_UNIT_QUANTITIES = ("bmi", "crp")

_MOST_NAMED = 10


def check(
    config: RunConfig, journal: Journal, findings: Findings, *, allow_future: bool = False
) -> None:
    """Check files, connection, tables, rights, concepts, units and missing values.

    After a check that fails, every check that is still possible runs. `findings` receives what is
    found. `allow_future` allows an as-of date after today.
    """
    definitions = _files(config, findings)
    try:
        planned_as_of(config, allow_future=allow_future)
    except OmopScorerError as error:
        findings.fail(error)
    as_of = planned_as_of(config, allow_future=True)
    with journal.step("results"):
        is_comparable = _results(config, findings)
    try:
        with journal.step("connect"):
            engine = open_engine(config.connections)
    except OmopScorerError as error:
        findings.fail(error)
        return
    try:
        with journal.step("tables"):
            is_usable = _tables(engine, findings)
            if is_usable and definitions is not None:
                night, last = with_last_day(Night(engine, definitions, as_of, journal))
                findings.add("warning", *old_cdm_warnings(night, last))
        if is_usable and definitions is not None:
            with journal.step("concepts"):
                _concepts(night, findings)
                if is_comparable:
                    _drift(night, findings)
            _patients(night, findings)
    except OmopScorerError as error:
        findings.fail(error)
    finally:
        engine.close()


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


def _results(config: RunConfig, findings: Findings) -> bool:
    """Prove the right to write by taking the run lock and releasing it.

    Returns True if the results have the tables of this release.
    """
    try:
        version = try_store(config.connections)
        refuse_newer(version)
    except OmopScorerError as error:
        findings.fail(error)
        return False
    state = "can be written" if version else "will be created by the first run"
    findings.add("note", f"results: {state}; no other run holds the lock")
    return version == len(migrations())


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
    needed = _needed_sets(night.config)
    for warning in warnings:
        _add_by_need(findings, warning, needed, set(night.definitions.concept_sets))
    rows = night.fetch("cohort/concept_check")
    findings.add("note", f"concepts: {len(rows)} ids given, {n_members} members with descendants")
    if not night.fetch("cohort/vocabulary_size")[0][0]:
        findings.add("warning", "the vocabulary is empty: no concept id can be checked")
        return
    tables = dict(_domains_by_set(night.definitions))
    doubts: dict[tuple[Severity, str], list[str]] = {}
    for name, concept_id, is_known, is_standard, is_invalid, domain, n_below, n_records in rows:
        concept_set = str(name)
        expected = tables.get(concept_set, ())
        severity: Severity = "warning" if concept_set in needed else "note"
        is_own = int(str(concept_id)) >= _FIRST_ID_OF_A_SITE
        if not is_known:
            doubt = "not in the vocabulary, so only records with this exact id count"
        elif is_invalid:
            doubt = "no longer valid in this vocabulary"
        elif not is_standard and expected and not is_own:
            doubt = "not standard, so CDM records rarely use them"
        elif domain and expected and domain not in expected:
            doubt = f"of domain {domain}, but searched for in {' and '.join(expected)} records"
        elif n_below == 0 and not is_own:
            doubt = "that include descendants but have none in this vocabulary"
        elif n_records == 0:
            # A site need not use every concept of a shipped set.
            severity = "warning" if _is_given_by_run_file(concept_set) else "note"
            doubt = "with no records in the CDM, descendants included"
        else:
            continue
        doubts.setdefault((severity, doubt), []).append(f"{concept_id} ({concept_set})")
    for (severity, doubt), names in doubts.items():
        names.sort(key=lambda each: not each.endswith(f"({COHORT})"))
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        listed = ", ".join(names[:_MOST_NAMED])
        findings.add(
            severity,
            f"concepts {doubt}: {listed}{more}",
            key=_key_of_set(names[0]),
            next_step="nothing to do, unless your site uses them"
            if severity == "note"
            else "look the ids up in your vocabulary; correct them, or load a newer one",
        )


#: Ids from here on are of a site's own concepts, which are never standard.
_FIRST_ID_OF_A_SITE = 2_000_000_000

#: Sets that only describe the cohort: a vocabulary without them costs no score.
_DESCRIPTIVE = frozenset((*RACE_SETS, "ulcerative_colitis", "operator_censored"))


def _is_given_by_run_file(concept_set: str) -> bool:
    return concept_set == COHORT or concept_set.startswith("site_")


def _key_of_set(named: str) -> str:
    concept_set = named.rpartition("(")[2].rstrip(")")
    if concept_set == COHORT:
        return "cohort.concept_ids"
    if concept_set.startswith("site_"):
        return f"covariates.{concept_set.removeprefix('site_')}.concept_ids"
    return f"concept_sets ({concept_set})"


def _needed_sets(config: RunConfig) -> set[str]:
    """Return the sets without which a rule finds nothing; the others follow the newest drugs."""
    needed = {COHORT, *config.cohort.exclude_concept_sets, *site_concept_sets(config)}
    for rule in config.covariates.quantities().values():
        needed.update(rule.measurement_concept_sets)
    return needed | (set(RULE_SETS) - _DESCRIPTIVE)


def _add_by_need(
    findings: Findings, warning: str, needed: Collection[str], known: Collection[str]
) -> None:
    """Add a warning that lists concept sets: of those that no rule needs, as a note."""
    heading, _, listed = warning.partition(": ")
    names = listed.split(", ")
    if not any(name in known or name in needed for name in names):
        findings.add("warning", warning)
        return
    for severity, chosen in (
        ("warning", [name for name in names if name in needed]),
        ("note", [name for name in names if name not in needed]),
    ):
        if chosen:
            findings.add(severity, f"{heading}: {', '.join(chosen)}")  # type: ignore[arg-type]


def _drift(night: Night, findings: Findings) -> None:
    with open_results(night.config.connections) as reader:
        findings.add(
            "warning",
            *drift_warnings(
                night,
                lambda query, values: [
                    tuple(row.values()) for row in reader.read(query, values).to_pylist()
                ],
            ),
        )


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
    if n_cohort:
        findings.add(
            "note", f"cohort: {n_cohort:,} persons as of {night.as_of}, {n_scored:,} can be scored"
        )
    else:
        findings.add(
            "warning",
            f"cohort: no persons as of {night.as_of}",
            key="cohort.concept_ids, as_of_date",
            next_step="see which concepts your site records, and whether the CDM is loaded",
        )
    before = len(night.journal.warnings)
    stage_covariates(night)
    findings.add("warning", *night.journal.warnings[before:])
    _pulled_values(night, findings)
    mapped = fetch_mapped_records(night)
    notes, mapping_warnings = mapping_messages(night, mapped)
    findings.add("note", *notes)
    counts = fetch_quality(night, mapped)
    found = doubts(night, counts, n_cohort, n_scored)
    lacking = [f"{name}: {records}" for name, records in without_number(night, counts).items()]
    findings.add("warning", *mapping_warnings, *cohort_warnings(counts), *found)
    findings.add(
        "warning", *(each for each in lacking if not any(said.startswith(each) for said in found))
    )
    if n_scored == 0:
        return
    for quantity in _UNIT_QUANTITIES:
        _units(quantity, counts, findings)
    for covariate in night.model.card.covariates:
        n_imputed = counts[covariate.name, "n_imputed"]
        share = n_imputed / n_scored
        if n_imputed:
            rule = getattr(night.config.covariates, covariate.name, None)
            is_measured = isinstance(rule, Measured)
            is_looked_for = _is_looked_for(night.config, covariate.name)
            findings.add(
                "warning" if share >= 0.5 and is_looked_for else "note",
                f"{covariate.name}: would be imputed for {share:.1%} of patients"
                + ("" if is_looked_for else "; no concept is named for it"),
                key=f"covariates.{covariate.name}{'.concept_ids' if is_measured else ''}",
                next_step="name the concepts under which your site records it"
                if is_measured
                else "see under which concepts your site records it",
            )


def _units(quantity: str, counts: Quality, findings: Findings) -> None:
    """Report how many records have an accepted unit, unless no record has a number."""
    n_records = counts[quantity, "n_records"]
    if not n_records:
        findings.add(
            "warning",
            f"{quantity}: no patient has a record in its window",
            key=f"covariates.{quantity}.concept_ids, covariates.{quantity}.lookback_days",
            next_step="see under which concepts your site records it, and until when",
        )
        return
    n = n_records - counts[quantity, "n_rejected_value"]
    if not n:
        return
    n_rejected = counts[quantity, "n_rejected_unit"]
    findings.add(
        "warning" if n_rejected else "note",
        f"{quantity}: {1 - n_rejected / n:.1%} of {n:,} records have an accepted unit"
        + (f"; {n_rejected:,} are rejected for their unit" if n_rejected else ""),
        key=f"units ({quantity})" if n_rejected else "",
        next_step="add the unit with its factor to your file of units" if n_rejected else "",
    )


def _is_looked_for(config: RunConfig, covariate: str) -> bool:
    """Return False for a quantity without any concept: no standard one exists for the CDAI."""
    rule = getattr(config.covariates, covariate, None)
    if not isinstance(rule, Measured):
        return True
    sets = (*rule.measurement_concept_sets, *rule.observation_concept_sets)
    return bool(rule.concept_ids or sets)


def _pulled_values(night: Night, findings: Findings) -> None:
    """Warn of the unreadable values of the rows that were pulled."""
    if not night.engine.reads_in_place:
        values = count_unreadable(night.engine)
        findings.add("warning", *values.problems, *values.warnings)
