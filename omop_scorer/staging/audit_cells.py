"""The cells that the audits count. A cell without persons gets a row too."""

from collections.abc import Sequence
from itertools import product

import pyarrow as pa

from omop_scorer import terms
from omop_scorer.staging.cohort_definitions import cohort_rows, subgroup_labels
from omop_scorer.staging.night import Night

Cell = tuple[object, ...]
"""The values of the key columns of a row."""

TREATMENT_KEYS = ["population", "index_rule", "index_class"]

#: Key columns, in order, and the denominator column of each audit that counts persons.
AUDITS: dict[str, tuple[list[str], str | None]] = {
    "prevalence": (["population", "measure"], "n_population"),
    "age_sex_pyramid": (["population", "age_group", "sex"], None),
    "subgroup_summary": (["stratum", "stratum_value", "subgroup"], "n_stratum"),
    "preference_summary": (["stratum", "stratum_value", "preference_group"], "n_stratum"),
    "next_treatment": ([*TREATMENT_KEYS, "next_class"], "n_population"),
    "preference_concordance": (["population", "preferred", "next_class"], None),
    "current_treatment": (
        ["population", "treatment", "preference_group", "preferred", "drug_class"],
        "n_population",
    ),
    "treated_otherwise": (["population", "treatment", "class_used"], "n_population"),
    "prevalence_by_year": (["event", "calendar_year", "measure"], "n_population"),
}


def load_cells(night: Night) -> None:
    """Load classes, age groups, labels, cohorts, and every cell that an audit counts."""
    classes = [drug_class.key for drug_class in night.model.card.classes]
    night.load("model_class", pa.table({"drug_class": classes}))
    names, lowest, highest = map(list, zip(*terms.AGE_GROUPS, strict=True))
    night.load(
        "age_group", pa.table({"age_group": names, "lowest_age": lowest, "highest_age": highest})
    )
    labels = [(label,) for label in subgroup_labels(night.definitions)]
    _load(night, "subgroup_label", ["subgroup"], labels)
    groups = [(group,) for group in terms.preference_groups(classes)]
    _load(night, "preference_group", ["preference_group"], groups)
    cohorts = pa.Table.from_pylist(cohort_rows(night.definitions))
    night.load("audit_cohort", cohorts.select(["cohort_definition_id", "cohort_key"]))
    for table, cells in _grids(night, classes).items():
        _load(night, f"{table}_grid", AUDITS[table][0], cells)


def _grids(night: Night, classes: Sequence[str]) -> dict[str, list[Cell]]:
    """Return the cells of each audit whose rows do not depend on the patients."""
    treated, following = terms.TREATED_POPULATIONS, terms.next_classes(classes)
    years = range(night.config.audit.since.year, night.as_of.year + 1)
    axes: dict[str, list[Sequence[object]]] = {
        "prevalence": [terms.POPULATIONS, terms.prevalence_measures(classes)],
        "age_sex_pyramid": [terms.POPULATIONS, terms.AGE_GROUP_NAMES, terms.SEXES],
        "next_treatment": [treated, terms.INDEX_RULES, (terms.ALL, *classes), following],
        "preference_concordance": [treated, terms.preferences(classes), following],
        "treated_otherwise": [terms.NOW_POPULATIONS, terms.TREATMENTS, terms.CLASSES_USED],
        "prevalence_by_year": [terms.YEARLY_EVENTS, years, terms.YEARLY_MEASURES],
    }
    grids: dict[str, list[Cell]] = {name: list(product(*each)) for name, each in axes.items()}
    grids["current_treatment"] = [
        (population, treatment, *preference, drug_class)
        for population, treatment in product(terms.NOW_POPULATIONS, terms.TREATMENTS)
        for preference in _preferences_now(classes)
        for drug_class in terms.drug_classes(classes)
    ]
    return grids


def _preferences_now(classes: Sequence[str]) -> list[tuple[str, str]]:
    """Return preference group and preferred classes: each group as a whole, and shared tops."""
    groups = (terms.ALL, *terms.preference_groups(classes))
    whole = [(group, terms.ALL) for group in groups]
    return [*whole, *((terms.SHARED_TOP, each) for each in terms.shared_tops(classes))]


def _load(night: Night, table: str, keys: Sequence[str], cells: Sequence[Cell]) -> None:
    columns: dict[str, list[object]] = {
        key: [cell[i] for cell in cells] for i, key in enumerate(keys)
    }
    night.load(table, pa.table({**columns, "display_order": list(range(len(cells)))}))
