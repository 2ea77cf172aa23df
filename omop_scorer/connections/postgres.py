"""Connections to a PostgreSQL server, with translated errors.

The server's messages may quote values of patients, so they are filtered. SQLAlchemy opens a
connection without a pool; psycopg does the rest, because COPY and server-side cursors are its own
features. psycopg's ClientCursor binds values on the client, because PostgreSQL accepts no
parameters in COPY, and plans a query better when it knows the dates.
"""

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import psycopg
import sqlalchemy
from psycopg.pq import TransactionStatus
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool
from sqlglot import exp

from omop_scorer.config.connections import Connections
from omop_scorer.config.location import Location
from omop_scorer.config.server_url import read_server
from omop_scorer.errors import ConnectionFailedError, OmopScorerError
from omop_scorer.texts import secret_values

#: Classes of SQLSTATE whose messages name objects, never values; 42 without syntax errors.
_SPEAKABLE = re.compile(
    r"0[38]...|25...|28...|3D...|3F...|40...|42(501|P0[1-9]|703)|5[3-8]...|XX..."
)

_DISK_FULL = "53100"
_NOT_REACHED = "check that the server runs, and its host, port, database and user"

#: States that pass by themselves: the server stops or starts, too many sessions, a deadlock.
_TRANSIENT = re.compile(r"08...|57P0[1235]|53300|40(001|P01)|55P03|25P0[34]")

#: The same in words: of a connection that could not be made the client knows no state. It speaks
#: English; where a server does not, its own words are not known, and it is not tried again.
_TRANSIENT_WORDS = re.compile(
    r"refused|timed out|timeout expired|unreachable|No route|reset by peer|closed the connection|"
    r"No such file|Temporary failure|starting up|shutting down|in recovery|too many|reserved for|"
    r"SYSCALL|EOF|eof|Broken pipe"
)

#: A server that is gone is noticed within a minute and a half, unless the URL says otherwise.
_KEEPALIVES = {
    **{"keepalives_idle": "30", "keepalives_interval": "15", "keepalives_count": "4"},
    "tcp_user_timeout": "90000",
}

#: So is a client that is gone, by a server that knows how. The session of the results waits while
#: the run works, longer than the server may let other sessions wait, but not longer than a night.
_WHERE_KNOWN = {
    **{"tcp_keepalives_idle": "30", "tcp_keepalives_interval": "15", "tcp_keepalives_count": "4"},
    "client_connection_check_interval": "10s",
    "idle_session_timeout": "1d",
    "transaction_timeout": "1d",
}

#: Habits that a database or a role may have set, and that change what a statement means or returns.
_PLAIN_HABITS = {
    **{"DateStyle": "ISO, YMD", "IntervalStyle": "postgres", "extra_float_digits": "1"},
    **{"bytea_output": "hex", "standard_conforming_strings": "on", "quote_all_identifiers": "off"},
    **{"transform_null_equals": "off", "array_nulls": "on", "row_security": "on"},
    **{"default_transaction_read_only": "off", "default_transaction_deferrable": "off"},
    "default_transaction_isolation": "read committed",
}

#: Every name is qualified, so we search no schema, from the first statement on: a function of the
#: site cannot take the place of one of the server. An option of the start outranks what is set for
#: a role or a database.
_SEARCH_NO_SCHEMA = "-c search_path="

# What psycopg ignores it would say on standard error in the server's words, values and all.
logging.getLogger("psycopg").propagate = False

logging.getLogger("psycopg").addHandler(logging.NullHandler())


_POOLER = (
    "this is a connection pooler, which loses the run lock and the settings of the session; give "
    "the address of the server itself"
)


class Connection:
    """One session: its settings, statements with bound values, and errors that hold no value.

    Parameters
    ----------
    key
        The key of the run file that names the place, for messages.
    place
        The server, with its password.
    settings
        Says how to deal with it, and in which time zone moments are days.

    Raises
    ------
    ConnectionFailedError
    """

    def __init__(self, key: str, place: Location, settings: Connections) -> None:
        self.where = f"{key}.url {place.url}"
        server = read_server(place.url)
        keywords: dict[str, Any] = {
            **_KEEPALIVES,
            **server.options,
            "host": server.host or server.options.get("host"),
            "port": server.port or server.options.get("port"),
            "dbname": server.database or server.options.get("dbname"),
            "user": server.user or server.options.get("user"),
            "application_name": settings.postgresql.application_name,
            "client_encoding": "utf8",
            "options": f"{server.options.get('options', _site_options())} {_SEARCH_NO_SCHEMA}",
        }
        if place.password is not None:
            keywords["password"] = place.password.get_secret_value()
        given = {name: value for name, value in keywords.items() if value is not None}
        self._refuse_unknown(server.options)
        # Prepared statements would be lost behind a connection pooler of the site.
        creator = partial(
            psycopg.connect, cursor_factory=psycopg.ClientCursor, prepare_threshold=None, **given
        )
        engine = sqlalchemy.create_engine(
            "postgresql+psycopg://", creator=creator, poolclass=NullPool, use_native_hstore=False
        )
        try:
            self._held = engine.raw_connection()
            driver = self._held.driver_connection
            assert isinstance(driver, psycopg.Connection)
            self.driver: psycopg.Connection[Any] = driver
            # It may be that of PGPASSWORD or of a pgpass file, which libpq reads.
            secret_values.keep(driver.info.password)
        except (DBAPIError, psycopg.Error) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            words = re.sub('"[^"]*"', "", str(cause))
            if "unsupported startup parameter" in words:
                raise ConnectionFailedError(f"{self.where}: {_POOLER}") from None
            is_transient = bool(_TRANSIENT_WORDS.search(words))
            raise _ours(ConnectionFailedError, self.where, cause, is_transient) from None
        try:
            self._settle(settings)
        except BaseException:
            self.close()
            raise

    def _settle(self, settings: Connections) -> None:
        self.driver.rollback()
        self.driver.autocommit = True
        limits = {
            "lock_timeout": settings.postgresql.lock_timeout_seconds,
            "statement_timeout": settings.postgresql.statement_timeout_seconds,
            "idle_in_transaction_session_timeout": settings.postgresql.idle_timeout_seconds,
        }
        parameters = {
            **_PLAIN_HABITS,
            "TimeZone": settings.cdm.time_zone,
            **{name: f"{seconds}s" for name, seconds in limits.items() if seconds is not None},
        }
        setting = b"SELECT pg_catalog.set_config(%s, %s, FALSE)"
        for name, value in parameters.items():
            with self.errors_as(ConnectionFailedError, f"{self.where}: setting {name}"):
                self.driver.execute(setting, (name, value))
        for name, value in _WHERE_KNOWN.items():
            with suppress(psycopg.errors.UndefinedObject, psycopg.errors.InvalidParameterValue):
                self.driver.execute(setting, (name, value))
        with self.errors_as(ConnectionFailedError):
            # What a run has reported as COMPLETE outlives a crash of the server.
            self.driver.execute(
                b"SELECT pg_catalog.set_config('synchronous_commit', 'on', FALSE) "
                b"WHERE pg_catalog.current_setting('synchronous_commit') = 'off'"
            )

    def _refuse_unknown(self, options: Mapping[str, str]) -> None:
        known = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}
        if unknown := sorted(set(options) - known):
            raise ConnectionFailedError(
                f"{self.where}: unknown connection option: {', '.join(unknown)}"
            )

    def refuse_unfit(self) -> None:
        """Refuse what a run cannot work with: a pooler in between, a database that is not UTF-8.

        Raises
        ------
        ConnectionFailedError
        """
        with self.errors_as(ConnectionFailedError):
            ((pid, encoding),) = self.rows(
                "SELECT pg_catalog.pg_backend_pid(), pg_catalog.current_setting('server_encoding')"
            )
        if pid != self.driver.info.backend_pid:
            raise ConnectionFailedError(f"{self.where}: {_POOLER}")
        if encoding != "UTF8":
            raise ConnectionFailedError(
                f"{self.where}: the database encoding is {encoding}; a run needs UTF8, because "
                "other encodings cannot store every text of a CDM"
            )

    def is_standby(self) -> bool:
        """Return True if the server only repeats what another one, the primary, has written."""
        return bool(self.rows("SELECT pg_catalog.pg_is_in_recovery()")[0][0])

    def execute(
        self, text: str, parameters: Mapping[str, object] | None = None
    ) -> psycopg.Cursor[tuple[Any, ...]]:
        """Run a statement; values are bound, and without any a percent sign is one."""
        return self.driver.execute(text.encode(), parameters or None)

    def rows(
        self, text: str, parameters: Mapping[str, object] | None = None
    ) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""
        return self.execute(text, parameters).fetchall()

    @contextmanager
    def errors_as(self, error_class: type[OmopScorerError], where: str = "") -> Iterator[None]:
        """Turn the server's errors into one of ours, of which no part is a value."""
        try:
            yield
        except psycopg.Error as error:
            is_lost = bool(self.driver.closed)
            raise _ours(error_class, where or self.where, error, is_lost) from None

    def close(self) -> None:
        """End the session; a statement that is still at work is stopped on the server too."""
        if self.driver.closed and not self._held.is_valid:
            return
        with suppress(psycopg.Error):
            if self.driver.info.transaction_status is TransactionStatus.ACTIVE:
                self.driver.cancel_safe(timeout=5)
        with suppress(psycopg.Error, DBAPIError):
            # Not only returned: nobody waits for a rollback of what is thrown away.
            self.driver.close()
            self._held.invalidate()


def _site_options() -> str:
    """Return the options of the start that the environment gives (PGOPTIONS)."""
    defaults = {each.keyword: each.val for each in psycopg.pq.Conninfo.get_defaults()}
    return (defaults[b"options"] or b"").decode()


def rendered(tree: exp.Expr, *, is_bound: bool, is_for_people: bool = False) -> str:
    """Return a tree, which is used up, as SQL; `is_bound`: psycopg binds parameters into it."""
    if is_bound:
        # Where values are bound, psycopg takes a percent sign for the start of a name.
        for node in tree.find_all(exp.Literal, exp.Identifier):
            if isinstance(node.this, str):
                node.set("this", node.this.replace("%", "%%"))
    return tree.sql(dialect="postgres", copy=False, comments=is_for_people, pretty=is_for_people)


def _ours(
    error_class: type[OmopScorerError],
    where: str,
    error: BaseException | None,
    is_transient_without_state: bool,
) -> OmopScorerError:
    state = getattr(error, "sqlstate", None)
    ours = error_class(f"{where}: {_said(error)}{_missing_right(error)}")
    ours.is_transient = (
        isinstance(error, psycopg.OperationalError) and is_transient_without_state
        if state is None
        else bool(_TRANSIENT.fullmatch(state))
    )
    return ours


def _missing_right(error: BaseException | None) -> str:
    """Return what to grant where a user may not enter a database, else nothing."""
    match = re.search(r'permission denied for database "(.+)"\n', f"{error}\n")
    return f': GRANT CONNECT ON DATABASE "{match[1]}" TO the user' if match else ""


def _said(error: BaseException | None) -> str:
    kind, state = type(error).__name__, getattr(error, "sqlstate", None)
    text = " ".join(str(error).split("\n")[0].split())
    if state == _DISK_FULL:
        return f"the disk of the server is full, no space is left ({kind} {state})"
    if state is None:
        # Said by the client: of its errors only those of the connection hold no value.
        is_speakable = isinstance(error, psycopg.OperationalError)
        return f"{text}; {_NOT_REACHED}" if is_speakable else f"the client failed ({kind})"
    primary = " ".join((getattr(error, "diag").message_primary or "").split())  # noqa: B009
    detail = f": {primary}" if _SPEAKABLE.fullmatch(state) else ""
    return f"the server refused the statement ({kind} {state}){detail}"


def quoted(name: str) -> str:
    """Return a name as an identifier, whatever stands in it."""
    return exp.to_identifier(name, quoted=True).sql(dialect="postgres")
