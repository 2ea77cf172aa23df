"""Coded values of the results tables, each defined once, in the order in which they are shown.

`coded_words` returns the values that each coded column may have. The caller supplies the values
that depend on the model card (classes, labels, covariates), because this module imports no other.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Literal, TypeAlias, get_args

RUN_STATUSES = ("RUNNING", "COMPLETE", "FAILED", "WITHDRAWN")
RUNNING, COMPLETE, FAILED, WITHDRAWN = RUN_STATUSES
#: No run stores `postgresql` any more: the run file may say it, and earlier runs did.
EngineName: TypeAlias = Literal["duckdb", "postgresql", "spark"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)
Uncertainty: TypeAlias = Literal["bootstrap", "analytic"]
UNCERTAINTIES: tuple[Uncertainty, ...] = get_args(Uncertainty)

#: Name of the cohort, of its concept set, and of the first step of the attrition.
COHORT = "crohns_disease"
#: Reasons for not scoring a person of the cohort, in the order in which they are applied.
EXCLUSIONS = ("year_of_birth_unknown", "sex_unknown", "deceased", "age_out_of_range")
ATTRITION_REASONS = (COHORT, *EXCLUSIONS)

COVARIATE_STATUSES = ("observed", "computed", "absent", "imputed", "left_out")

#: The statuses as numbers from 1.
STATUS_CODES = {status: code for code, status in enumerate(COVARIATE_STATUSES, 1)}
MEASURED_TABLES = ("measurement", "observation")
EVIDENCE_TABLES = ("person", "condition_occurrence", "drug_exposure", *MEASURED_TABLES)
#: How the unit of a record was recognised: by its concept, by its text, or accepted without any.
UNIT_SOURCES = ("concept", "text", "missing")
#: Quantities from which a covariate is computed.
INPUT_QUANTITIES = ("body_weight", "body_height")

#: Names of the concept sets for person.race_concept_id.
RACE_SETS = (
    "race_white",
    "race_black_or_african_american",
    "race_asian",
    "race_american_indian_or_alaska_native",
    "race_native_hawaiian_or_other_pacific_islander",
    "race_other",
)
RACE_UNKNOWN = "race_unknown"
RACES = (*RACE_SETS, RACE_UNKNOWN)
UNKNOWN = "unknown"
SEXES = ("female", "male", UNKNOWN)
#: The 18 age groups of the paper: name, lowest and highest age in completed years, both included.
AGE_GROUPS = (
    ("Under 5", -(10**6), 4),
    *((f"{low} to {low + 4}", low, low + 4) for low in range(5, 85, 5)),
    ("85 and over", 85, 10**6),
)
#: The age groups in tens, for tables in which the 18 would be too small to be printed.
AGE_DECADES = (
    ("Under 10", -(10**6), 9),
    *((f"{low} to {low + 9}", low, low + 9) for low in range(10, 80, 10)),
    ("80 and over", 80, 10**6),
)
AGES_FROM_50 = tuple(name for name, low, _ in (*AGE_GROUPS, *AGE_DECADES) if low >= 50)
AGE_GROUP_NAMES = (*(name for name, _, _ in AGE_GROUPS), UNKNOWN)

#: Populations of the prevalence and pyramid audits. Each is a subset of the one before it.
Population: TypeAlias = Literal["crohns_disease", "biologic_exposed", "first_biologic_since"]
POPULATIONS: tuple[Population, ...] = get_args(Population)
FIRST_BIOLOGIC_SINCE = POPULATIONS[-1]
ALL = "all"
WOMEN_50_AND_OVER = "women_50_and_over"
AGE_SEX_POPULATIONS = (WOMEN_50_AND_OVER, "men_50_and_over", "women_under_50", "men_under_50")
#: Populations of the treatment audits.
TREATED_POPULATIONS = (ALL, *AGE_SEX_POPULATIONS)
AGE_OR_SEX_UNKNOWN = "age_or_sex_unknown"

ACTIVE_DISEASE = "active_disease"
#: Populations of `current_treatment`, of the scored patients. The first holds the others.
NOW_POPULATIONS = (ALL, WOMEN_50_AND_OVER, ACTIVE_DISEASE)
#: The drug in use, or the one last used.
CURRENT, LAST = TREATMENTS = ("current", "last")

FIRST_BIOLOGIC, FIRST_ANTI_TNF = INDEX_RULES = ("first_biologic", "first_anti_tnf")
DISEASE_RECORD = "disease_record"
#: Events of `prevalence_by_year`.
YEARLY_EVENTS = (DISEASE_RECORD, FIRST_BIOLOGIC)
#: Measures of `prevalence_by_year`.
YEARLY_MEASURES = (WOMEN_50_AND_OVER, AGE_OR_SEX_UNKNOWN)
OTHER_ADVANCED = "other_advanced"
NONE_NEXT = ("none_died", "none_continuing", "none_stopped")
NO_PREFERENCE = "no_preference"
NOT_SCORED = "not_scored"
#: Preference group of several, but not all, classes on top.
SHARED_TOP = "shared_top"
NONE = "none"
#: The class used by patients with one class alone on top: that class, another one, or none.
ON_TOP, ANOTHER, _ = CLASSES_USED = ("on_top", "another", NONE)

YES_NO = ("yes", "no")
#: Values of each stratum of the scored patients; `first_biologic_year` may also be a year,
#: `preference_group` the group of a class, and `ruled_out_class` a class.
STRATUM_VALUES: Mapping[str, tuple[str, ...]] = {
    ALL: (ALL,),
    "sex": SEXES,
    "age_group": AGE_GROUP_NAMES,
    WOMEN_50_AND_OVER: YES_NO,
    "race": (*RACE_SETS, UNKNOWN),
    "prior_anti_tnf": YES_NO,
    "first_biologic_year": (NONE,),
    "imputed": YES_NO,
    "within_trial_range": (*YES_NO, UNKNOWN),
    "preference_group": (SHARED_TOP, NO_PREFERENCE),
    "ruled_out_class": (NONE,),
}

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
STATUS_MEASURES = tuple(f"n_{status}" for status in COVARIATE_STATUSES)
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
    "n_long_exposure",
    "n_reversed_exposure",
    "n_negative_supply",
    "n_implausible_start",
    "n_record_after_death",
    "n_death_contradicted",
    "n_death_before_birth",
    "n_deaths_of_two_dates",
)
#: Counts of the records that belong to a concept set by a mapping or by their source concept.
MAPPING_MEASURES = ("n_records_mapped", "n_persons_mapped")
#: Counts of the cohort's records without a date, one measure per table with such records.
UNDATED_PREFIX = "n_records_without_date:"
#: Heights in feet that may be in feet and inches, of the records rejected for their unit.
AMBIGUOUS_FEET = "n_rejected_unit:feet_and_inches"
#: Value of `covariate` for counts of values that cannot be cast, with one measure per column.
INPUT = "input"
UNCASTABLE_PREFIX = "n_uncastable:"

LABEL_CHECKS = ("worst_class_ruled_out", "order_not_significant", "best_response_elsewhere")
FIRST_QUARTILE, THIRD_QUARTILE, EITHER_QUARTILE, REDUCED_MODEL = ASSUMPTIONS = (
    *("first_quartile", "third_quartile", "either_quartile", "reduced_model"),
)
#: Separator of covariates, where an assumption concerns several of them.
TOGETHER = " + "
#: Separator of drug classes, where a preference is for several of them.
EQUALLY = " = "
SCORED, RECORDED = SUMMARISED = ("scored", "recorded")
NOTHING_IMPUTED = "nothing_imputed"
EFFECT, RESPONSE, COVARIATE, DISTANCE = HISTOGRAMS = (
    *("attributable_effect", "response_probability", "covariate", "trial_distance"),
)

#: Text columns with names, versions, digests and free text instead of coded values.
FREE_TEXT = frozenset(
    (
        *("tool_version", "model_id", "model_sha256", "config_sha256", "concept_sets_sha256"),
        *("cdm_source_name", "cdm_version", "vocabulary_version", "config_json", "message"),
        *("cdm_snapshot", "rows_written"),
        *("source_unit", "drug", "next_drug", "concept_set"),
        *("cohort_definition_name", "cohort_definition_description"),
    )
)


def alone_on_top(class_key: str) -> str:
    """Return the prevalence measure of patients whose label puts only this class first."""
    return f"{class_key}_alone_on_top"


def alone(class_key: str) -> str:
    """Return the preference group of patients whose label puts only this class first."""
    return f"{class_key}_alone"


def preference_groups(classes: Sequence[str]) -> tuple[str, ...]:
    """Return the values of `preference_group` for the class keys of a model card.

    Of two classes, both on top is no preference, so that their groups are three.
    """
    shared = (SHARED_TOP,) if len(classes) > 2 else ()
    return (*(alone(key) for key in classes), *shared, NO_PREFERENCE)


def prevalence_measures(classes: Sequence[str]) -> tuple[str, ...]:
    """Return the measures of `prevalence` for the class keys of a model card."""
    return (
        WOMEN_50_AND_OVER,
        AGE_OR_SEX_UNKNOWN,
        *(alone_on_top(key) for key in classes),
        *RACES,
    )


def next_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """Return the values of `next_class` for the class keys of a model card."""
    return (*classes, OTHER_ADVANCED, *NONE_NEXT)


def preferences(classes: Sequence[str]) -> tuple[str, ...]:
    """Return the values of `preferred` for the class keys of a model card.

    These are all groups of classes except the group of all, then no preference and not scored.
    """
    sizes = range(1, len(classes))
    groups = [EQUALLY.join(each) for n in sizes for each in combinations(classes, n)]
    return (*groups, NO_PREFERENCE, NOT_SCORED)


def shared_tops(classes: Sequence[str]) -> tuple[str, ...]:
    """Return the values of `preferred` in the group SHARED_TOP, for the class keys of a card."""
    sizes = range(2, len(classes))
    return tuple(EQUALLY.join(each) for n in sizes for each in combinations(classes, n))


def drug_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """Return the values of `drug_class` in `current_treatment`, for the class keys of a card."""
    return (*classes, OTHER_ADVANCED, NONE)


def coded_words(
    classes: Sequence[str], labels: Sequence[str], covariates: Sequence[str]
) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return the values that each coded column may have, by table and column.

    Parameters
    ----------
    classes, labels, covariates
        Class keys, subgroup labels and covariate names of a model card, in the card's order.

    Returns
    -------
    dict
        Values in the order in which they are shown. Further values are possible:
        `covariate_quality.measure` may be UNCASTABLE_PREFIX and the name of a column, or
        UNDATED_PREFIX and the name of a table,
        `covariate_quality.covariate` the name of a measured quantity or of a concept set,
        `subgroup_summary.stratum_value` a year, and `imputation_sensitivity.covariate` several
        covariates separated by TOGETHER.
    """
    classes, labels, covariates = tuple(classes), tuple(labels), tuple(covariates)
    populations = {"population": TREATED_POPULATIONS, "index_rule": INDEX_RULES}
    treated = {**populations, "index_class": (ALL, *classes)}
    measures = (
        *(*MEASUREMENT_MEASURES, AMBIGUOUS_FEET, *STATUS_MEASURES, *STEROID_MEASURES),
        *(*COHORT_MEASURES, *MAPPING_MEASURES),
    )
    groups = preference_groups(classes)
    values = dict.fromkeys(value for each in STRATUM_VALUES.values() for value in each)
    values |= dict.fromkeys((*groups, *classes))
    tables: dict[str, dict[str, tuple[str, ...]]] = {
        "scoring_run": {"engine": ENGINES, "uncertainty": UNCERTAINTIES},
        "scoring_run_status": {"status": RUN_STATUSES},
        "attrition": {"reason": ATTRITION_REASONS},
        "patient_covariate": {
            "covariate": covariates,
            "status": COVARIATE_STATUSES,
            "source_table": EVIDENCE_TABLES,
            "unit_source": UNIT_SOURCES,
        },
        "covariate_input": {
            "covariate": covariates,
            "quantity": INPUT_QUANTITIES,
            "source_table": MEASURED_TABLES,
            "unit_source": UNIT_SOURCES,
        },
        "counterfactual": {"drug_class": classes},
        "patient_subgroup": {
            "subgroup": labels,
            **dict.fromkeys(("first_class", "second_class", "third_class"), classes),
            "preference_group": groups,
            "ruled_out_class": classes,
        },
        "treatment_line": {"drug_class": (*classes, OTHER_ADVANCED)},
        "index_treatment": {
            "index_rule": INDEX_RULES,
            "drug_class": classes,
            "population": AGE_SEX_POPULATIONS,
            "preferred": preferences(classes),
            "next_class": next_classes(classes),
        },
        "covariate_quality": {"covariate": (*covariates, COHORT, INPUT), "measure": measures},
        "subgroup_summary": {
            "stratum": tuple(STRATUM_VALUES),
            "stratum_value": tuple(values),
            "subgroup": labels,
        },
        "preference_summary": {
            "stratum": tuple(STRATUM_VALUES),
            "stratum_value": tuple(values),
            "preference_group": groups,
        },
        "prevalence": {"population": POPULATIONS, "measure": prevalence_measures(classes)},
        "age_sex_pyramid": {"population": POPULATIONS, "age_group": AGE_GROUP_NAMES, "sex": SEXES},
        "next_treatment": {**treated, "next_class": next_classes(classes)},
        "next_treatment_time": treated,
        "preference_concordance": {
            "population": TREATED_POPULATIONS,
            "preferred": preferences(classes),
            "next_class": next_classes(classes),
        },
        "current_treatment": {
            "population": NOW_POPULATIONS,
            "treatment": TREATMENTS,
            "preference_group": (ALL, *groups),
            "preferred": (ALL, *shared_tops(classes)),
            "drug_class": drug_classes(classes),
        },
        "treated_otherwise": {
            "population": NOW_POPULATIONS,
            "treatment": TREATMENTS,
            "class_used": CLASSES_USED,
        },
        "prevalence_by_year": {"event": YEARLY_EVENTS, "measure": YEARLY_MEASURES},
        "uncertainty_comparison": dict.fromkeys(
            ("subgroup_bootstrap", "subgroup_analytic"), labels
        ),
        "label_check": {"uncertainty": UNCERTAINTIES, "measure": LABEL_CHECKS},
        "imputation_sensitivity": {"covariate": covariates, "assumption": ASSUMPTIONS},
        "covariate_summary": {"covariate": covariates, "population": SUMMARISED},
        "preference_profile": {
            "preference_group": (ALL, *groups),
            "measure": (COVARIATE, EFFECT),
            "category": (*covariates, *classes),
            "population": SUMMARISED,
        },
        "histogram": {
            "measure": HISTOGRAMS,
            "category": (*classes, *covariates, SCORED, NOTHING_IMPUTED),
        },
    }
    return {(table, name): words for table, each in tables.items() for name, words in each.items()}
