"""What a process has ready from which others are forked: the imports, and the SQL files parsed."""

import gc

import omop_scorer.check
import omop_scorer.cli
import omop_scorer.engines.duckdb
import omop_scorer.engines.duckdb_results
import omop_scorer.engines.postgres
import omop_scorer.engines.postgres_loader
import omop_scorer.engines.postgres_results
import omop_scorer.history_tables
import omop_scorer.report.csv_files
import omop_scorer.report.disclosure
import omop_scorer.report.page
import omop_scorer.report.tables
import omop_scorer.run
import omop_scorer.summary  # noqa: F401
import tests.forked  # noqa: F401
from omop_scorer import sql
from omop_scorer.config import load, shipped_run_file
from omop_scorer.rules import load_rules

load_rules(load(shipped_run_file()))
for name in sql.names():
    for dialect in ("duckdb", "postgres"):
        sql.find(name).render(dialect)
# What is here for good need not be looked through for garbage in each process.
gc.freeze()
