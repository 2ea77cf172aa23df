"""A night without its writing: every query is shown with its plan, run, and its rows counted."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NoReturn

import pyarrow as pa
from sqlglot import exp

from omop_scorer.cdm.tables import SiteTable, Table
from omop_scorer.engines.base import Engine, Parameters
from omop_scorer.errors import ResultsError


class DryRunEngine(Engine):
    """An engine that asks everything of the one it stands for, and writes nothing of the answer.

    Parameters
    ----------
    engine
        An engine opened without results.
    say
        Called with text that is SQL as a whole: each query as the engine gets it, and in comments
        how it would be executed and how many rows it gave.
    """

    def __init__(self, engine: Engine, say: Callable[[str], None]) -> None:
        self._engine, self._say = engine, say
        self.schemas, self.site, self.table_names = engine.schemas, engine.site, engine.table_names
        self.rows_to_write: Counter[str] = Counter()
        """Rows that a night would append, by table of the results."""

    @property
    def name(self) -> str:  # type: ignore[override]
        """The name of the engine that it stands for."""
        return self._engine.name

    @property
    def dialect(self) -> str:  # type: ignore[override]
        """The dialect of the engine that it stands for."""
        return self._engine.dialect

    def find_table(self, table: Table) -> SiteTable | None:
        """Ask the engine."""
        return self._engine.find_table(table)

    def map_table(self, table: Table, site: SiteTable | None) -> Mapping[str, int]:
        """Ask the engine: what it makes of the site's tables is part of its work area."""
        return self._engine.map_table(table, site)

    def stage(self, table: str, query: exp.Expr, parameters: Parameters) -> int:
        """Show the query, stage it in the work area, count its rows."""
        self._show(f"work.{table}", query, parameters)
        n_rows = self._engine.stage(table, query, parameters)
        self._say(f"-- rows of work.{table}: {n_rows:,}\n")
        return n_rows

    def load(self, table: str, rows: pa.Table) -> None:
        """Load into the work area."""
        self._engine.load(table, rows)

    def fetch(self, query: exp.Expr, parameters: Parameters) -> list[tuple[object, ...]]:
        """Show the query and return its rows."""
        self._show("rows that are counted or kept", query, parameters)
        rows = self._engine.fetch(query, parameters)
        self._say(f"-- rows: {len(rows):,}\n")
        return rows

    def stream(self, query: exp.Expr, batch_size: int) -> Iterator[pa.RecordBatch]:
        """Show the query and yield its rows."""
        self._show("one row a patient, to be scored", query, {})
        return self._engine.stream(query, batch_size)

    def explain(self, query: exp.Expr, parameters: Parameters) -> tuple[str, str]:
        """Ask the engine."""
        return self._engine.explain(query, parameters)

    def execute(self, statement: exp.Expr, parameters: Parameters) -> None:
        """Count the rows that would be taken from the work area to the results.

        Raises
        ------
        ResultsError
            Any other statement would change the results.
        """
        if not isinstance(statement, exp.Insert) or not isinstance(statement.this, exp.Schema):
            self._refuse()
        rows = exp.alias_(exp.Subquery(this=statement.expression), "rows_to_write", table=True)
        counting = exp.select(exp.Count(this=exp.Star())).from_(rows)
        ((n_rows,),) = self._engine.fetch(counting, parameters)
        self.rows_to_write[statement.this.this.name] += int(str(n_rows))

    def append(self, table: str, rows: pa.Table) -> None:
        """Count the rows."""
        self.rows_to_write[table] += rows.num_rows

    def has_results(self) -> bool:
        """Refuse: the results are not looked at."""
        self._refuse()

    def create_results_schema(self) -> None:
        """Refuse: nothing is made."""
        self._refuse()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """There is nothing to keep or to roll back."""
        yield

    def close(self) -> None:
        """Close the engine."""
        self._engine.close()

    def _show(self, what: str, query: exp.Expr, parameters: Parameters) -> None:
        text, plan = self._engine.explain(query.copy(), parameters)
        lines = [f"-- {what}", *(f"-- :{name} = {parameters[name]}" for name in sorted(parameters))]
        self._say("\n".join([*lines, f"{text};", *(f"--   {line}" for line in plan.splitlines())]))

    def _refuse(self) -> NoReturn:
        raise ResultsError("a dry run neither reads nor writes the results")
