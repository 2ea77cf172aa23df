"""Short names for the columns and concept ids that the text tables use."""

IDS = {
    "crohns": 201606,
    "male": 8507,
    "female": 8532,
    "crp": 3020460,
    "bmi": 3038553,
    "weight": 3025315,
    "height": 3036277,
    "mg/L": 8751,
    "mg/dL": 8840,
    "mmol/L": 8753,
    "kg/m2": 9531,
    "kg": 9529,
    "cm": 8582,
    "adalimumab": 1119119,
    "infliximab": 937368,
    "certolizumab": 912263,
    "ustekinumab": 40161532,
    "natalizumab": 735843,
    "vedolizumab": 45774639,
    "prednisone": 1551099,
    "hydrocortisone": 975125,
    "budesonide": 939259,
    "azathioprine": 19014878,
    "methotrexate": 1305058,
}

_BIRTH = {"gender": "gender_concept_id", "race": "race_concept_id", "site": "care_site_id"} | {
    u: f"{u}_of_birth" for u in ("year", "month", "day")
}
_VALUE = {"value": "value_as_number", "unit": "unit_concept_id", "text": "unit_source_value"}
#: Full column names by the short names that the tables use.
SHORT: dict[str, dict[str, str]] = {
    "person": _BIRTH,
    "condition_occurrence": {
        "id": "condition_occurrence_id",
        "concept": "condition_concept_id",
        "source": "condition_source_concept_id",
        "date": "condition_start_date",
    },
    "drug_exposure": {
        "id": "drug_exposure_id",
        "concept": "drug_concept_id",
        "source": "drug_source_concept_id",
        "start": "drug_exposure_start_date",
        "end": "drug_exposure_end_date",
        "days": "days_supply",
        "route": "route_concept_id",
    },
    "death": {"date": "death_date"},
    "care_site": {"id": "care_site_id", "name": "care_site_name"},
    "concept_ancestor": {"above": "ancestor_concept_id", "below": "descendant_concept_id"},
    "concept_relationship": {
        "one": "concept_id_1",
        "relationship": "relationship_id",
        "two": "concept_id_2",
        "invalid": "invalid_reason",
    },
    "concept": {
        "id": "concept_id",
        "name": "concept_name",
        "vocabulary": "vocabulary_id",
        "class": "concept_class_id",
        "standard": "standard_concept",
        "code": "concept_code",
        "invalid": "invalid_reason",
    },
    "cdm_source": {
        "name": "cdm_source_name",
        "version": "cdm_version",
        "released": "cdm_release_date",
    },
}
for _table in ("measurement", "observation"):
    SHORT[_table] = {
        **_VALUE,
        "id": f"{_table}_id",
        "concept": f"{_table}_concept_id",
        "source": f"{_table}_source_concept_id",
        "date": f"{_table}_date",
        "datetime": f"{_table}_datetime",
        "operator": "operator_concept_id",
        "written": "value_source_value",
    }
