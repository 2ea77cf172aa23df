"""The patient matrix: the query whose rows the kernel scores, one per patient."""

from sqlglot import exp

from omop_scorer.model.load import Model
from omop_scorer.terms import STATUS_CODES


def matrix_query(model: Model, prefix: str = "") -> exp.Expr:
    """Return the query of the patient matrix: one row per scored patient, ordered by person_id.

    Columns: person_id, patient_age (years), patient_is_male, n_values (of all covariates), then per
    covariate of the card its value (NULL when it is left out of the model) and `<name>_status`, a
    number of STATUS_CODES.
    """
    names = [covariate.name for covariate in model.card.covariates]
    covariates = _by_person(names, prefix).subquery("c", copy=False)
    patient = exp.alias_(exp.table_(f"{prefix}patient", db="work"), "p", table=True)
    # The trees are used only here, so sqlglot need not copy the query at every step.
    query = exp.select(
        exp.column("person_id", "p"),
        exp.alias_(exp.column("age", "p"), "patient_age"),
        exp.alias_(exp.column("is_male", "p"), "patient_is_male"),
        exp.column("n_values", "c"),
        *(exp.column(each, "c") for name in names for each in (name, f"{name}_status")),
        copy=False,
    )
    query.from_(patient, copy=False)
    query.join(covariates, on="c.person_id = p.person_id", copy=False)
    return query.order_by(exp.column("person_id", "p"), copy=False)


def _by_person(names: list[str], prefix: str) -> exp.Select:
    """Return the query of the covariates alone, one row per patient.

    Each aggregate costs memory and time per patient, so a covariate has two: its value, and its
    status as a number. The patients are joined afterwards, so that one column is the group.
    """
    columns: list[exp.Expr] = [
        exp.column("person_id"),
        exp.alias_(exp.Count(this=exp.Star()), "n_values"),
    ]
    for name in names:
        is_covariate = exp.column("covariate").eq(exp.Literal.string(name))
        for alias, column in ((name, "covariate_value"), (f"{name}_status", "status_code")):
            pivoted = exp.case().when(is_covariate, exp.column(column))
            columns.append(exp.alias_(exp.Max(this=pivoted), alias))
    query = exp.select(*columns, copy=False).from_(_coded(prefix), copy=False)
    return query.group_by(exp.column("person_id"), copy=False)


def _coded(prefix: str) -> exp.Subquery:
    """Return the rows of `patient_covariate` with their status as a number."""
    code = exp.case(exp.column("status")).else_(exp.Literal.number(0))
    for status, number in STATUS_CODES.items():
        code = code.when(exp.Literal.string(status), exp.Literal.number(number), copy=False)
    kept = (exp.column(name) for name in ("person_id", "covariate", "covariate_value"))
    query = exp.select(*kept, exp.alias_(code, "status_code"), copy=False)
    query.from_(exp.table_(f"{prefix}patient_covariate", db="work"), copy=False)
    return query.subquery("coded", copy=False)
