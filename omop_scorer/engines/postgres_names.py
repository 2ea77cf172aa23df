"""Names in PostgreSQL's SQL."""

from sqlglot import exp


def quoted(name: str) -> str:
    """Return a name as an identifier, whatever stands in it."""
    return exp.to_identifier(name, quoted=True).sql(dialect="postgres")
