"""What a process has ready from which others are forked: every import, and what one run leaves.

After a run the SQL is parsed, and Python and DuckDB are warm: the next run takes a third less. No
connection stays open, and no thread is left at work: neither outlives a fork.
"""

import gc
import os
import pkgutil
import signal
import tempfile
from importlib import import_module
from io import StringIO
from pathlib import Path

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
    """Parse every SQL file, which the program keeps."""
    from omop_scorer import sql

    for name in sql.names():
        for dialect in ("duckdb", "postgres"):
            sql.find(name).render(dialect)


def run_once() -> None:
    """Run the job on a few made-up patients."""
    from omop_scorer.config.definitions import load_definitions
    from omop_scorer.config.run_file import RunConfig
    from omop_scorer.journal import PlainJournal
    from omop_scorer.nightly.run import run_night
    from omop_scorer.synthetic import write as synthetic

    with tempfile.TemporaryDirectory() as folder:
        cdm, results = Path(folder) / "cdm.duckdb", Path(folder) / "results.duckdb"
        synthetic.write(cdm, 20, 1, crohns_share=1)
        places = {"cdm": {"url": str(cdm)}, "results": {"url": str(results)}}
        run_night(load_definitions(RunConfig.model_validate(places)), PlainJournal(StringIO()))
    # A process has its own environment, which may name another folder.
    tempfile.tempdir = None


# Tests that are started with nohup ignore this signal, and so would each process.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
import_all()
parse_all()
run_once()
# What is here for good need not be looked through for garbage in each process.
gc.collect()
gc.freeze()
