"""Links that are no plain sums: the rules in code that the data model calls for, by their names."""

from collections.abc import Callable, Mapping

from omop_scorer.disclosure import (
    rules_cohort,
    rules_covariates,
    rules_labels,
    rules_otherwise,
    rules_persistence,
    rules_profile,
    rules_treatment,
)
from omop_scorer.disclosure.declarations import rules
from omop_scorer.disclosure.identities import Tables

RULES: Mapping[str, Callable[[Tables], None]] = {
    "attrition": rules_cohort.link_attrition,
    "ages that are scored": rules_cohort.link_ages_that_are_scored,
    "classes alone on top": rules_labels.link_classes_alone_on_top,
    "preference groups": rules_labels.link_preference_groups,
    "yes or no": rules_covariates.link_yes_or_no,
    "recorded and imputed": rules_covariates.link_recorded_and_imputed,
    "mapped records": rules_covariates.link_mapped_records,
    "imputed together": rules_covariates.link_imputed_together,
    "trial range": rules_covariates.link_trial_range,
    "ages of bins": rules_covariates.link_ages_of_bins,
    "values by group": rules_profile.link_values_by_group,
    "active disease": rules_covariates.link_active_disease,
    "earlier treatment": rules_treatment.link_prior_anti_tnf,
    "women by year": rules_treatment.link_women_by_year,
    "first biologics by year": rules_treatment.link_first_biologics_by_year,
    "persistence": rules_persistence.link_persistence,
    "treated otherwise": rules_otherwise.link_treated_otherwise,
    "changes by quartiles": rules_profile.link_changes_by_quartiles,
}


def link_by_rules(tables: Tables) -> None:
    """Apply every rule that the data model names."""
    for name in rules():
        RULES[name](tables)
