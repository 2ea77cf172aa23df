"""The other files of the folder `configs`: covariates, units, sets, treatment lines, model card."""

from functools import cache

from omop_scorer.cli.covariate_table import covariate_rules
from omop_scorer.config.definitions import RULE_SETS, Definitions, load_definitions
from omop_scorer.config.run_file import load, shipped_run_file
from omop_scorer.model.card import Bounds
from tests.documentation.markdown import code, codes, table, text


@cache
def shipped_definitions() -> Definitions:
    """Return everything that a run with the shipped files goes by."""
    return load_definitions(load(shipped_run_file()))


def covariate_rules_in_force() -> list[tuple[str, str, str, str, str]]:
    """Return the covariates as `omop-scorer covariates` lists them."""
    return covariate_rules(shipped_definitions())


def covariates() -> str:
    """Return the covariates with where they are looked for, window, and what stands in."""
    rows = [[code(name), *map(text, rest)] for name, *rest in covariate_rules_in_force()]
    return table(["covariate", "unit", "looked for in", "window", "if none"], rows)


def units() -> str:
    """Return the accepted and the named rejected units of each quantity."""
    rows = []
    for quantity, rule in shipped_definitions().units.quantities.items():
        missing = "accepted" if rule.accept_missing_unit else "rejected"
        for unit in (*rule.units, *rule.rejected):
            factor = getattr(unit, "factor", None)
            shown = "rejected" if factor is None else f"{factor:.12g}"
            rows.append(
                [code(quantity), text(unit.unit), shown, codes(unit.concept_ids), codes(unit.texts)]
            )
        rows.append([code(quantity), "no unit", missing, "", ""])
    return table(["quantity", "unit", "factor", "unit concepts", "unit texts"], rows)


def concept_sets() -> str:
    """Return the shipped concept sets, and which of them the SQL files ask for by name."""
    rows = [
        [
            code(name),
            text(concept_set.title),
            codes(concept_set.tables),
            codes(concept_set.include_sets) or str(len(concept_set.include)),
            "yes" if name in RULE_SETS else "",
        ]
        for name, concept_set in shipped_definitions().concept_sets.items()
    ]
    headings = ["concept set", "what it holds", "counted in", "concepts, or sets included"]
    return table([*headings, "named in SQL"], rows)


def treatment_lines() -> str:
    """Return the drugs that start a line, in the order that breaks ties."""
    drugs = shipped_definitions().lines.treatment_lines
    rows = [
        [str(place), text(each.drug), code(each.drug_class), code(each.concept_set)]
        for place, each in enumerate(drugs, start=1)
    ]
    return table(["place", "drug", "class", "concept set"], rows)


def card_covariates() -> str:
    """Return the covariates of the shipped model card with their ranges."""
    rows = [
        [
            code(each.name),
            text(each.title),
            text(each.unit),
            f"{each.centre:g}",
            "never" if each.imputed_value is None else f"{each.imputed_value:g}",
            *map(_bounds, (each.accepted_range, each.plausible_range, each.within_trial_range)),
        ]
        for each in shipped_definitions().model.card.covariates
    ]
    ranges = ["accepted for one patient", "plausible", "trials, 1st to 99th percentile"]
    return table(["covariate", "title", "unit", "centre", "imputed", *ranges], rows)


def _bounds(bounds: Bounds | None) -> str:
    low, high = bounds or (None, None)
    if low is None:
        return "" if high is None else f"up to {high:g}"
    return f"{low:g} to {high:g}" if high is not None else f"from {low:g}"


def card_classes() -> str:
    """Return the drug classes of the shipped model card."""
    rows = [
        [
            code(each.key),
            text(each.label),
            text(", ".join(each.drugs)),
            f"{each.n_observations:,}",
            str(each.n_trials),
            f"{each.degrees_of_freedom:g}",
        ]
        for each in shipped_definitions().model.card.classes
    ]
    counts = ["participants", "trials", "degrees of freedom"]
    return table(["class", "in labels", "drugs", *counts], rows)
