"""A dry run: its engine shows each query with its plan, and its writer only counts rows."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Set

import pyarrow as pa
from sqlglot import exp

from omop_scorer.cdm.tables import SiteTable, Table
from omop_scorer.engines.base import Engine
from omop_scorer.sources.statement import Ids
from omop_scorer.stores.base import Parameters, Writer


class DryRunEngine(Engine):
    """A wrapper that shows what another engine does.

    Parameters
    ----------
    engine
        The engine to wrap.
    say
        Receives text that is valid SQL as a whole: each query in the dialect of the engine, and in
        comments its parameters, its plan and its number of rows.
    """

    def __init__(self, engine: Engine, say: Callable[[str], None]) -> None:
        self._engine, self._say = engine, say
        self.schemas, self.site, self.table_names = engine.schemas, engine.site, engine.table_names
        self.left_out = engine.left_out

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

    def has_values(self, site: SiteTable, no_values: Set[str]) -> bool:
        """Delegate to the wrapped engine."""
        return self._engine.has_values(site, no_values)

    def map_table(self, table: Table, site: SiteTable | None) -> None:
        """Delegate: the mapped tables are part of the work area, not of the results."""
        self._engine.map_table(table, site)

    def count_unreadable(self, table: Table) -> Mapping[str, int]:
        """Delegate to the wrapped engine."""
        return self._engine.count_unreadable(table)

    def refuse_changed_files(self) -> None:
        """Delegate to the wrapped engine."""
        self._engine.refuse_changed_files()

    @property
    def reads_in_place(self) -> bool:
        """Delegate to the wrapped engine."""
        return self._engine.reads_in_place

    @property
    def snapshot(self) -> str | None:
        """Delegate to the wrapped engine."""
        return self._engine.snapshot

    def show_pull(self, statement: str, table: str, ids: Ids) -> str:
        """Delegate to the wrapped engine."""
        return self._engine.show_pull(statement, table, ids)

    def pull(self, statement: str, table: str, ids: Ids) -> int:
        """Show the statement, copy its rows and count them."""
        text = self._engine.show_pull(statement, table, ids)
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

    def stream(self, query: exp.Expr, parameters: Parameters) -> Iterator[pa.RecordBatch]:
        """Show the query and yield its rows."""
        self._show("one row per patient, to be scored", query, parameters)
        return self._engine.stream(query, parameters)

    def copy(self, query: exp.Expr, parameters: Parameters, writer: Writer, table: str) -> None:
        """Count the rows instead of copying them."""
        assert isinstance(writer, CountingWriter)
        rows = exp.alias_(exp.Subquery(this=query), "rows_to_write", table=True)
        counting = exp.select(exp.Count(this=exp.Star())).from_(rows)
        ((n_rows,),) = self._engine.fetch(counting, parameters)
        writer.rows_to_write[table] += int(str(n_rows))

    def explain(self, query: exp.Expr, parameters: Parameters) -> tuple[str, str]:
        """Delegate to the wrapped engine."""
        return self._engine.explain(query, parameters)

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


class CountingWriter(Writer):
    """A writer that counts the rows that it is given, and keeps none of them."""

    def __init__(self) -> None:
        self.rows_to_write: Counter[str] = Counter()
        """Rows that a run would append, by results table."""

    def append(self, table: str, batches: Iterable[pa.RecordBatch]) -> None:
        """Count the rows."""
        self.rows_to_write[table] += sum(batch.num_rows for batch in batches)
