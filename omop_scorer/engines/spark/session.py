"""The Spark session that a run uses: found, or made and ended by the run."""

import os
import signal
import socket
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import pyarrow as pa
from pyspark.errors import AnalysisException, PySparkException
from pyspark.logger import PySparkLogger
from pyspark.sql import DataFrame, SparkSession, is_remote
from pyspark.sql.pandas.types import from_arrow_schema

from omop_scorer.config.connections import Connections
from omop_scorer.errors import ConnectionFailedError, OmopScorerError

_ERRORS: tuple[type[Exception], ...] = (PySparkException,)

_Context: Any = None

try:
    from py4j.protocol import Py4JError
    from pyspark.core.context import SparkContext
except ModuleNotFoundError:  # the client of Spark Connect alone does without Java
    pass
else:
    _ERRORS, _Context = (PySparkException, Py4JError), SparkContext

_NO_SESSION: tuple[type[Exception], ...] = (*_ERRORS, OSError)

#: What Spark logs of a failing task may repeat a value: whoever wants its log says so.
_QUIET = {
    "spark.log.level": "OFF",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # A run that is killed leaves the rows that it shuffled on the disk.
    "spark.io.encryption.enabled": "true",
}

#: PySpark's own loggers write the whole text of an error, values included.
_LOGGERS = ("SQLQueryContextLogger", "DataFrameQueryContextLogger")


class Session:
    """A Spark session under the settings that a run needs, which are put back at the end.

    Spark itself says which one: the active one, as in a notebook; one over Spark Connect where
    SPARK_REMOTE is set; or a new one, by `spark.settings` and Spark's own files.

    Raises
    ------
    ConnectionFailedError
    """

    def __init__(self, settings: Connections) -> None:
        on_interrupt = signal.getsignal(signal.SIGINT)
        try:
            with quietly():
                active = SparkSession.getActiveSession()
                # Another thread of a notebook may have made one.
                is_found = active is not None or _has_context()
                self.spark = active or _new_session(settings.spark.settings)
        except _NO_SESSION as error:
            raise ConnectionFailedError(
                f"no Spark session can be had ({_kind(error)}): it needs Java 17 or later (set "
                "JAVA_HOME), or a server that SPARK_REMOTE names"
            ) from None
        # PySpark's own would call Java amid a call to Java, and complain of that at length.
        if signal.getsignal(signal.SIGINT) is not on_interrupt:
            signal.signal(signal.SIGINT, on_interrupt)
        self.is_own = not is_found
        self.is_remote = is_remote()
        self._views: set[str] = set()
        self._before: dict[str, str | None] = {}
        loggers = [PySparkLogger.getLogger(name) for name in _LOGGERS]
        self._silenced = [logger for logger in loggers if not logger.disabled]
        for logger in self._silenced:
            logger.disabled = True
        with errors_as(ConnectionFailedError, "the settings of the Spark session"):
            self._set(_needed(settings))

    def _set(self, settings: Mapping[str, str]) -> None:
        for name, value in settings.items():
            self._before[name] = self.spark.conf.get(name, None)
            self.spark.conf.set(name, value)

    def frame(self, rows: pa.Table) -> DataFrame:
        """Return an Arrow table that the driver holds as a frame, of no rows too."""
        schema = from_arrow_schema(rows.schema, prefer_timestamp_ntz=True)
        return self.spark.createDataFrame(rows, schema)

    def show(self, frame: DataFrame, view: str) -> None:
        """Let queries find a frame under a name, until close."""
        frame.createOrReplaceTempView(view)
        self._views.add(view)

    def setting(self, name: str) -> str | None:
        """Return a setting of the session, None where it has none or does not say."""
        try:
            return self.spark.conf.get(name, None)
        except PySparkException:
            return None

    @property
    def is_local(self) -> bool:
        """Whether the executors are known to be on this machine; of a server nobody knows."""
        return not self.is_remote and (self.setting("spark.master") or "").startswith("local")

    @property
    def forgets_tables(self) -> bool:
        """Whether its catalog vanishes with it, and nobody else can see what is in it."""
        is_ours = self.is_own and not self.is_remote
        return is_ours and self.setting("spark.sql.catalogImplementation") == "in-memory"

    def close(self) -> None:
        """End the session, if it was made for the run; else drop views and put settings back."""
        for logger in self._silenced:
            logger.disabled = False
        # Where Java has died there is nothing to put back, and why the run failed matters more.
        with suppress(*_ERRORS):
            if self.is_own:
                self.spark.stop()
                return
            for view in self._views:
                self.spark.catalog.dropTempView(view)
            for name, value in self._before.items():
                if value is None:
                    self.spark.conf.unset(name)
                else:
                    self.spark.conf.set(name, value)


def _new_session(settings: Mapping[str, str]) -> SparkSession:
    builder = SparkSession.builder.appName("omop-scorer")
    server = urlsplit(os.environ.get("SPARK_REMOTE", ""))
    if server.scheme == "sc":
        # What it logs was settled when it started.
        _knock(server.hostname or "", server.port or 15002)
    else:
        # The executors of one machine must find this package: they run the same interpreter.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
        settings = _QUIET | dict(settings)
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def _knock(host: str, port: int) -> None:
    """Fail at once where nobody listens: PySpark would try for twenty minutes, and not say so.

    Behind a proxy that cannot be known.
    """
    if getproxies():
        return
    try:
        socket.create_connection((host, port), timeout=30).close()
    except OSError as error:
        raise ConnectionFailedError(
            f"SPARK_REMOTE: no Spark Connect server answers at {host}:{port} "
            f"({error.strerror or type(error).__name__})"
        ) from None


def _needed(settings: Connections) -> Mapping[str, str]:
    return {
        "spark.sql.session.timeZone": settings.cdm.time_zone,
        # A file that is gone or broken is no table with fewer rows.
        "spark.sql.files.ignoreMissingFiles": "false",
        "spark.sql.files.ignoreCorruptFiles": "false",
        "spark.sql.execution.arrow.maxRecordsPerBatch": str(settings.batch_size),
        # Files hold the days that are meant, whoever wrote them.
        "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
        "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
        "spark.sql.parquet.int96RebaseModeInRead": "CORRECTED",
    }


@contextmanager
def quietly() -> Iterator[None]:
    """Keep PySpark's doubts about pandas to itself: no frame of pandas passes between them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning, message=".*pandas")
        yield


@contextmanager
def errors_as(error_class: type[OmopScorerError], where: str) -> Iterator[None]:
    """Turn Spark's errors into ours; of their texts only those that name objects are kept."""
    try:
        yield
    except SystemExit:
        _forget_connection()
        raise
    except _ERRORS as error:
        text = str(error)
        if "No space left" in text:
            raise error_class(f"{where}: the disk is full, no space is left") from None
        detail = (
            text.partition("\n")[0]
            if isinstance(error, AnalysisException)
            else "spark.log.level under spark.settings lets Spark say more, values of patients too"
        )
        if "ModuleNotFoundError" in text:
            detail = (
                "a package is missing on the executors, where omop-scorer must be installed too"
            )
        raise error_class(
            f"{where}: Spark refused the statement ({_kind(error)}): {detail}"
        ) from None


def _has_context() -> bool:
    return _Context is not None and _Context._active_spark_context is not None


def _forget_connection() -> None:
    """Let the next call have a connection of its own.

    A signal amid a call leaves its answer unread, which the next one would take for its own. py4j
    sees to that after an interrupt from the keyboard only.
    """
    if _Context is not None and _Context._gateway is not None:
        _Context._gateway._gateway_client.thread_connection.connection = None


def _kind(error: Any) -> str:
    condition = error.getCondition() if isinstance(error, PySparkException) else None
    return condition or type(error).__name__
