"""What a process has ready from which others are forked: every import, and the SQL files parsed.

No connection is open here, and no thread is at work: neither outlives a fork.
"""

import gc
import os
import pkgutil
import signal
from importlib import import_module

# As the program does before it imports numpy: threads of BLAS would not outlive a fork either.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import omop_scorer
import tests.support.forked  # noqa: F401

#: Packages that only some sites install; a command imports them itself, or says what is missing.
OPTIONAL = {"deltalake", "py4j", "pyspark", "sklearn"}


def import_all() -> None:
    """Import every module of the program, which imports most of them no sooner than needed."""
    for module in pkgutil.walk_packages(omop_scorer.__path__, "omop_scorer."):
        try:
            import_module(module.name)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in OPTIONAL:
                raise


def parse_all() -> None:
    """Read the shipped files and parse every SQL file, which the program keeps."""
    from omop_scorer import sql
    from omop_scorer.config.definitions import load_definitions
    from omop_scorer.config.run_file import load, shipped_run_file

    load_definitions(load(shipped_run_file()))
    for name in sql.names():
        for dialect in ("duckdb", "postgres"):
            sql.find(name).render(dialect)


# Tests that are started with nohup ignore this signal, and so would each process.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
import_all()
parse_all()
# What is here for good need not be looked through for garbage in each process.
gc.freeze()
