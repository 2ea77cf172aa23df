"""Sessions of MySQL and MariaDB: one time zone, and a way to stop a statement that is at work."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import sqlalchemy
from sqlalchemy.exc import SQLAlchemyError

#: Code of the type TIMESTAMP, which all drivers take from the protocol.
_TIMESTAMP = 7


class MySqlSession:
    """A session whose moments (TIMESTAMP) are in UTC, whatever the server's own time zone is.

    Parameters
    ----------
    connection
        Connection in which no statement is at work.
    """

    def __init__(self, connection: sqlalchemy.Connection) -> None:
        self._engine = connection.engine
        connection.exec_driver_sql("SET time_zone = '+00:00'")
        self._id = int(connection.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one())

    def rows(
        self, result: sqlalchemy.CursorResult[Any], rows: Sequence[Sequence[Any]]
    ) -> Sequence[Sequence[Any]]:
        """Return rows of a result in which a moment says that it is in UTC."""
        described = (result.cursor.description if result.cursor else None) or ()
        moments = [number for number, each in enumerate(described) if each[1] == _TIMESTAMP]
        if not moments:
            return rows
        return [_with_utc(row, moments) for row in rows]

    def stop(self) -> None:
        """Stop the statement at work. Otherwise the driver would read its rows to the end."""
        with suppress(SQLAlchemyError), self._engine.connect() as other:
            other.exec_driver_sql(f"KILL QUERY {self._id}")


def _with_utc(row: Sequence[Any], moments: Sequence[int]) -> list[Any]:
    values = list(row)
    for number in moments:
        if isinstance(values[number], datetime):
            values[number] = values[number].replace(tzinfo=UTC)
    return values
