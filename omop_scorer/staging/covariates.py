"""The covariates: value, evidence and status per patient, and the treatment lines.

The rules are in `sql/covariates/`, one file per covariate. This module runs them in order, passes
their windows, and determines the replacement for a value that was not found.
"""

from collections.abc import Iterable

import pyarrow as pa

from omop_scorer.config.run_file import CurrentExposure, DiseaseLocation, Exposure, Measured
from omop_scorer.staging.night import Night
from omop_scorer.staging.pull import pull_records
from omop_scorer.staging.rule_sets import drug_sets, measured_sets

#: More days than the calendar has. A window without a number of days is as long as that.
EVER = 4_000_000

#: Files that find and judge the records, in order.
RECORDS = (
    *("measurement_record", "measurement_doubt", "measurement_value", "measurement_latest"),
    *("drug_record", "steroid_form", "steroid_record"),
)


def stage_covariates(night: Night) -> None:
    """Stage `work.patient_covariate`, one row per scored patient and covariate, and the lines."""
    _load_rules(night)
    pull_records(night)
    with night.step("exposure") as step:
        step.rows = night.stage("covariates/exposure")
    stage_values(night)
    with night.step("covariate_input") as step:
        step.rows = night.stage("covariates/covariate_input")
    with night.step("treatment_line") as step:
        step.rows = night.stage("covariates/treatment_line")


def stage_values(night: Night) -> None:
    """Stage `patient_covariate` from records up to each person's index date."""
    days = windows(night.config.covariates.steroid)
    for name in RECORDS:
        with night.step(name) as step:
            step.rows = night.stage(f"covariates/{name}", None, **days)
    n_before = 0
    for covariate in night.model.card.covariates:
        rule = getattr(night.config.covariates, covariate.name, None)
        with night.step(covariate.name) as step:
            n = night.stage(f"covariates/{covariate.name}", "covariate", **windows(rule))
            step.rows, n_before = n - n_before, n
    with night.step("patient_covariate") as step:
        night.load("model_covariate", _replacements(night))
        step.rows = night.stage("covariates/patient_covariate")


def windows(rule: object) -> dict[str, int]:
    """Return the numbers of days that the SQL file of a covariate binds; `EVER` for no limit."""
    days: dict[str, int] = {}
    if isinstance(rule, Exposure | DiseaseLocation):
        days["lookback_days"] = _or_ever(rule.lookback_days)
    if isinstance(rule, CurrentExposure):
        days["maximum_days"] = _or_ever(rule.maximum_days)
    return days


def _or_ever(days: int | None) -> int:
    return EVER if days is None else days


def _load_rules(night: Night) -> None:
    units, drugs = night.definitions.units, night.definitions.lines.rows()
    quantities = night.config.covariates.quantities()
    rules = quantities.values()
    night.load(
        "quantity",
        pa.table(
            {
                "quantity": pa.array(quantities, pa.string()),
                "lookback_days": pa.array([_or_ever(rule.lookback_days) for rule in rules]),
                "minimum": pa.array([rule.minimum for rule in rules], pa.float64()),
                "maximum": pa.array([rule.maximum for rule in rules], pa.float64()),
                "minimum_age": pa.array([rule.minimum_age for rule in rules]),
                "accepts_missing_unit": [units.accepts_missing_unit(q) for q in quantities],
            }
        ),
    )
    sources = [row for name, rule in quantities.items() for row in _sources(name, rule)]
    night.load("quantity_set", _table(sources, quantity="s", source_table="s", concept_set="s"))
    night.stage("covariates/quantity_concept")
    night.load(
        "unit_concept", _table(units.concept_rows(), quantity="s", unit_concept_id="i", factor="f")
    )
    night.load("unit_text", _table(units.text_rows(), quantity="s", unit_text="s", factor="f"))
    night.load(
        "line_drug", _table(drugs, concept_set="s", drug="s", drug_class="s", drug_order="i")
    )
    sets = drug_sets(night.definitions)
    night.load("drug_set", pa.table({"concept_set": pa.array(sets, pa.string())}))


def _sources(quantity: str, rule: Measured) -> Iterable[dict[str, object]]:
    for table, name in measured_sets(quantity, rule):
        yield {"quantity": quantity, "source_table": table, "concept_set": name}


def _table(rows: Iterable[dict[str, object]], **kinds: str) -> pa.Table:
    types = {"s": pa.string(), "i": pa.int64(), "f": pa.float64()}
    schema = pa.schema([(name, types[kind]) for name, kind in kinds.items()])
    return pa.Table.from_pylist(list(rows), schema=schema)


def _replacements(night: Night) -> pa.Table:
    """Return, per covariate of the card, the value and status of a patient without a value."""
    config, model = night.config, night.model
    medians: dict[str, float] = {}
    if config.impute == "cohort_median":
        rows = night.fetch("covariates/cohort_median")
        medians = {str(name): float(str(value)) for name, value in rows}
    means = model.card.training_population.mean
    left_out = model.can_be_left_out if config.missing == "reduced_model" else ()
    out: list[dict[str, object]] = []
    for covariate in model.card.covariates:
        name = covariate.name
        rule = getattr(config.covariates, name, None)
        value, status = covariate.imputed_value, "imputed"
        if isinstance(rule, Exposure):
            value, status = 0.0, "absent"
        elif name in left_out:
            value, status = None, "left_out"
        elif value is not None:
            own = getattr(rule, "imputed_value", None)
            if own is not None:
                value = own
            elif config.impute == "training_mean":
                value = means[name]
            elif config.impute == "cohort_median" and name in medians:
                value = medians[name]
            elif config.impute == "cohort_median":
                night.journal.warn(
                    f"{name}: no patient has a value, so there is no cohort median; "
                    f"the model card's constant {value:g} is imputed instead"
                )
        out.append({"covariate": name, "missing_value": value, "missing_status": status})
    return _table(out, covariate="s", missing_value="f", missing_status="s")
