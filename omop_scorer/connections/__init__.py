"""Connections to databases: sessions, secrets, temporary folders, and errors in our words."""

from collections.abc import Iterator
from contextlib import contextmanager

from omop_scorer.errors import ConfigurationError


@contextmanager
def missing_pyspark_explained() -> Iterator[None]:
    """Raise an error that says what to install if PySpark is missing.

    Raises
    ------
    ConfigurationError
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("pyspark", "py4j"):
            raise
        raise ConfigurationError(
            "Spark needs PySpark, which is not installed; install it with: "
            "pip install 'omop-scorer[spark]'"
        ) from None
