"""Everything a run reads from files, checked together: the configuration and what it names."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TypeVar

from omop_scorer import sql
from omop_scorer.config.concept_set import ConceptSets
from omop_scorer.config.concept_sets import load_concept_sets
from omop_scorer.config.run_file import Exposure, RunConfig
from omop_scorer.config.treatment_lines import TreatmentLines, load_treatment_lines
from omop_scorer.config.units import Units, load_units
from omop_scorer.errors import ConfigurationError
from omop_scorer.model.load import Model, load_model
from omop_scorer.model.reduced import MAXIMUM_LISTED, can_be_left_out
from omop_scorer.resources import shipped
from omop_scorer.terms import RACE_SETS


def refuse_unknown_sets(config: RunConfig, concept_sets: ConceptSets) -> None:
    """Fail when the run file names a concept set that does not exist.

    Raises
    ------
    ConfigurationError
    """
    named = {"cohort.exclude_concept_sets": config.cohort.exclude_concept_sets}
    for quantity, rule in config.covariates.quantities().items():
        key = f"covariates.{quantity}"
        named[f"{key}.measurement_concept_sets"] = rule.measurement_concept_sets
        named[f"{key}.observation_concept_sets"] = rule.observation_concept_sets
    problems = [
        f"{key}: no concept set {name!r}; known: {', '.join(sorted(concept_sets))}"
        for key, names in named.items()
        for name in names
        if name not in concept_sets
    ]
    problems += [
        f"the concept sets lack {name!r}, which the covariate rules need"
        for name in RULE_SETS
        if name not in concept_sets
    ]
    if problems:
        raise ConfigurationError(*problems)


#: Sets that the SQL files ask for by name.
RULE_SETS = (
    "sex_male",
    "sex_female",
    *RACE_SETS,
    "operator_censored",
    "biologic_anti_tnf",
    "immunomodulator",
    "systemic_corticosteroid",
    "corticosteroid_always_systemic",
    "dose_form_oral",
    "dose_form_injectable",
    "dose_form_local",
    "route_oral",
    "route_injected",
    "route_local",
    "cd_ileal_definite",
    "cd_ileal_probable",
    "cd_not_ileal_colon",
    "ulcerative_colitis",
)


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


@dataclass(frozen=True)
class Definitions:
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


def load_definitions(config: RunConfig) -> Definitions:
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
    return Definitions(config, model, concept_sets, units, lines)


_T = TypeVar("_T")


def _collect(problems: list[str], load: Callable[[], _T]) -> _T | None:
    try:
        return load()
    except ConfigurationError as error:
        problems.extend(error.problems)
        return None


def refuse_without_variants(config: RunConfig, model: Model) -> None:
    """Fail when the run leaves covariates out and the card has no model for some combination.

    A patient may lack any of them together, and a run must not find that out at night.

    Raises
    ------
    ConfigurationError
    """
    if config.missing != "reduced_model":
        return
    if not model.reduced:
        raise ConfigurationError(
            f"missing: found 'reduced_model', but {model.path} has no variants; "
            "allowed: impute, or a card with variants"
        )
    # A drug that no record shows was not taken: an exposure is never left out.
    names = [
        name
        for name in can_be_left_out(model)
        if not isinstance(getattr(config.covariates, name, None), Exposure)
    ]
    wanted = [each for r in range(1, len(names) + 1) for each in combinations(names, r)]
    lacking = [", ".join(each) for each in wanted if frozenset(each) not in model.reduced]
    if lacking:
        listed = "; ".join(lacking[:MAXIMUM_LISTED])
        more = len(lacking) - MAXIMUM_LISTED
        raise ConfigurationError(
            f"missing: found 'reduced_model', but {model.path} has no variant without "
            f"{listed}{f'; and {more} more' if more > 0 else ''}; a patient may lack any of "
            f"{', '.join(names)} together"
        )
