"""Where a CDM is kept, for engines that pull the rows of a run instead of reading in place."""

from omop_scorer.config.connections import CATALOG, Connections
from omop_scorer.connections import missing_pyspark_explained
from omop_scorer.sources.base import PulledSource


def open_source(settings: Connections) -> PulledSource:
    """Open the database or catalog that `cdm.url` names.

    Raises
    ------
    ConfigurationError
        No driver for it is installed.
    ConnectionFailedError
    """
    if settings.cdm.is_postgresql:
        from omop_scorer.sources.postgres import PostgresSource  # noqa: PLC0415

        return PostgresSource(settings)
    if settings.cdm.url == CATALOG:
        with missing_pyspark_explained():
            from omop_scorer.sources.spark import SparkSource  # noqa: PLC0415

        return SparkSource(settings)
    from omop_scorer.sources.sqlalchemy import SqlAlchemySource  # noqa: PLC0415

    return SqlAlchemySource(settings.cdm)
