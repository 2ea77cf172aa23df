"""Sessions of MySQL and MariaDB: habits of their own, and a way to stop a statement at work."""

from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from typing import Any

import sqlalchemy
from sqlalchemy.exc import SQLAlchemyError

from omop_scorer.errors import ConnectionFailedError
from omop_scorer.sources.driver_errors import is_transient, kind

#: What a server or its `init_connect` may have set, and what changes the rows or the meaning of a
#: statement: the longest result (rows beyond it are left out without a word), quotes, NULL.
_HABITS = (
    "SET SESSION sql_mode = '', sql_select_limit = 18446744073709551615, sql_auto_is_null = 0, "
    "time_zone = '+00:00'"
)
#: Code of the type TIMESTAMP, which all drivers take from the protocol.
_TIMESTAMP = 7


def set_habits(engine: sqlalchemy.Engine, where: str) -> None:
    """Let every connection of an engine begin with habits of its own; messages begin with `where`.

    SQLAlchemy asks a new connection how names are quoted, so the habits come before that.
    """

    def begin(connection: Any, _: object) -> None:
        try:
            with closing(connection.cursor()) as cursor:
                cursor.execute(_HABITS)
        except Exception as error:  # each driver has classes of its own
            ours = ConnectionFailedError(f"{where}: the session cannot be set up ({kind(error)})")
            ours.is_transient = is_transient(error, "mysql")
            raise ours from None

    sqlalchemy.event.listen(engine, "connect", begin, insert=True)


class MySqlSession:
    """A session whose moments (TIMESTAMP) are in UTC, because `set_habits` came before it.

    Parameters
    ----------
    connection
        Connection in which no statement is at work.
    """

    def __init__(self, connection: sqlalchemy.Connection) -> None:
        self._engine = connection.engine
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
        with suppress(SQLAlchemyError, ConnectionFailedError), self._engine.connect() as other:
            other.exec_driver_sql(f"KILL QUERY {self._id}")


def _with_utc(row: Sequence[Any], moments: Sequence[int]) -> list[Any]:
    values = list(row)
    for number in moments:
        if isinstance(values[number], datetime):
            values[number] = values[number].replace(tzinfo=UTC)
    return values
