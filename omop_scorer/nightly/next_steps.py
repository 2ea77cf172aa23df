"""The key and the next step of a finding of `check` that does not name its own."""

import re

#: Start of a message, the key that it concerns, and the next step. `\1` is the first group.
_BY_MESSAGE = (
    (r"(?:.*: )?table (\w+) is missing", r"cdm.tables.\1", "name the table, or load it"),
    (
        r"(?:.*: )?column (\w+)\.\w+ is missing",
        r"cdm.tables.\1",
        "name a view that has the column, or add the column",
    ),
    (
        r"(?:.*: )?(\w+)\.\w+: (?:none of )?\d+ value\(s\)",
        r"cdm.tables.\1",
        "correct the values in the CDM; for dates kept as text, set cdm.date_formats",
    ),
    (r"table (\w+): the server hides", "cdm.url", "let the user of the job read every row"),
    (r"cdm_source holds", "cdm.tables.cdm_source", "give the table one row"),
    (r"the vocabulary is empty", "cdm.vocabulary_url", "name or load the vocabulary tables"),
    (
        r"concept sets that resolve to no concept",
        "concept_sets",
        "load a newer vocabulary, or correct the ids",
    ),
    (
        r"concept sets with no records",
        "concept_sets",
        "see under which concepts your site keeps these records, and add them",
    ),
    (r"concept drift: (\w+)", r"concept_sets (\1)", "see what changed: the vocabulary or the load"),
    (
        r"records that would count by a mapping",
        "concept_mapping",
        "set it to follow, or add the concepts to your sets",
    ),
    (
        r"measured records without a standard concept",
        "concept_sets",
        "give these records a standard concept in the CDM",
    ),
    (
        r"(\w+): [\d,]+ of [\d,]+ records have no number",
        r"covariates.\1",
        "see whether the values are kept as text; a run reads value_as_number",
    ),
    (r"body_height: [\d,]+ record\(s\) in feet", "units (body_height)", "load heights in cm"),
    (
        r"(\w+): [\d,]+ patient\(s\) .* have it only",
        r"covariates.\1",
        "see whether these records are right at their source",
    ),
    (
        r"[\d,]+ (?:person\(s\) of the cohort .*death|drug exposure|measurement|observation"
        r"|record)",
        "cdm",
        "see whether these records are right at their source",
    ),
    (
        r".*: no rule for the covariate",
        "model",
        "add the rules to sql/covariates, or name another model card",
    ),
    (r"newest record is", "as_of_date, cdm.maximum_age_days", "see whether the CDM was loaded"),
)

#: Key and next step of an error, by its exit code.
_BY_EXIT_CODE = {
    10: ("run file", "correct the file that the message names"),
    11: ("cdm.url", "correct the location or the rights"),
    12: ("cdm", "correct the CDM, or the keys of the section cdm"),
    13: ("cdm.url", "see what the message says of the query"),
    15: ("results.url", "correct the location or the rights"),
    16: ("results.url", "wait until the other process has ended"),
}

_OTHERS = ("cdm", "look at the CDM; a run goes on without it")


def key_and_next_step(message: str, exit_code: int) -> tuple[str, str]:
    """Return the key of the run file that a message concerns, and what to do next."""
    for pattern, key, step in _BY_MESSAGE:
        if match := re.match(pattern, message):
            return match.expand(key), step
    return _BY_EXIT_CODE.get(exit_code, _OTHERS)
