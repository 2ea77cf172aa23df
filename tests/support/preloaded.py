"""What a process has ready from which others are forked: the imports, and the SQL files parsed."""

import gc
import signal

import omop_scorer.cli.main
import omop_scorer.cli.run_summary  # noqa: F401
import tests.support.forked  # noqa: F401
from omop_scorer import sql
from omop_scorer.config.definitions import load_definitions
from omop_scorer.config.run_file import load, shipped_run_file

# Tests that are started with nohup ignore this signal, and so would each process.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
load_definitions(load(shipped_run_file()))
for name in sql.names():
    for dialect in ("duckdb", "postgres"):
        sql.find(name).render(dialect)
# What is here for good need not be looked through for garbage in each process.
gc.freeze()
