"""OHDSI cohort definitions of the populations and subgroups of a run."""

import pyarrow as pa

from omop_scorer import data_model
from omop_scorer.config.definitions import Definitions
from omop_scorer.model.subgroups import label_set

#: First ids of the OHDSI cohorts of populations and of subgroups.
_FIRST_POPULATION, _FIRST_SUBGROUP = 1, 101

_TITLES = {
    "crohns_disease": "Whole cohort",
    "biologic_exposed": "Ever exposed to a biologic of the model",
    "first_biologic_since": "First biologic of the model on or after {since}",
    "women_50_and_over": "Women of 50 and over",
    "men_50_and_over": "Men of 50 and over",
    "women_under_50": "Women under 50",
    "men_under_50": "Men under 50",
}


def subgroup_labels(definitions: Definitions) -> tuple[str, ...]:
    """Return every label that the classes of the model card can give."""
    return label_set([drug_class.label for drug_class in definitions.model.card.classes])


def cohort_rows(definitions: Definitions) -> list[dict[str, object]]:
    """Return id, key, name and description of every OHDSI cohort of a run."""
    config, card = definitions.config, definitions.model.card
    rows: list[dict[str, object]] = []
    for number, (key, title) in enumerate(_TITLES.items(), start=_FIRST_POPULATION):
        name = title.format(since=config.audit.since)
        about = f"{name}: persons of the cohort on the as-of date, age in completed years then"
        rows.append(_cohort(number, key, name, about))
    for number, label in enumerate(subgroup_labels(definitions), start=_FIRST_SUBGROUP):
        about = f"Scored with the label {label} of {card.id}, uncertainty {config.uncertainty}"
        rows.append(_cohort(number, label, f"Preference {label}", about))
    return rows


def _cohort(number: int, key: str, name: str, description: str) -> dict[str, object]:
    return {
        "cohort_definition_id": number,
        "cohort_key": key,
        "cohort_definition_name": name,
        "cohort_definition_description": description,
    }


def cohort_definitions(definitions: Definitions, run_id: int) -> pa.Table:
    """Return the rows of `run_cohort_definition`."""
    rows = [{**row, "run_id": run_id} for row in cohort_rows(definitions)]
    return pa.Table.from_pylist(rows, schema=data_model.arrow_schema("run_cohort_definition"))
