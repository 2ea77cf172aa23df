"""COMMENT ON statements, which DuckDB and PostgreSQL write alike."""

from collections.abc import Sequence

from sqlglot import exp

from omop_scorer.stores.base import Description


def comment_statements(schema: str, descriptions: Sequence[Description]) -> str:
    """Return one text with a statement for each description of a schema's tables and views."""
    return "; ".join(_statement(schema, each) for each in descriptions)


def _statement(schema: str, each: Description) -> str:
    names = [schema, each.name, *([each.column] if each.column else [])]
    named = ".".join(exp.to_identifier(name, quoted=True).sql(dialect="postgres") for name in names)
    kind = "COLUMN" if each.column else "VIEW" if each.is_view else "TABLE"
    text = exp.Literal.string(each.text).sql(dialect="postgres")
    return f"COMMENT ON {kind} {named} IS {text}"
