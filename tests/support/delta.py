"""Delta tables whose log is written by hand, for features that deltalake reads but never writes."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

#: Protocol of a table without features.
PLAIN = {"minReaderVersion": 1, "minWriterVersion": 2}
MAPPING = "delta.columnMapping.mode"


def with_features(*names: str) -> dict[str, Any]:
    """Return the protocol of a table that needs features to be read."""
    listed = {"readerFeatures": names, "writerFeatures": names}
    return {"minReaderVersion": 3, "minWriterVersion": 7, **listed}


def column(name: str, kind: str = "long", **metadata: object) -> dict[str, Any]:
    """Return a column of a table's schema."""
    dotted = {f"delta.columnMapping.{key}": value for key, value in metadata.items()}
    return {"name": name, "type": kind, "nullable": True, "metadata": dotted}


def write_log(
    folder: Path,
    columns: Sequence[Mapping[str, Any]],
    *files: pa.Table,
    protocol: Mapping[str, Any] = PLAIN,
    configuration: Mapping[str, str] | None = None,
    partitions: Sequence[Mapping[str, str | None]] = (),
    deletion_vector: Mapping[str, Any] | None = None,
    int96: bool = False,
) -> Path:
    """Write a table of one version; return the folder.

    `partitions` has the partition values of each file, and `deletion_vector` those of the first.
    """
    log = folder / "_delta_log"
    log.mkdir(parents=True)
    metadata = {
        "id": folder.name,
        "format": {"provider": "parquet", "options": {}},
        "schemaString": json.dumps({"type": "struct", "fields": columns}),
        "partitionColumns": list(partitions[0]) if partitions else [],
        "configuration": configuration or {},
        "createdTime": 0,
    }
    actions: list[dict[str, Any]] = [{"protocol": protocol}, {"metaData": metadata}]
    for number, rows in enumerate(files):
        path = folder / f"part-{number}.parquet"
        pq.write_table(rows, path, use_deprecated_int96_timestamps=int96)
        add = {
            "path": path.name,
            "partitionValues": partitions[number] if partitions else {},
            "size": path.stat().st_size,
            "modificationTime": 0,
            "dataChange": True,
        }
        if deletion_vector and number == 0:
            add["deletionVector"] = deletion_vector
        actions.append({"add": add})
    text = "\n".join(json.dumps(action) for action in actions)
    (log / f"{0:020}.json").write_text(text, encoding="utf-8")
    return folder
