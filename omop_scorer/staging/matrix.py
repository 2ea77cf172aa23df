"""The patient matrix: the query whose rows the kernel scores, one per patient."""

from sqlglot import exp

from omop_scorer.model.load import Model


def matrix_query(model: Model, prefix: str = "") -> exp.Expr:
    """Return the query of the patient matrix: one row per scored patient, ordered by person_id.

    Columns: person_id, patient_age (years), patient_is_male, n_imputed, then per covariate of the
    card its value (NULL when it is left out of the model) and three flags, 0 or 1:
    `<name>_is_recorded` (observed or computed), `<name>_is_absent` and `<name>_is_imputed`.
    """
    value, status = exp.column("covariate_value", "c"), exp.column("status", "c")
    keys = [exp.column(name, "p") for name in ("person_id", "age", "is_male")]

    def pivot(name: str, then: exp.Expr) -> exp.Expr:
        is_covariate = exp.column("covariate", "c").eq(exp.Literal.string(name))
        return exp.Max(this=exp.case().when(is_covariate, then))

    def one_if(condition: exp.Expr) -> exp.Expr:
        return exp.case().when(condition, exp.Literal.number(1)).else_(exp.Literal.number(0))

    columns: list[exp.Expr] = [
        keys[0],
        exp.alias_(keys[1], "patient_age"),
        exp.alias_(keys[2], "patient_is_male"),
        exp.alias_(exp.Sum(this=one_if(status.eq("imputed"))), "n_imputed"),
    ]
    states = {
        "is_recorded": status.isin("observed", "computed"),
        "is_absent": status.eq("absent"),
        "is_imputed": status.eq("imputed"),
    }
    for covariate in model.card.covariates:
        columns.append(exp.alias_(pivot(covariate.name, value), covariate.name))
        for state, condition in states.items():
            flag = pivot(covariate.name, one_if(condition))
            columns.append(exp.alias_(flag, f"{covariate.name}_{state}"))
    # The trees are used only here, so sqlglot need not copy the query at every step.
    query = exp.select(*columns, copy=False)
    patient = exp.alias_(exp.table_(f"{prefix}patient", db="work"), "p", table=True)
    covariate_row = exp.alias_(exp.table_(f"{prefix}patient_covariate", db="work"), "c", table=True)
    query.from_(patient, copy=False)
    query.join(covariate_row, on="c.person_id = p.person_id", copy=False)
    query.group_by(*(key.copy() for key in keys), copy=False)
    return query.order_by(exp.column("person_id", "p"), copy=False)
