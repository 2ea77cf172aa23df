"""The results tables, as specified in `sql/results/results_data_model.csv`."""

import csv
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import pyarrow as pa

from omop_scorer.resources import shipped

if TYPE_CHECKING:
    from pandas import DataFrame

_ARROW = {
    "bigint": pa.int64(),
    "integer": pa.int32(),
    "double": pa.float64(),
    "varchar": pa.string(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
}


@dataclass(frozen=True)
class ResultsColumn:
    """One line of the specification of the results tables."""

    table_name: str
    column_name: str
    data_type: str
    is_required: bool
    is_key: bool
    is_count: bool
    """True for a count that must not leave the warehouse while it is small."""
    sums_over: str = ""
    """Cells that rows of this count add up to; the language is described in `sql/README.md`."""
    part_of: str = ""
    """Larger cells that hold rows of this count, in the same language."""
    protect_last: str = ""
    """Rows whose count is hidden last, as conditions; `Yes` for all rows."""
    description: str = ""
    """Meaning of the column, in words."""


@cache
def data_model() -> dict[str, list[ResultsColumn]]:
    """Return the columns of each results table, in the order of the specification."""
    path = shipped("sql") / "results" / "results_data_model.csv"
    tables: dict[str, list[ResultsColumn]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            column = ResultsColumn(
                row["table_name"],
                row["column_name"],
                row["data_type"],
                is_required=row["is_required"] == "Yes",
                is_key=row["primary_key"] == "Yes",
                is_count=row["min_cell_count"] == "Yes",
                sums_over=row["sums_over"],
                part_of=row["part_of"],
                protect_last=row["protect_last"],
                description=row["description"],
            )
            tables.setdefault(column.table_name, []).append(column)
    return tables


def arrow_schema(table: str) -> pa.Schema:
    """Return the Arrow schema of a results table."""
    return pa.schema([(c.column_name, _ARROW[c.data_type]) for c in data_model()[table]])


def rows_schema(table: str) -> pa.Schema:
    """Return the Arrow schema of a results table without run_id."""
    return pa.schema([field for field in arrow_schema(table) if field.name != "run_id"])


def data_frame(table: pa.Table) -> "DataFrame":
    """Return a table as a pandas DataFrame whose types do not depend on missing values.

    Whole numbers are Int64 or Int32, booleans are boolean and texts string, all with NA where there
    is no value; other numbers are float64 with NaN; dates and times are datetime64 with NaT.
    """
    import pandas as pd  # noqa: PLC0415

    types = {
        pa.int64(): pd.Int64Dtype(),
        pa.int32(): pd.Int32Dtype(),
        pa.bool_(): pd.BooleanDtype(),
        pa.string(): pd.StringDtype(),
    }
    for index, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            words = table.column(index).cast(field.type.value_type)
            table = table.set_column(index, field.name, words)
    frame: DataFrame = table.to_pandas(types_mapper=types.get, date_as_object=False)
    return frame


def run_tables() -> list[str]:
    """Return the tables that a run fills, without `scoring_run` and `scoring_run_status`."""
    return [name for name in data_model() if not name.startswith("scoring_run")]


def person_level_tables() -> list[str]:
    """Return the tables of `run_tables` whose rows describe single persons."""
    person_columns = {"person_id", "subject_id"}
    return [
        name
        for name in run_tables()
        if person_columns & {column.column_name for column in data_model()[name]}
    ]
