"""A run in a session of Spark whose catalog holds the Parquet files of a warehouse.

python -m tests.benchmarks.spark_session FOLDER ARGUMENT...: the session starts with the process, as
that of a notebook, and the program finds it as the active one.
"""

import sys
from pathlib import Path

from omop_scorer.cdm.tables import TABLES
from omop_scorer.cli.main import main
from tests.benchmarks.floor import spark_session
from tests.benchmarks.warehouse import parquet_files

if __name__ == "__main__":
    session = spark_session()
    for table in TABLES:
        files = parquet_files(Path(sys.argv[1]), table.name)
        session.sql(f"CREATE TABLE {table.name} USING parquet LOCATION '{files}'")
    sys.argv = ["omop-scorer", *sys.argv[2:]]
    main()
