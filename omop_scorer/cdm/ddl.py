"""The columns and types of the CDM tables that the generator writes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from omop_scorer.resources import shipped_yaml

Array = NDArray[Any]

NULL = int(np.iinfo(np.int64).min)

"""Value that represents SQL NULL in the generator's integer, date and timestamp columns."""

CDM_VERSIONS = ("5.3", "5.4")

_EHR = 32817

# In DuckDB, NUMERIC without a precision is DECIMAL(18,3), so a CDM created with OHDSI's DDL has
# three decimals. Parquet files get the same type, so every kind of generated CDM has equal values.
_TYPES = {
    "integer": ("INTEGER", pa.int32()),
    "numeric": ("DECIMAL(18,3)", pa.decimal128(18, 3)),
    "date": ("DATE", pa.date32()),
    "timestamp": ("TIMESTAMP", pa.timestamp("us")),
    "varchar": ("VARCHAR", pa.string()),
}


@dataclass(frozen=True)
class Column:
    """One column of a CDM table: name, type, and whether a value is required (NOT NULL)."""

    name: str
    kind: str
    is_required: bool

    @property
    def sql(self) -> str:
        """The definition of the column in CREATE TABLE."""
        return f"{self.name} {_TYPES[self.kind][0]}{' NOT NULL' if self.is_required else ''}"

    @property
    def filler(self) -> object:
        """The value of the column in every row if the generator does not fill it."""
        if not self.is_required:
            return None
        return _EHR if self.name.endswith("_type_concept_id") else 0

    def array(self, values: Array) -> Any:
        """Return generator values as an Arrow array; NULL, NaN and None mean missing."""
        arrow_type = _TYPES[self.kind][1]
        if self.kind == "varchar":
            return pa.array(values, type=arrow_type)
        if self.kind == "numeric":
            missing = np.isnan(values)
            # Whole thousandths are exact; a cast from DOUBLE would round.
            thousandths = np.rint(np.where(missing, 0, values) * 1000).astype(np.int64)
            decimal = np.zeros((len(values), 2), dtype=np.int64)
            decimal[:, 0], decimal[:, 1] = thousandths, thousandths >> 63
            bits = pa.array(~missing).buffers()[1]
            return pa.Array.from_buffers(
                arrow_type, len(values), [bits, pa.py_buffer(decimal.tobytes())]
            )
        missing = values == NULL
        physical = np.int64 if self.kind == "timestamp" else np.int32
        return pa.array(np.where(missing, 0, values).astype(physical), mask=missing).view(
            arrow_type
        )


def table_columns(cdm_version: str) -> dict[str, list[Column]]:
    """Return the columns of every table of a synthetic CDM, in the order of OHDSI's DDL."""
    other = {f"v{version}" for version in CDM_VERSIONS} - {f"v{cdm_version}"}
    return {
        table: [
            Column(name, words[0], "required" in words)
            for name, words in ((name, words.split()) for name, words in columns.items())
            if not other & set(words)
        ]
        for table, columns in shipped_yaml("synthetic/cdm_tables.yaml").items()
    }


def column_names(table: str) -> set[str]:
    """Return the names of all columns of a table in any CDM version; none if it is not known."""
    return {
        column.name for version in CDM_VERSIONS for column in table_columns(version).get(table, ())
    }


def arrow_schema(columns: list[Column]) -> Any:
    """Return the Arrow schema of a table."""
    return pa.schema([(column.name, _TYPES[column.kind][1]) for column in columns])
