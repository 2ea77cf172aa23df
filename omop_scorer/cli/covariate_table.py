"""Rows of the table that `omop-scorer covariates` prints."""

from omop_scorer import sql
from omop_scorer.config.definitions import Definitions
from omop_scorer.config.run_file import DiseaseLocation, Exposure, Measured


def covariate_rules(definitions: Definitions) -> list[tuple[str, str, str, str, str]]:
    """Return a row per covariate of the card: name, unit, source, window, value if missing."""
    rows = []
    is_reduced = definitions.config.missing == "reduced_model"
    left_out = definitions.model.can_be_left_out if is_reduced else ()
    for covariate in definitions.model.card.covariates:
        rule = getattr(definitions.config.covariates, covariate.name, None)
        source, window, if_missing = sql.find(covariate.name).header["Title"], "", "not scored"
        if isinstance(rule, Measured):
            sets = (*rule.measurement_concept_sets, *rule.observation_concept_sets)
            source = ", ".join([*sets, *map(str, rule.concept_ids)]) or "no concept configured"
        if isinstance(rule, Measured | Exposure | DiseaseLocation):
            window = "ever" if rule.lookback_days is None else f"{rule.lookback_days} days"
        if isinstance(rule, Exposure):
            if_missing = "no (absent)"
        elif covariate.name in left_out:
            if_missing = "left out"
        elif covariate.imputed_value is not None:
            of_site = getattr(rule, "imputed_value", None)
            if of_site is not None:
                if_missing = f"{of_site:g}, imputed"
            elif definitions.config.impute == "calculator":
                if_missing = f"{covariate.imputed_value:g}, imputed"
            else:
                if_missing = f"{definitions.config.impute}, imputed"
        rows.append((covariate.name, covariate.unit, source, window, if_missing))
    return rows
