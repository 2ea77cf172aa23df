"""The list of what may leave the warehouse. What it does not name stays, whatever it is called.

A results column, a key of the run file or a column of a file that is new stays until it is named
here; a test fails until it is named on one of the two sides.
"""

from collections.abc import Mapping

from omop_scorer.terms import INPUT_QUANTITIES

_SHARE = ("share", "ci_low", "ci_high")
_NEXT = ("population", "index_rule", "index_class")

#: Columns that may leave, by results table, in the order of the files. `run` is the row of
#: scoring_run with its COMPLETE status. run_id is in no other file.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "run": (
        *("run_id", "as_of_date", "started_at", "completed_at", "tool_version", "engine"),
        *("model_id", "model_sha256", "config_sha256", "concept_sets_sha256", "uncertainty"),
        *("cdm_source_name", "cdm_version", "cdm_release_date", "vocabulary_version"),
        *("n_cohort", "n_scored", "message", "cdm_snapshot"),
    ),
    "attrition": ("step", "reason", "n_persons", "n_excluded"),
    "concept_set_member": ("concept_set", "concept_id", "n_records", "is_mapped", "is_invalid"),
    "covariate_quality": ("covariate", "measure", "n"),
    "subgroup_summary": (
        *("stratum", "stratum_value", "subgroup", "n_persons", "n_stratum"),
        *_SHARE,
    ),
    "preference_summary": (
        *("stratum", "stratum_value", "preference_group", "n_persons", "n_stratum"),
        *_SHARE,
    ),
    "prevalence": ("population", "measure", "n_persons", "n_population", *_SHARE),
    "age_sex_pyramid": ("population", "age_group", "sex", "n_persons"),
    "next_treatment": (*_NEXT, "next_class", "n_persons", "n_population", *_SHARE),
    "next_treatment_time": (
        *(*_NEXT, "n_persons", "first_quartile_days", "median_days", "third_quartile_days"),
    ),
    "preference_concordance": ("population", "preferred", "next_class", "n_persons"),
    "current_treatment": (
        *("population", "treatment", "preference_group", "preferred", "drug_class"),
        *("n_persons", "n_population", *_SHARE),
    ),
    "treated_otherwise": (
        *("population", "treatment", "class_used", "n_persons", "n_population", *_SHARE),
    ),
    "prevalence_by_year": (
        *("event", "calendar_year", "measure", "n_persons", "n_population", *_SHARE),
    ),
    "uncertainty_comparison": ("subgroup_bootstrap", "subgroup_analytic", "n_persons"),
    "label_check": ("uncertainty", "measure", "n_persons", "n_population"),
    "imputation_sensitivity": (
        *("covariate", "assumption", "assumed_value", "n_imputed", "n_changed"),
    ),
    "covariate_summary": (
        *("covariate", "population", "n_persons", "mean", "standard_deviation", "trial_mean"),
        *("trial_standard_deviation", "standardised_mean_difference"),
    ),
    "preference_profile": (
        *("preference_group", "measure", "category", "population", "n_persons"),
        *("mean", "standard_deviation", "ci_low", "ci_high"),
    ),
    "histogram": ("measure", "category", "bin_low", "bin_high", "n_persons", "expected_share"),
    "run_cohort_definition": (
        *("cohort_definition_id", "cohort_definition_name", "cohort_definition_description"),
    ),
}

#: Columns that stay although their table has no row of a person.
STAYING_COLUMNS: Mapping[str, tuple[str, ...]] = {
    # Of the keys of config_json, those below leave. The last day may be that of one record.
    "scoring_run": ("config_json", "cdm_last_date"),
    # Only COMPLETE runs have a report; the time of that status is `completed_at`.
    "scoring_run_status": ("status", "recorded_at", "rows_written"),
}

_MEASURED = (
    *("concept_ids", "measurement_concept_sets", "observation_concept_sets", "lookback_days"),
    *("minimum", "maximum", "minimum_age", "imputed_value"),
)
_QUANTITIES = ("crp", "cdai", "bmi", *INPUT_QUANTITIES)

#: Keys of the run file that may leave: the rules by which persons and values were chosen.
KEYS = frozenset(
    (
        *("engine", "as_of_date", "uncertainty", "missing", "impute", "minimum_cell_count"),
        *("cohort.concept_ids", "cohort.extra_concept_ids", "cohort.minimum_distinct_days"),
        *("cohort.exclude_concept_sets", "cohort.age_rule", "concept_mapping"),
        *("cohort.age_minimum", "cohort.age_maximum"),
        *(f"covariates.{quantity}.{key}" for quantity in _QUANTITIES for key in _MEASURED),
        *(
            f"covariates.{exposure}.lookback_days"
            for exposure in ("prior_anti_tnf", "steroid", "immunomodulator", "ileal")
        ),
        *("covariates.steroid.maximum_days", "covariates.immunomodulator.maximum_days"),
        *("covariates.ileal.imputed_value", "audit.since", "audit.age_at", "audit.continuing_days"),
        *("audit.active_cdai", "audit.active_crp", "disclosure.rounding"),
        *("report.title", "report.department", "report.contact", "report.language"),
    )
)

#: Keys that stay: places, names and sizes of the site.
STAYING_KEYS = frozenset(
    (
        *("cdm", "results", "postgresql", "spark"),
        *("model", "concept_sets", "units", "treatment_lines"),
        *("batch_size", "threads", "memory_limit", "keep_person_level_runs"),
        *("cohort.minimum_persons", "cohort.maximum_rows"),
    )
)
