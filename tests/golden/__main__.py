"""Write the golden files again, after a change of SQL that is meant."""

from pathlib import Path

from omop_scorer import sql

HERE = Path(__file__).parent

for dialect in ("duckdb", "postgres", "spark"):
    for name in sql.names():
        path = HERE / dialect / f"{name}.sql"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(";\n\n".join(sql.find(name).render(dialect)) + ";\n", encoding="utf-8")
