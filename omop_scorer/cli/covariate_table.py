"""The table of covariates and their rules."""

from omop_scorer import sql
from omop_scorer.config.definitions import Definitions
from omop_scorer.config.run_file import EVER_DAYS, Exposure, Measured
from omop_scorer.model.reduced import can_be_left_out


def covariate_rules(definitions: Definitions) -> list[tuple[str, str, str, str, str]]:
    """Return, per covariate of the card, its name, unit, source, window, and value if missing."""
    rows = []
    is_reduced = definitions.config.missing == "reduced_model"
    left_out = can_be_left_out(definitions.model) if is_reduced else ()
    for covariate in definitions.model.card.covariates:
        rule = getattr(definitions.config.covariates, covariate.name, None)
        sources, window, if_none = sql.find(covariate.name).header["Title"], "", "not scored"
        if isinstance(rule, Measured):
            sets = (*rule.measurement_concept_sets, *rule.observation_concept_sets)
            sources = ", ".join([*sets, *map(str, rule.concept_ids)]) or "no concept configured"
        if isinstance(rule, Measured | Exposure):
            window = "ever" if rule.lookback_days == EVER_DAYS else f"{rule.lookback_days} days"
        if isinstance(rule, Exposure):
            if_none = "no (absent)"
        elif covariate.name in left_out:
            if_none = "left out"
        elif covariate.imputed_value is not None:
            own = getattr(rule, "imputed_value", None)
            constant = covariate.imputed_value if own is None else own
            is_constant = own is not None or definitions.config.impute == "calculator"
            if_none = (
                f"{constant:g}, imputed" if is_constant else f"{definitions.config.impute}, imputed"
            )
        rows.append((covariate.name, covariate.unit, sources, window, if_none))
    return rows
