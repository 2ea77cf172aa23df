"""Run the covariate SQL: values, evidence and state per patient, and the matrix to score.

The rules are in `sql/covariates/`, one file a covariate; this module runs them in order, hands
them their windows, and says what stands in for a value that was not found.
"""

from collections.abc import Iterable
from datetime import date

import pyarrow as pa
from sqlglot import exp

from omop_scorer import sql
from omop_scorer.cohort import COHORT_SET, INDEX, fetch_file, run_file
from omop_scorer.config import Exposure, Measured, RunConfig
from omop_scorer.engines.base import Engine
from omop_scorer.errors import ConfigurationError
from omop_scorer.journal import Journal
from omop_scorer.model import Model
from omop_scorer.units import TreatmentLines, Units
from omop_scorer.variants import can_be_left_out

STATUSES = ("observed", "computed", "absent", "imputed", "left_out")
MEASUREMENT_MEASURES = (
    "n_records",
    "n_rejected_value",
    "n_rejected_unit",
    "n_rejected_limit",
    "n_converted",
    "n_censored",
    "n_unit_from_text",
    "n_unit_missing",
)
STEROID_MEASURES = (
    "n_oral",
    "n_injected",
    "n_injected_one_day",
    "n_local",
    "n_unclassified",
    "n_unclassified_persons",
)
COHORT_MEASURES = (
    "n_with_ulcerative_colitis",
    "n_excluded_condition",
    "n_records_without_date",
    "n_deaths_without_date",
)
_DRUG_SETS = ("biologic_anti_tnf", "immunomodulator", "systemic_corticosteroid")

Quality = dict[tuple[str, str], int]


def refuse_unknown_covariates(config: RunConfig, model: Model, units: Units) -> None:
    """Fail when the model card asks for a covariate without a rule, or a quantity has no units.

    Raises
    ------
    ConfigurationError
    """
    rules = {name.rpartition("/")[2] for name in sql.names() if name.startswith("covariates/")}
    problems = [
        f"{model.path}: covariate {covariate.name!r} has no rule in sql/covariates; a run cannot "
        "derive it from a CDM, but `omop-scorer score` can take it from a file"
        for covariate in model.card.covariates
        if covariate.name not in rules
    ]
    problems += [
        f"the unit table lacks the quantity {quantity!r}"
        for quantity in config.covariates.quantities()
        if quantity not in units.quantities
    ]
    if problems:
        raise ConfigurationError(*problems)


def stage_covariates(
    engine: Engine,
    config: RunConfig,
    model: Model,
    units: Units,
    lines: TreatmentLines,
    as_of: date,
    journal: Journal,
) -> None:
    """Stage `work.patient_covariate` (every covariate of every scored patient) and the lines."""
    _load_rules(engine, config, units, lines)
    _stage_records(engine, config, model, as_of, journal)
    with journal.step("patient_covariate") as step:
        engine.load("model_covariate", _what_stands_in(engine, config, model, journal))
        step.rows = run_file(engine, "covariates/patient_covariate", "patient_covariate")
    with journal.step("treatment_line") as step:
        step.rows = run_file(engine, "covariates/treatment_line", "treatment_line")


def stage_covariates_at_index(
    engine: Engine, config: RunConfig, model: Model, as_of: date, journal: Journal
) -> None:
    """Stage `work.index_patient_covariate`: the covariates as of each person's index treatment.

    The same rules on the same records, of which none after the person's own index date is read.
    Instead of a median of the cohort, which rests on later records, the model card's constants
    stand in for what is missing.
    """
    if config.impute == "cohort_median":
        config = config.model_copy(update={"impute": "calculator"})
    _stage_records(engine, config, model, as_of, journal, INDEX)
    with journal.step(f"{INDEX}patient_covariate") as step:
        rows = _what_stands_in(engine, config, model, journal)
        engine.load(f"{INDEX}model_covariate", rows)
        step.rows = run_file(
            engine, "covariates/patient_covariate", "patient_covariate", prefix=INDEX
        )


def _stage_records(
    engine: Engine,
    config: RunConfig,
    model: Model,
    as_of: date,
    journal: Journal,
    prefix: str = "",
) -> None:
    parameters: dict[str, object] = {
        "as_of_date": as_of,
        "year_only": int(config.cohort.age_rule == "year"),
    }
    for name in ("measurement_record", "measurement_value", "measurement_latest", "drug_record"):
        with journal.step(f"{prefix}{name}") as step:
            step.rows = run_file(engine, f"covariates/{name}", name, parameters, prefix)
    steroid = {"lookback_days": config.covariates.steroid.lookback_days}
    for name in ("steroid_form", "steroid_record"):
        with journal.step(f"{prefix}{name}") as step:
            step.rows = run_file(engine, f"covariates/{name}", name, steroid, prefix)
    n_before = 0
    for covariate in model.card.covariates:
        rule = getattr(config.covariates, covariate.name, None)
        if isinstance(rule, Exposure):
            parameters["lookback_days"] = rule.lookback_days
        with journal.step(f"{prefix}{covariate.name}") as step:
            n = run_file(engine, f"covariates/{covariate.name}", "covariate", parameters, prefix)
            step.rows, n_before = n - n_before, n


def _load_rules(engine: Engine, config: RunConfig, units: Units, lines: TreatmentLines) -> None:
    quantities = config.covariates.quantities()
    engine.load(
        "quantity",
        pa.table(
            {
                "quantity": pa.array(quantities, pa.string()),
                "lookback_days": pa.array([r.lookback_days for r in quantities.values()]),
                "minimum": pa.array([r.minimum for r in quantities.values()], pa.float64()),
                "maximum": pa.array([r.maximum for r in quantities.values()], pa.float64()),
                "minimum_age": pa.array([r.minimum_age for r in quantities.values()]),
                "accepts_missing_unit": [units.accepts_missing_unit(q) for q in quantities],
            }
        ),
    )
    sources = [row for name, rule in quantities.items() for row in _sources(name, rule)]
    engine.load("quantity_set", _table(sources, quantity="s", source_table="s", concept_set="s"))
    run_file(engine, "covariates/quantity_concept", "quantity_concept")
    engine.load(
        "unit_concept", _table(units.concept_rows(), quantity="s", unit_concept_id="i", factor="f")
    )
    engine.load("unit_text", _table(units.text_rows(), quantity="s", unit_text="s", factor="f"))
    drugs = lines.rows()
    engine.load(
        "line_drug", _table(drugs, concept_set="s", drug="s", drug_class="s", drug_order="i")
    )
    sets = sorted({*_DRUG_SETS, *(str(drug["concept_set"]) for drug in drugs)})
    engine.load("drug_set", pa.table({"concept_set": pa.array(sets, pa.string())}))


def _sources(quantity: str, rule: Measured) -> Iterable[dict[str, object]]:
    site = (f"site_{quantity}",) if rule.concept_ids else ()
    for table, names in (
        ("measurement", (*rule.measurement_concept_sets, *site)),
        ("observation", (*rule.observation_concept_sets, *site)),
    ):
        for name in names:
            yield {"quantity": quantity, "source_table": table, "concept_set": name}


def _table(rows: Iterable[dict[str, object]], **kinds: str) -> pa.Table:
    types = {"s": pa.string(), "i": pa.int64(), "f": pa.float64()}
    schema = pa.schema([(name, types[kind]) for name, kind in kinds.items()])
    return pa.Table.from_pylist(list(rows), schema=schema)


def _what_stands_in(engine: Engine, config: RunConfig, model: Model, journal: Journal) -> pa.Table:
    """Say, per covariate of the card, what a patient without a value gets, and in which state."""
    medians: dict[str, float] = {}
    if config.impute == "cohort_median":
        rows = fetch_file(engine, "covariates/cohort_median")
        medians = {str(name): float(str(value)) for name, value in rows}
    means = model.card.training_population.mean
    left_out = can_be_left_out(model) if config.missing == "reduced_model" else ()
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
                journal.warn(
                    f"{name}: found for no patient, so there is no cohort median; "
                    f"the model card's constant {value:g} is imputed instead"
                )
        out.append({"covariate": name, "missing_value": value, "missing_status": status})
    return _table(out, covariate="s", missing_value="f", missing_status="s")


def matrix_query(model: Model, prefix: str = "") -> exp.Expr:
    """Return the query of one row per scored patient, in the order of person_id.

    Columns: person_id, patient_age, patient_is_male, n_imputed, then per covariate of the card its
    value (NULL when it is left out of the model) and, each 0 or 1, `<name>_is_recorded` (observed
    or computed), `<name>_is_absent` and `<name>_is_imputed`.
    """
    value, status = exp.column("covariate_value", "c"), exp.column("status", "c")
    keys = [exp.column(name, "p") for name in ("person_id", "age", "is_male")]

    def of(name: str, then: exp.Expr) -> exp.Expr:
        is_it = exp.column("covariate", "c").eq(exp.Literal.string(name))
        return exp.Max(this=exp.case().when(is_it, then))

    def one_if(condition: exp.Expr) -> exp.Expr:
        return exp.case().when(condition, exp.Literal.number(1)).else_(exp.Literal.number(0))

    columns: list[exp.Expr] = [
        keys[0],
        exp.alias_(keys[1], "patient_age"),
        exp.alias_(keys[2], "patient_is_male"),
        exp.alias_(exp.Sum(this=one_if(status.eq("imputed"))), "n_imputed"),
    ]
    states = {
        "is_recorded": status.isin("observed", "computed"),
        "is_absent": status.eq("absent"),
        "is_imputed": status.eq("imputed"),
    }
    for covariate in model.card.covariates:
        columns.append(exp.alias_(of(covariate.name, value), covariate.name))
        for state, condition in states.items():
            flag = of(covariate.name, one_if(condition))
            columns.append(exp.alias_(flag, f"{covariate.name}_{state}"))
    # Nobody else has these trees, so none needs to be copied, of which there would be many.
    query = exp.select(*columns, copy=False)
    patient = exp.alias_(exp.table_(f"{prefix}patient", db="work"), "p", table=True)
    covariate_row = exp.alias_(exp.table_(f"{prefix}patient_covariate", db="work"), "c", table=True)
    query.from_(patient, copy=False)
    query.join(covariate_row, on="c.person_id = p.person_id", copy=False)
    query.group_by(*(key.copy() for key in keys), copy=False)
    return query.order_by(exp.column("person_id", "p"), copy=False)


def quality(engine: Engine, config: RunConfig, model: Model, as_of: date) -> Quality:
    """Count what became of the records and in which state the covariates are.

    Returns counts by (covariate or quantity, measure); zeros are included.
    """
    counts: Quality = {
        (quantity, measure): 0
        for quantity in config.covariates.quantities()
        for measure in MEASUREMENT_MEASURES
    }
    for quantity, *numbers in fetch_file(engine, "covariates/quality_measurement"):
        for measure, n in zip(MEASUREMENT_MEASURES, numbers, strict=True):
            counts[str(quantity), measure] = int(str(n))
    for covariate in model.card.covariates:
        counts |= {(covariate.name, f"n_{status}"): 0 for status in STATUSES}
    for covariate_name, status, n in fetch_file(engine, "covariates/quality_status"):
        counts[str(covariate_name), f"n_{status}"] = int(str(n))
    (steroid,) = fetch_file(engine, "covariates/quality_steroid")
    for measure, n in zip(STEROID_MEASURES, steroid, strict=True):
        counts["steroid", measure] = int(str(n))
    (cohort,) = fetch_file(engine, "cohort/quality_cohort", {"as_of_date": as_of})
    for measure, n in zip(COHORT_MEASURES, cohort, strict=True):
        counts[COHORT_SET, measure] = int(str(n))
    return counts


def doubts(counts: Quality) -> list[str]:
    """Put into words the counts that a reader of the cohort must know of."""
    words = {
        "n_excluded_condition": "person(s) with the disease are excluded for another condition",
        "n_records_without_date": "record(s) of the disease have no date and count for nothing",
        "n_deaths_without_date": "person(s) of the cohort have a death without a date",
    }
    return [
        f"{counts[COHORT_SET, m]:,} {text}" for m, text in words.items() if counts[COHORT_SET, m]
    ]
