"""Spark session of a run, with translated errors. The run uses an active session or starts one."""

import os
import re
import signal
import socket
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit
from urllib.request import getproxies

import pyarrow as pa
import pyspark
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
except ModuleNotFoundError:  # an installation for Spark Connect only has no Java gateway
    pass
else:
    _ERRORS, _Context = (PySparkException, Py4JError), SparkContext

_NO_SESSION: tuple[type[Exception], ...] = (*_ERRORS, OSError)

#: Spark's log of a failed task may repeat a value, so a site that wants the log must enable it.
_QUIET = {
    "spark.log.level": "OFF",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # A run that is killed leaves shuffled rows on the disk.
    "spark.io.encryption.enabled": "true",
}

#: A run has hundreds of small queries, so Java would spend more time on optimising their code than
#: it saves, and threads that collect garbage would take cores from the others.
_QUICK_JAVA, _ONE_COLLECTOR = "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"

#: Where Spark's launcher and Java find options besides the settings.
_JAVA_VARIABLES = ("SPARK_SUBMIT_OPTS", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS")
_JAVA_FILES = ("spark-env.sh", "java-opts")

#: Variables of a site that starts Java itself, or names the master in a way of its own.
_OWN_START = ("PYSPARK_GATEWAY_PORT", "PYSPARK_SUBMIT_ARGS", "MASTER")

_DEFAULT_PARTITIONS = 200

#: What to do about an error of Spark, by a pattern of its text.
_WAYS_OUT = {
    "ModuleNotFoundError": (
        "a Python package is missing on the executors; install omop-scorer there too"
    ),
    "Cannot run program": (
        "the executors do not find the Python of the driver; install it there at the same path, or "
        "set PYSPARK_PYTHON to the path of theirs"
    ),
    "FileNotFoundException: File |FILE_NOT_EXIST": (
        "an executor does not find a file; mount every folder of the run file at the same path on "
        "all machines of the cluster, and start again when nothing changes the files"
    ),
    "Mkdirs failed|Permission denied": (
        "an executor may not read or write a folder; run the executors as the user of the driver"
    ),
    "SparkContext was shut down|stopped SparkContext": (
        "the cluster ended the session; look at the log of its master, and start again"
    ),
}

#: Loggers of PySpark that write the whole text of an error, values included.
_LOGGERS = ("SQLQueryContextLogger", "DataFrameQueryContextLogger")


class Session:
    """A Spark session with the settings that a run needs; `close` restores the earlier settings.

    It is the active session, as in a notebook; or a session over Spark Connect if SPARK_REMOTE is
    set; or a new session, made with `spark.settings` and Spark's own configuration files.

    Raises
    ------
    ConnectionFailedError
    """

    _started: ClassVar[SparkSession | None] = None
    """The session that this process has started and not yet ended."""

    def __init__(self, settings: Connections) -> None:
        on_interrupt = signal.getsignal(signal.SIGINT)
        try:
            with quietly():
                active = SparkSession.getActiveSession()
                # Another thread of a notebook may have started Spark.
                is_found = active is not None or _has_context()
                self.spark = active or _new_session(settings.spark.settings)
        except _NO_SESSION as error:
            raise ConnectionFailedError(_no_session(error, settings.spark.settings)) from None
        # PySpark's handler would call Java during another call to Java, and print a long error.
        if signal.getsignal(signal.SIGINT) is not on_interrupt:
            signal.signal(signal.SIGINT, on_interrupt)
        self.is_own = not is_found
        if self.is_own:
            Session._started = self.spark
        self.is_remote = is_remote()
        self._views: set[str] = set()
        self._before: dict[str, str | None] = {}
        loggers = [PySparkLogger.getLogger(name) for name in _LOGGERS]
        self._silenced = [logger for logger in loggers if not logger.disabled]
        for logger in self._silenced:
            logger.disabled = True
        with errors_as(ConnectionFailedError, "the settings of the Spark session"):
            self._set({**self._few_partitions(), **_needed(settings)})

    def _set(self, settings: Mapping[str, str]) -> None:
        for name, value in settings.items():
            self._before[name] = self.spark.conf.get(name, None)
            self.spark.conf.set(name, value)

    def _few_partitions(self) -> dict[str, str]:
        """Return the number of partitions for one machine, unless the site has set it."""
        name = "spark.sql.shuffle.partitions"
        if not (self.is_own and self.is_local):
            return {}
        context = self.spark.sparkContext
        if context.getConf().contains(name):
            return {}
        return {name: str(min(2 * context.defaultParallelism, _DEFAULT_PARTITIONS))}

    def frame(self, rows: pa.Table) -> DataFrame:
        """Return an Arrow table, which may be empty, as a frame."""
        schema = from_arrow_schema(rows.schema, prefer_timestamp_ntz=True)
        return self.spark.createDataFrame(rows, schema)

    def show(self, frame: DataFrame, view: str) -> None:
        """Register a frame as a temporary view until the session is closed."""
        frame.createOrReplaceTempView(view)
        self._views.add(view)

    def setting(self, name: str) -> str | None:
        """Return a setting of the session, or None if it is not set or cannot be read."""
        try:
            return self.spark.conf.get(name, None)
        except PySparkException:
            return None

    @property
    def is_local(self) -> bool:
        """True if the executors run on this machine; always False over Spark Connect."""
        return not self.is_remote and (self.setting("spark.master") or "").startswith("local")

    @property
    def forgets_tables(self) -> bool:
        """True if its catalog is in memory: no other session sees it, and it ends with this one."""
        is_ours = self.spark is Session._started and not self.is_remote
        return is_ours and self.setting("spark.sql.catalogImplementation") == "in-memory"

    def close(self) -> None:
        """End the session if the run started it; else drop the views and restore the settings."""
        for logger in self._silenced:
            logger.disabled = False
        # If Java has died, there is nothing to restore, and the error of the run matters more.
        with suppress(*_ERRORS):
            if self.is_own:
                Session._started = None
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
        # The server decides what it logs, so `_QUIET` is not applied.
        _refuse_silent_server(server.hostname or "", server.port or 15002)
    else:
        # Executors on this machine must find this package, so they run the same interpreter.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
        settings = _QUIET | dict(settings) | java_on_this_machine(settings)
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def java_on_this_machine(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the options of Java for a session on this machine.

    Spark puts them before the options of the site, so that those prevail.
    """
    if any(name in os.environ for name in _OWN_START):
        return {}
    name = "spark.driver.defaultJavaOptions"
    given = _settings_files() | dict(settings)
    if not given.get("spark.master", "local").startswith("local"):
        return {}
    of_site = given.get(name, "")
    said = [of_site, given.get("spark.driver.extraJavaOptions", "")]
    said += [os.environ.get(variable, "") for variable in _JAVA_VARIABLES]
    said += [_text_of(file) for file in _JAVA_FILES]
    options = [_QUICK_JAVA]
    # Java does not start with two collectors.
    if not re.search(r"-XX:[+]Use\w*GC", " ".join(said)):
        options.append(_ONE_COLLECTOR)
    return {name: " ".join([*options, of_site]).strip()}


def _settings_files() -> dict[str, str]:
    """Return the settings of the site's spark-defaults.conf, which otherwise only Java reads."""
    lines = [line.strip() for line in _text_of("spark-defaults.conf").splitlines()]
    words = (re.split(r"\s*[=:]\s*|\s+", line, maxsplit=1) for line in lines)
    return {each[0]: each[1] for each in words if len(each) == 2}


def _text_of(file: str) -> str:
    """Return a file of Spark's configuration; an empty text if there is none."""
    home = os.environ.get("SPARK_HOME") or Path(pyspark.__file__).parent
    folder = Path(os.environ.get("SPARK_CONF_DIR") or Path(home) / "conf")
    try:
        return (folder / file).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _no_session(error: Exception, settings: Mapping[str, str]) -> str:
    """Return a message that names settings without values, which may be secrets."""
    text = str(error)
    if "stopped SparkContext" in text:
        master = settings.get("spark.master", "(of spark-defaults.conf)")
        return (
            f"spark.master {master}: no cluster answers there; check the address, and that driver "
            "and cluster reach each other"
        )
    # A second line is what Java says, so Java was started.
    if found := re.search(r"\n: ([\w.]+)(.*)", text):
        names = {*re.findall(r"\bspark(?:[.]\w+)+", found[2])} or {"spark.master", "other settings"}
        return (
            f"no Spark session can be started ({found[1].rpartition('.')[2]}): correct "
            f"{', '.join(sorted(names))} in spark.settings or in spark-defaults.conf"
        )
    return (
        f"no Spark session can be started ({_kind(error)}): install Java 17 or later and set "
        "JAVA_HOME, or set SPARK_REMOTE to the address of a Spark Connect server"
    )


def _refuse_silent_server(host: str, port: int) -> None:
    """Raise an error at once if no server listens; PySpark would retry silently for 20 minutes.

    Behind a proxy this cannot be tested.
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
        # A missing or corrupt file must fail, and not give a table with fewer rows.
        "spark.sql.files.ignoreMissingFiles": "false",
        "spark.sql.files.ignoreCorruptFiles": "false",
        "spark.sql.execution.arrow.maxRecordsPerBatch": str(settings.batch_size),
        # Dates in files are read and written as they are, without conversion of calendars.
        "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
        "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
        "spark.sql.parquet.int96RebaseModeInRead": "CORRECTED",
        # Moments in nanoseconds, which pandas writes, would be refused; we convert the numbers.
        "spark.sql.legacy.parquet.nanosAsLong": "true",
    }


@contextmanager
def quietly() -> Iterator[None]:
    """Suppress PySpark's warnings about pandas, because no pandas frame is passed to it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning, message=".*pandas")
        yield


@contextmanager
def errors_as(error_class: type[OmopScorerError], where: str) -> Iterator[None]:
    """Raise errors of Spark as `error_class`, naming `where` and without a patient's value.

    The text of an error is kept only if it names objects and no values.
    """
    try:
        yield
    except SystemExit:
        _forget_connection()
        raise
    except _ERRORS as error:
        text = str(error)
        if "No space left" in text:
            raise error_class(
                f"{where}: no space is left on the disk; free some and start again"
            ) from None
        detail = (
            "set spark.log.level under spark.settings to see Spark's log, which may show values of "
            "patients"
        )
        if isinstance(error, AnalysisException):
            detail = text.partition("\n")[0]
        else:
            detail = next((way for p, way in _WAYS_OUT.items() if re.search(p, text)), detail)
        raise error_class(
            f"{where}: Spark refused the statement ({_kind(error)}): {detail}"
        ) from None


def named(names: Sequence[str]) -> str:
    """Return a name, given in parts, as a quoted identifier."""
    return ".".join("`" + name.replace("`", "``") + "`" for name in names)


def _has_context() -> bool:
    return _Context is not None and _Context._active_spark_context is not None


def _forget_connection() -> None:
    """Give the next call to Java a new connection.

    A signal during a call leaves its answer unread, and the next call would read it as its own.
    py4j handles this only for an interrupt from the keyboard.
    """
    if _Context is not None and _Context._gateway is not None:
        _Context._gateway._gateway_client.thread_connection.connection = None


def _kind(error: Any) -> str:
    if isinstance(error, PySparkException):
        return error.getCondition() or type(error).__name__
    # PySpark translates an error of Java only if it knows its class.
    found = re.search(r"Exception: \[([A-Z0-9_.]+)\] ", str(error))
    return found[1] if found else type(error).__name__
