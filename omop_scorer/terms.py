"""Coded words of the results tables, each defined once, in the order in which readers expect them.

`coded_words` gives the words that each coded column may hold. The words that a model card adds
(classes, labels, covariates) come from the caller, because this module imports nothing.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Literal, TypeAlias, get_args

RUN_STATUSES = ("RUNNING", "COMPLETE", "FAILED")
RUNNING, COMPLETE, FAILED = RUN_STATUSES
EngineName: TypeAlias = Literal["duckdb", "postgresql", "spark"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)
Uncertainty: TypeAlias = Literal["bootstrap", "analytic"]
UNCERTAINTIES: tuple[Uncertainty, ...] = get_args(Uncertainty)

#: The cohort of a run: persons with the disease.
COHORT = "crohns_disease"
#: Reasons why a person of the cohort is not scored, in the order in which they are applied.
EXCLUSIONS = ("year_of_birth_unknown", "sex_unknown", "deceased", "age_out_of_range")
ATTRITION_REASONS = (COHORT, *EXCLUSIONS)

COVARIATE_STATUSES = ("observed", "computed", "absent", "imputed", "left_out")
EVIDENCE_TABLES = (
    *("person", "condition_occurrence", "drug_exposure", "measurement", "observation"),
)

#: Concept sets of person.race_concept_id.
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
#: The paper's eighteen age groups: name, lowest and highest age in completed years, both included.
AGE_GROUPS = (
    ("Under 5", -(10**6), 4),
    *((f"{low} to {low + 4}", low, low + 4) for low in range(5, 85, 5)),
    ("85 and over", 85, 10**6),
)
AGE_GROUP_NAMES = (*(name for name, _, _ in AGE_GROUPS), UNKNOWN)

#: Populations of prevalence and pyramids. Each one is part of the one before it.
Population: TypeAlias = Literal["crohns_disease", "biologic_exposed", "first_biologic_since"]
POPULATIONS: tuple[Population, ...] = get_args(Population)
ALL = "all"
WOMEN_50_AND_OVER = "women_50_and_over"
AGE_SEX_POPULATIONS = (WOMEN_50_AND_OVER, "men_50_and_over", "women_under_50", "men_under_50")
#: Populations of the treatment audits.
TREATED_POPULATIONS = (ALL, *AGE_SEX_POPULATIONS)
AGE_OR_SEX_UNKNOWN = "age_or_sex_unknown"

FIRST_BIOLOGIC, FIRST_ANTI_TNF = INDEX_RULES = ("first_biologic", "first_anti_tnf")
OTHER_ADVANCED = "other_advanced"
NONE_NEXT = ("none_died", "none_continuing", "none_stopped")
NO_PREFERENCE = "no_preference"
NOT_SCORED = "not_scored"

YES_NO = ("yes", "no")
#: Values of each stratum of the scored patients; `first_biologic_year` has years as well.
STRATUM_VALUES: Mapping[str, tuple[str, ...]] = {
    ALL: (ALL,),
    "sex": SEXES,
    "age_group": AGE_GROUP_NAMES,
    WOMEN_50_AND_OVER: YES_NO,
    "race": (*RACE_SETS, UNKNOWN),
    "prior_anti_tnf": YES_NO,
    "first_biologic_year": ("none",),
    "imputed": YES_NO,
    "within_trial_range": (*YES_NO, UNKNOWN),
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
)
#: `covariate` of the counts of values that no safe cast can read, one measure per site's column.
INPUT = "input"
UNCASTABLE_PREFIX = "n_uncastable:"

LABEL_CHECKS = ("worst_class_ruled_out", "order_not_significant", "best_response_elsewhere")
FIRST_QUARTILE, THIRD_QUARTILE, REDUCED_MODEL = ASSUMPTIONS = (
    *("first_quartile", "third_quartile", "reduced_model"),
)
#: Joins the covariates of an assumption about several of them.
TOGETHER = " + "
#: Joins the classes of a preference for several of them.
EQUALLY = " = "
SCORED, RECORDED = SUMMARISED = ("scored", "recorded")
NOTHING_IMPUTED = "nothing_imputed"
EFFECT, RESPONSE, COVARIATE, DISTANCE = HISTOGRAMS = (
    *("attributable_effect", "response_probability", "covariate", "trial_distance"),
)

#: Text columns that hold names, versions, digests and texts instead of coded words.
FREE_TEXT = frozenset(
    (
        *("tool_version", "model_id", "model_sha256", "config_sha256", "concept_sets_sha256"),
        *("cdm_source_name", "cdm_version", "vocabulary_version", "config_json", "message"),
        *("source_unit", "drug", "concept_set"),
        *("cohort_definition_name", "cohort_definition_description"),
    )
)


def alone_on_top(class_key: str) -> str:
    """Return the prevalence measure of patients for whom one class alone ranks first."""
    return f"{class_key}_alone_on_top"


def prevalence_measures(classes: Sequence[str]) -> tuple[str, ...]:
    """Return the measures of `prevalence` for the class keys of a model card."""
    return (
        WOMEN_50_AND_OVER,
        AGE_OR_SEX_UNKNOWN,
        *(alone_on_top(key) for key in classes),
        *RACES,
    )


def next_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """Return everything that can follow an index treatment, for the class keys of a card."""
    return (*classes, OTHER_ADVANCED, *NONE_NEXT)


def preferences(classes: Sequence[str]) -> tuple[str, ...]:
    """Return every answer to the question which classes are on top.

    Each group of classes but all of them, no preference, and not scored.
    """
    sizes = range(1, len(classes))
    groups = [EQUALLY.join(each) for n in sizes for each in combinations(classes, n)]
    return (*groups, NO_PREFERENCE, NOT_SCORED)


def coded_words(
    classes: Sequence[str], labels: Sequence[str], covariates: Sequence[str]
) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return the words that each coded column may hold, by table and column.

    Parameters
    ----------
    classes, labels, covariates
        Class keys, subgroup labels and covariate names of a model card, in the card's order.

    Returns
    -------
    dict
        Words in reading order. `covariate_quality.measure` may also hold UNCASTABLE_PREFIX and a
        column's name, `covariate_quality.covariate` the name of a measured quantity,
        `subgroup_summary.stratum_value` a year, and `imputation_sensitivity.covariate` several
        covariates joined by TOGETHER.
    """
    classes, labels, covariates = tuple(classes), tuple(labels), tuple(covariates)
    populations = {"population": TREATED_POPULATIONS, "index_rule": INDEX_RULES}
    treated = {**populations, "index_class": (ALL, *classes)}
    measures = (*MEASUREMENT_MEASURES, *STATUS_MEASURES, *STEROID_MEASURES, *COHORT_MEASURES)
    values = dict.fromkeys(value for each in STRATUM_VALUES.values() for value in each)
    tables: dict[str, dict[str, tuple[str, ...]]] = {
        "scoring_run": {"engine": ENGINES, "uncertainty": UNCERTAINTIES},
        "scoring_run_status": {"status": RUN_STATUSES},
        "attrition": {"reason": ATTRITION_REASONS},
        "patient_covariate": {
            "covariate": covariates,
            "status": COVARIATE_STATUSES,
            "source_table": EVIDENCE_TABLES,
        },
        "counterfactual": {"drug_class": classes},
        "patient_subgroup": {
            "subgroup": labels,
            **dict.fromkeys(("first_class", "second_class", "third_class"), classes),
        },
        "treatment_line": {"drug_class": (*classes, OTHER_ADVANCED)},
        "covariate_quality": {"covariate": (*covariates, COHORT, INPUT), "measure": measures},
        "subgroup_summary": {
            "stratum": tuple(STRATUM_VALUES),
            "stratum_value": tuple(values),
            "subgroup": labels,
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
        "uncertainty_comparison": dict.fromkeys(
            ("subgroup_bootstrap", "subgroup_analytic"), labels
        ),
        "label_check": {"uncertainty": UNCERTAINTIES, "measure": LABEL_CHECKS},
        "imputation_sensitivity": {"covariate": covariates, "assumption": ASSUMPTIONS},
        "covariate_summary": {"covariate": covariates, "population": SUMMARISED},
        "histogram": {
            "measure": HISTOGRAMS,
            "category": (*classes, *covariates, SCORED, NOTHING_IMPUTED),
        },
    }
    return {(table, name): words for table, each in tables.items() for name, words in each.items()}
