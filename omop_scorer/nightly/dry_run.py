"""The engine of a dry run: it shows each query with its plan, runs it, and writes no results."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NoReturn

import pyarrow as pa
from sqlglot import exp

from omop_scorer.cdm.tables import SiteTable, Table
from omop_scorer.engines.base import Engine, Parameters
from omop_scorer.errors import ResultsError
from omop_scorer.sources.statement import Ids


class DryRunEngine(Engine):
    """A wrapper that reads the CDM through another engine and only counts what a run would write.

    Parameters
    ----------
    engine
        The engine to wrap, opened without results.
    say
        Receives text that is valid SQL as a whole: each query in the dialect of the engine, and in
        comments its parameters, its plan and its number of rows.
    """

    def __init__(self, engine: Engine, say: Callable[[str], None]) -> None:
        self._engine, self._say = engine, say
        self.schemas, self.site, self.table_names = engine.schemas, engine.site, engine.table_names
        self.rows_to_write: Counter[str] = Counter()
        """Rows that a run would append, by results table."""

    @property
    def name(self) -> str:  # type: ignore[override]
        """The name of the wrapped engine."""
        return self._engine.name

    @property
    def dialect(self) -> str:  # type: ignore[override]
        """The dialect of the wrapped engine."""
        return self._engine.dialect

    def find_table(self, table: Table) -> SiteTable | None:
        """Delegate to the wrapped engine."""
        return self._engine.find_table(table)

    def map_table(self, table: Table, site: SiteTable | None) -> None:
        """Delegate: the mapped tables are part of the work area, not of the results."""
        self._engine.map_table(table, site)

    def count_unreadable(self, table: Table) -> Mapping[str, int]:
        """Delegate to the wrapped engine."""
        return self._engine.count_unreadable(table)

    @property
    def reads_in_place(self) -> bool:
        """Delegate to the wrapped engine."""
        return self._engine.reads_in_place

    @property
    def snapshot(self) -> str | None:
        """Delegate to the wrapped engine."""
        return self._engine.snapshot

    def show_pull(self, statement: str, ids: Ids) -> str:
        """Delegate to the wrapped engine."""
        return self._engine.show_pull(statement, ids)

    def pull(self, statement: str, table: str, ids: Ids) -> int:
        """Show the statement, copy its rows and count them."""
        text = self._engine.show_pull(statement, ids)
        self._say(f"-- rows of {table}, from the source\n{text};")
        n_rows = self._engine.pull(statement, table, ids)
        self._say(f"-- rows pulled: {n_rows:,}\n")
        return n_rows

    def release_source(self) -> None:
        """Delegate to the wrapped engine."""
        self._engine.release_source()

    def stage(self, table: str, query: exp.Expr, parameters: Parameters) -> int:
        """Show the query, stage it in the work area and count its rows."""
        self._show(f"work.{table}", query, parameters)
        n_rows = self._engine.stage(table, query, parameters)
        self._say(f"-- rows of work.{table}: {n_rows:,}\n")
        return n_rows

    def load(self, table: str, rows: pa.Table) -> None:
        """Load the rows into the work area."""
        self._engine.load(table, rows)

    def fetch(self, query: exp.Expr, parameters: Parameters) -> list[tuple[object, ...]]:
        """Show the query and return its rows."""
        self._show("rows that the program reads", query, parameters)
        rows = self._engine.fetch(query, parameters)
        self._say(f"-- rows: {len(rows):,}\n")
        return rows

    def stream(self, query: exp.Expr, batch_size: int) -> Iterator[pa.RecordBatch]:
        """Show the query and yield its rows."""
        self._show("one row per patient, to be scored", query, {})
        return self._engine.stream(query, batch_size)

    def explain(self, query: exp.Expr, parameters: Parameters) -> tuple[str, str]:
        """Delegate to the wrapped engine."""
        return self._engine.explain(query, parameters)

    def execute(self, statement: exp.Expr, parameters: Parameters) -> None:
        """Count the rows that an INSERT would copy from the work area to the results.

        Raises
        ------
        ResultsError
            The statement is not an INSERT with a column list, so it would change the results.
        """
        if not isinstance(statement, exp.Insert) or not isinstance(statement.this, exp.Schema):
            self._refuse()
        rows = exp.alias_(exp.Subquery(this=statement.expression), "rows_to_write", table=True)
        counting = exp.select(exp.Count(this=exp.Star())).from_(rows)
        ((n_rows,),) = self._engine.fetch(counting, parameters)
        self.rows_to_write[statement.this.this.name] += int(str(n_rows))

    def append(self, table: str, rows: pa.Table) -> None:
        """Count the rows instead of appending them."""
        self.rows_to_write[table] += rows.num_rows

    def has_results(self) -> bool:
        """Refuse: a dry run does not open the results."""
        self._refuse()

    def create_results_schema(self) -> None:
        """Refuse: a dry run creates nothing."""
        self._refuse()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do nothing: a dry run has nothing to commit or roll back."""
        yield

    def close(self) -> None:
        """Close the wrapped engine."""
        self._engine.close()

    def _show(self, title: str, query: exp.Expr, parameters: Parameters) -> None:
        text, plan = self._engine.explain(query.copy(), parameters)
        lines = [
            f"-- {title}",
            *(f"-- :{name} = {parameters[name]}" for name in sorted(parameters)),
        ]
        self._say("\n".join([*lines, f"{text};", *(f"--   {line}" for line in plan.splitlines())]))

    def _refuse(self) -> NoReturn:
        raise ResultsError("a dry run neither reads nor writes the results")
