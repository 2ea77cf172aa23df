"""The inputs of one night. Every step runs its SQL files through this class."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import date

import pyarrow as pa

from omop_scorer import sql
from omop_scorer.config.definitions import Definitions
from omop_scorer.config.run_file import RunConfig
from omop_scorer.engines.base import Engine
from omop_scorer.journal import Journal, Step
from omop_scorer.model.load import Model
from omop_scorer.terms import FIRST_ANTI_TNF, FIRST_BIOLOGIC

#: Prefix of the work tables that describe each person as of the index treatment, by index rule.
_PREFIXES = {FIRST_BIOLOGIC: "index_", FIRST_ANTI_TNF: "anti_tnf_"}

#: Work tables whose rows depend on each person's index date. The others are the same for all.
PER_INDEX_DATE = frozenset(
    (
        *("cohort", "cohort_member", "patient", "measurement_record", "measurement_value"),
        *("measurement_latest", "drug_record", "steroid_form", "steroid_record", "covariate"),
        "measurement_doubt",
        *("model_covariate", "patient_covariate"),
    )
)


@dataclass(frozen=True)
class Night:
    """An open engine, the definitions of the run, its as-of date, and the journal.

    With a `prefix`, the steps read and write work tables that use another index date per person.
    """

    engine: Engine
    definitions: Definitions
    as_of: date
    journal: Journal
    prefix: str = ""

    @property
    def config(self) -> RunConfig:
        """The run file."""
        return self.definitions.config

    @property
    def model(self) -> Model:
        """The model that scores the patients."""
        return self.definitions.model

    def at_index_treatment(self, index_rule: str) -> "Night":
        """Return the same night with work tables as of each person's index treatment by a rule.

        A cohort median would use records after the index date, so the constants of the model card
        are imputed instead.
        """
        config = self.config
        if config.impute == "cohort_median":
            config = config.model_copy(update={"impute": "calculator"})
        prefix = _PREFIXES[index_rule]
        return replace(self, definitions=replace(self.definitions, config=config), prefix=prefix)

    def step(self, name: str) -> AbstractContextManager[Step]:
        """Time a step of this night; set `rows` on what the context yields."""
        return self.journal.step(f"{self.prefix}{name}")

    def stage(self, file: str, table: str | None = None, **parameters: object) -> int:
        """Stage the SELECT of a SQL file as a work table.

        Parameters
        ----------
        file
            Name of the file, such as `cohort/cohort`.
        table
            Name of the work table without the prefix; by default the last part of `file`.
        parameters
            Parameters of the file that the run file does not determine.

        Returns
        -------
        int
            Number of rows in the table.
        """
        found = sql.find(file)
        statements = found.statements()
        if self.prefix:
            statements = found.prefixed("work", PER_INDEX_DATE, self.prefix)
        (query,) = statements
        name = f"{self.prefix}{table or file.rpartition('/')[2]}"
        return self.engine.stage(name, query, self._bound(found, parameters))

    def fetch(self, file: str, **parameters: object) -> list[tuple[object, ...]]:
        """Return all rows of a SQL file, for a result of a few rows."""
        found = sql.find(file)
        (query,) = found.statements()
        return self.engine.fetch(query, self._bound(found, parameters))

    def pull(
        self, statement: str, table: str | None = None, **ids: Sequence[int] | Sequence[str] | date
    ) -> int:
        """Copy the rows of a file of `sql/source` from the CDM; return their number.

        Parameters
        ----------
        statement
            Name of the file in `sql/source`.
        table
            CDM table that receives the rows. The file's own name unless given.
        ids
            The lists and dates that the statement binds. An empty list matches no row.
        """
        return self.engine.pull(statement, table or statement, ids)

    def load(self, table: str, rows: pa.Table) -> None:
        """Load an Arrow table as a work table of this night's index date."""
        self.engine.load(f"{self.prefix}{table}", rows)

    def _bound(self, file: sql.SqlFile, given: Mapping[str, object]) -> dict[str, object]:
        """Return exactly the parameters of a file, because an engine refuses any other."""
        values = {**self.parameters(), **given}
        return {key: values[key] for key in file.parameters}

    def parameters(self) -> dict[str, object]:
        """Return the parameters of the SQL files that the run file and the as-of date determine."""
        cohort, audit = self.config.cohort, self.config.audit
        return {
            "as_of_date": self.as_of,
            "follow": int(self.config.concept_mapping == "follow"),
            "minimum_distinct_days": cohort.minimum_distinct_days,
            "year_only": int(cohort.age_rule == "year"),
            "age_minimum": cohort.age_minimum,
            "age_maximum": cohort.age_maximum,
            "since": audit.since,
            "continuing_days": audit.continuing_days,
            "gap_days": audit.gap_days,
            "exposure_days": audit.exposure_days,
            "active_cdai": audit.active_cdai,
            "active_crp": audit.active_crp,
            "age_at_index": int(audit.age_at == "index"),
        }
