"""Everything a run reads from files, checked together: the configuration and what it names."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from omop_scorer import sql
from omop_scorer.cohort import refuse_unknown_sets
from omop_scorer.concepts import ConceptSets, load_concept_sets
from omop_scorer.config import EVER_DAYS, Exposure, Measured, RunConfig
from omop_scorer.covariates import refuse_unknown_covariates
from omop_scorer.errors import ConfigurationError
from omop_scorer.model import Model, load_model
from omop_scorer.resources import shipped
from omop_scorer.units import TreatmentLines, Units, load_treatment_lines, load_units
from omop_scorer.variants import can_be_left_out, refuse_without_variants


@dataclass(frozen=True)
class Rules:
    """Everything a run reads from files: the configuration and what it names, checked."""

    config: RunConfig
    model: Model
    concept_sets: ConceptSets
    units: Units
    lines: TreatmentLines

    @property
    def concept_sets_sha256(self) -> str:
        """SHA-256 of concept sets, units and treatment lines together, as used."""
        parts = (self.concept_sets.sha256, self.units.sha256, json.dumps(self.lines.rows()))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def load_rules(config: RunConfig) -> Rules:
    """Read the model card, concept sets, units and treatment lines, and refuse what cannot run.

    Raises
    ------
    ConfigurationError
        With every fault of every file.
    """
    configs = shipped("configs")
    problems: list[str] = []
    model = _collect(problems, lambda: load_model(config.model))
    folder = Path(config.concept_sets) if config.concept_sets else configs / "concept_sets"
    concept_sets = _collect(problems, lambda: load_concept_sets(folder))
    units_file = Path(config.units) if config.units else configs / "units.yaml"
    units = _collect(problems, lambda: load_units(units_file))
    lines_file = (
        Path(config.treatment_lines) if config.treatment_lines else configs / "treatment_lines.yaml"
    )
    lines = None
    if concept_sets is not None:
        lines = _collect(problems, lambda: load_treatment_lines(lines_file, concept_sets))
        _collect(problems, lambda: refuse_unknown_sets(config, concept_sets))
    if model is not None and units is not None:
        _collect(problems, lambda: refuse_unknown_covariates(config, model, units))
    if model is not None:
        _collect(problems, lambda: refuse_without_variants(config, model))
    if problems or model is None or concept_sets is None or units is None or lines is None:
        raise ConfigurationError(*problems)
    return Rules(config, model, concept_sets, units, lines)


def covariate_rules(rules: Rules) -> list[tuple[str, str, str, str, str]]:
    """Return, per covariate of the card: name, unit, where it is looked for, window, if none."""
    rows = []
    is_reduced = rules.config.missing == "reduced_model"
    left_out = can_be_left_out(rules.model) if is_reduced else ()
    for covariate in rules.model.card.covariates:
        rule = getattr(rules.config.covariates, covariate.name, None)
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
            is_constant = own is not None or rules.config.impute == "calculator"
            if_none = f"{constant:g}, imputed" if is_constant else f"{rules.config.impute}, imputed"
        rows.append((covariate.name, covariate.unit, sources, window, if_none))
    return rows


_T = TypeVar("_T")


def _collect(problems: list[str], load: Callable[[], _T]) -> _T | None:
    try:
        return load()
    except ConfigurationError as error:
        problems.extend(error.problems)
        return None
