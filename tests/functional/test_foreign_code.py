"""Nobody's code runs with the rights of the job in a PostgreSQL server, or says what it wrote."""

import itertools
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from omop_scorer import sql
from omop_scorer.cdm.tables import TABLES
from omop_scorer.config.connections import Connections
from omop_scorer.config.run_file import RunConfig
from omop_scorer.connections.postgres import Connection
from omop_scorer.errors import ResultsError
from omop_scorer.results import runs
from omop_scorer.results import schema as results_schema
from omop_scorer.sources.postgres import PostgresSource
from omop_scorer.stores import open_results, open_store, try_store
from omop_scorer.terms import FAILED
from tests.support import postgresql

SECRET = "s3ntinel"
(PERSON,) = (table for table in TABLES if table.name == "person")
_numbers = itertools.count()


def su(statement: str, *names: str) -> list[tuple[Any, ...]]:
    """Run a statement of the superuser; names are put into it quoted."""
    cursor = postgresql.session().execute(SQL(statement).format(*map(Identifier, names)))
    return cursor.fetchall() if cursor.description else []


def url_of(role: str) -> str:
    head, _, rest = postgresql.database().partition("://")
    return f"{head}://{role}:{SECRET}@{rest.rpartition('@')[2]}"


@dataclass
class Roles:
    """The job with its results schema, mallory, a group, and a CDM that mallory may not read."""

    job: str
    mallory: str
    group: str
    results: str
    cdm: str

    def settings(self, **results: object) -> Connections:
        where = {"url": url_of(self.job)}
        document = {
            "engine": "postgresql",
            "cdm": {**where, "schema": self.cdm},
            "results": {**where, "schema": self.results, **results},
        }
        return RunConfig.model_validate(document).connections

    def migrate(self) -> None:
        with closing(open_store(self.settings())) as store:
            results_schema.migrate(store)

    def as_mallory(self, statement: str) -> None:
        with psycopg.connect(url_of(self.mallory), autocommit=True) as session:
            session.execute(SQL(statement).format(s=Identifier(self.results)))


@pytest.fixture
def roles() -> Iterator[Roles]:
    number = f"{os.getpid()}_{next(_numbers)}"
    found = Roles(
        *(f"{name}_{number}" for name in ("job", "mallory", "group")),
        *(postgresql.new_schema(f"{kind}_{number}") for kind in ("results", "cdm")),
    )
    for role in (found.job, found.mallory):
        su(f"CREATE ROLE {{}} LOGIN PASSWORD '{SECRET}'", role)
    su("CREATE ROLE {}", found.group)
    su("CREATE SCHEMA {} AUTHORIZATION {}", found.results, found.job)
    su("CREATE SCHEMA {}", found.cdm)
    su("CREATE TABLE {}.person (person_id INT, year_of_birth INT)", found.cdm)
    su("INSERT INTO {}.person VALUES (1, 1980), (2, 1990)", found.cdm)
    su("GRANT USAGE ON SCHEMA {} TO {}", found.cdm, found.job)
    su("GRANT SELECT ON {}.person TO {}", found.cdm, found.job)
    su("GRANT USAGE, CREATE ON SCHEMA {} TO {}", found.results, found.mallory)
    yield found
    su("DROP SCHEMA {}, {} CASCADE", found.results, found.cdm)
    su("DROP OWNED BY {}, {}, {} CASCADE", found.job, found.mallory, found.group)
    su("DROP ROLE {}, {}, {}", found.job, found.mallory, found.group)


def trigger_function(roles: Roles) -> None:
    """Let mallory make a function that copies the CDM with the rights of its caller."""
    roles.as_mallory("CREATE TABLE {s}.loot (x TEXT)")
    roles.as_mallory(f"GRANT INSERT ON {{s}}.loot TO {roles.job}")
    roles.as_mallory(
        "CREATE FUNCTION {s}.steal() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN "
        f"INSERT INTO {roles.results}.loot SELECT p::TEXT FROM {roles.cdm}.person AS p; "
        "RETURN NEW; END $$"
    )


# Owners.

FOREIGN = {
    "schema": "ALTER SCHEMA {results} OWNER TO {mallory}",
    "table": "ALTER TABLE {results}.scoring_run OWNER TO {mallory}",
    "version table": "ALTER TABLE {results}.schema_version OWNER TO {mallory}",
    "view": "ALTER VIEW {results}.latest_score OWNER TO {mallory}",
    "child": "CREATE TABLE {results}.c () INHERITS ({results}.attrition); "
    "ALTER TABLE {results}.c OWNER TO {mallory}",
    "group of others": "ALTER TABLE {results}.attrition OWNER TO {group}; "
    "GRANT {group} TO {mallory}",
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_another_role_owns_is_refused_unless_it_is_allowed(roles: Roles, name: str) -> None:
    roles.migrate()
    for statement in FOREIGN[name].format(**vars(roles)).split(";"):
        su(statement)
    su("GRANT USAGE, CREATE ON SCHEMA {} TO {}", roles.results, roles.job)
    su(
        "GRANT SELECT, INSERT, DELETE ON ALL TABLES IN SCHEMA {} TO {}",
        roles.results,
        roles.job,
    )
    owner = roles.group if name == "group of others" else roles.mallory
    for use in (open_store, try_store):
        with pytest.raises(ResultsError, match=rf"belongs to the role {owner}.*OWNER TO"):
            use(roles.settings())
    try_store(roles.settings(allow_owners=[owner]))


def test_the_role_its_groups_and_superusers_may_own_the_results(roles: Roles) -> None:
    roles.migrate()
    su("GRANT {} TO {}", roles.group, roles.job)
    su("ALTER TABLE {}.attrition OWNER TO {}", roles.results, roles.group)
    ((superuser,),) = su("SELECT current_user")
    su("ALTER TABLE {}.histogram OWNER TO {}", roles.results, superuser)
    su("ALTER SCHEMA {} OWNER TO {}", roles.results, superuser)
    su("GRANT USAGE, CREATE ON SCHEMA {} TO {}", roles.results, roles.job)
    su("GRANT SELECT, INSERT, DELETE ON {}.histogram TO {}", roles.results, roles.job)
    assert try_store(roles.settings()) > 0


def test_a_superuser_is_no_member_of_the_role_that_owns(roles: Roles) -> None:
    roles.migrate()
    su("ALTER TABLE {}.attrition OWNER TO {}", roles.results, roles.mallory)
    su("ALTER ROLE {} SUPERUSER", roles.job)
    with pytest.raises(ResultsError, match="belongs to the role mallory"):
        try_store(roles.settings())


def test_tables_of_others_in_the_schema_are_nobody_s_business(roles: Roles) -> None:
    roles.migrate()
    roles.as_mallory("CREATE TABLE {s}.notes (x TEXT)")
    assert try_store(roles.settings()) > 0


# Triggers and rules.

HOOKS = {
    "row": ("patient_subgroup.t", "BEFORE INSERT ON {s}.patient_subgroup FOR EACH ROW"),
    "statement": ("attrition.t", "AFTER DELETE ON {s}.attrition FOR EACH STATEMENT"),
    "run": ("scoring_run.t", "BEFORE INSERT ON {s}.scoring_run FOR EACH ROW"),
    "version": ("schema_version.t", "AFTER INSERT ON {s}.schema_version FOR EACH ROW"),
    "view": ("latest_score.t", "INSTEAD OF INSERT ON {s}.latest_score FOR EACH ROW"),
}


@pytest.mark.parametrize("name", HOOKS)
def test_a_trigger_is_refused_unless_it_is_allowed(roles: Roles, name: str) -> None:
    roles.migrate()
    trigger_function(roles)
    named, event = HOOKS[name]
    text = f"CREATE TRIGGER t {event} EXECUTE FUNCTION {{s}}.steal()"
    su(text.replace("{s}", roles.results))
    for use in (open_store, try_store):
        with pytest.raises(ResultsError, match=rf"trigger {named} would run"):
            use(roles.settings())
    assert su("SELECT COUNT(*) FROM {}.loot", roles.results) == [(0,)]
    assert try_store(roles.settings(allow_triggers=[named])) > 0
    table = named.partition(".")[0]
    if not table.startswith("latest"):
        su(f"ALTER TABLE {{}}.{table} DISABLE TRIGGER t", roles.results)
        assert try_store(roles.settings()) > 0


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        ("ON INSERT TO {s}.patient_subgroup DO INSTEAD NOTHING", "patient_subgroup.r"),
        ("ON DELETE TO {s}.attrition DO ALSO SELECT 1", "attrition.r"),
    ],
)
def test_a_rule_is_refused_unless_it_is_allowed(roles: Roles, rule: str, named: str) -> None:
    roles.migrate()
    su(f"CREATE RULE r AS {rule}".replace("{s}", roles.results))
    with pytest.raises(ResultsError, match=f"the rule {named} would run"):
        try_store(roles.settings())
    assert try_store(roles.settings(allow_triggers=[named])) > 0


def test_a_trigger_of_a_child_and_of_a_partition_is_refused(roles: Roles) -> None:
    roles.migrate()
    trigger_function(roles)
    su("CREATE TABLE {0}.c () INHERITS ({0}.attrition)", roles.results)
    su(
        "CREATE TRIGGER t AFTER DELETE ON {0}.c FOR EACH ROW EXECUTE FUNCTION {0}.steal()",
        roles.results,
    )
    with pytest.raises(ResultsError, match=r"trigger c\.t would run"):
        try_store(roles.settings())


def test_an_event_trigger_is_as_trusted_as_the_owner_of_its_function(roles: Roles) -> None:
    name = f"watch_{roles.results}"
    su(
        "CREATE FUNCTION {}.watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
        roles.results,
    )
    su(
        "CREATE EVENT TRIGGER {} ON ddl_command_end EXECUTE FUNCTION {}.watch()",
        name,
        roles.results,
    )
    try:
        try_store(roles.settings())
        su("ALTER FUNCTION {}.watch() OWNER TO {}", roles.results, roles.mallory)
        with pytest.raises(ResultsError, match=f"the event trigger {name}"):
            try_store(roles.settings())
        try_store(roles.settings(allow_triggers=[name]))
    finally:
        su("DROP EVENT TRIGGER {}", name)


def test_a_trigger_that_comes_during_the_run_is_refused_and_steals_nothing(roles: Roles) -> None:
    """A role with the right TRIGGER needs no ownership."""
    roles.migrate()
    trigger_function(roles)
    su("GRANT TRIGGER ON ALL TABLES IN SCHEMA {} TO {}", roles.results, roles.mallory)
    create = (
        "CREATE TRIGGER t BEFORE INSERT ON {s}.scoring_run_status FOR EACH ROW "
        "EXECUTE FUNCTION {s}.steal()"
    )
    with closing(open_store(roles.settings())) as store:
        with store.transaction():
            # Until the transaction ends, nobody can create one.
            with pytest.raises(psycopg.errors.LockNotAvailable):
                roles.as_mallory(f"SET lock_timeout = '100ms'; {create}")
            runs.record_status(store, 1, FAILED)
        roles.as_mallory(create)
        with pytest.raises(ResultsError, match=r"scoring_run_status\.t would run"):
            runs.record_status(store, 2, FAILED)
        with pytest.raises(ResultsError, match="would run"), store.transaction():
            pass
        rows = store.fetch(sql.parse("SELECT run_id FROM results.scoring_run_status"), {})
    assert rows == [(1,)]
    assert su("SELECT COUNT(*) FROM {}.loot", roles.results) == [(0,)]


# Sessions.

HABITS = {
    **{
        "search_path": "public, pg_catalog",
        "datestyle": "SQL, DMY",
        "intervalstyle": "sql_standard",
    },
    **{"extra_float_digits": "-15", "bytea_output": "escape", "client_encoding": "LATIN1"},
    **{"standard_conforming_strings": "off", "default_transaction_read_only": "on"},
    **{"quote_all_identifiers": "on", "row_security": "off", "timezone": "Pacific/Kiritimati"},
    **{"default_transaction_isolation": "serializable", "transform_null_equals": "on"},
    **{"statement_timeout": "0", "lock_timeout": "0", "idle_in_transaction_session_timeout": "0"},
    "array_nulls": "off",
}


@pytest.mark.parametrize(
    "scope", ["ROLE {role}", "DATABASE {database}", "ROLE {role} IN DATABASE {database}"]
)
def test_every_session_has_its_own_habits_and_finite_limits(roles: Roles, scope: str) -> None:
    roles.migrate()
    whose = scope.format(role=roles.job, database=postgresql.session().info.dbname)
    for name, value in HABITS.items():
        quoted = value if name == "search_path" else f"'{value}'"
        su(f"ALTER {whose} SET {name} = {quoted}")
    try:
        found = Connection("results", roles.settings().results, roles.settings())
        with closing(found):
            shown = {name: found.rows(f"SHOW {name}")[0][0] for name in HABITS}
            floats = found.rows("SELECT (0.1::float8 + 0.2::float8)::text")
        with open_results(roles.settings()) as reader:
            assert "latest_run" in reader.tables()
    finally:
        su(f"ALTER {whose} RESET ALL")
    assert floats == [("0.30000000000000004",)]
    assert shown == {
        **{"search_path": "", "datestyle": "ISO, YMD", "intervalstyle": "postgres"},
        **{"extra_float_digits": "1", "bytea_output": "hex", "client_encoding": "UTF8"},
        **{"standard_conforming_strings": "on", "default_transaction_read_only": "off"},
        **{"quote_all_identifiers": "off", "row_security": "on", "timezone": "UTC"},
        **{"default_transaction_isolation": "read committed", "transform_null_equals": "off"},
        **{"statement_timeout": "6h", "lock_timeout": "1min", "array_nulls": "on"},
        "idle_in_transaction_session_timeout": "1h",
    }


def test_no_function_of_a_schema_that_is_searched_first_is_called(roles: Roles) -> None:
    roles.migrate()
    su("CREATE TABLE {}.calls (who TEXT)", roles.results)
    su("GRANT INSERT ON {}.calls TO PUBLIC", roles.results)
    for signature in (
        "set_config(text, text, boolean)",
        "current_setting(text)",
        "pg_backend_pid()",
        "pg_is_in_recovery()",
        "has_schema_privilege(name, text)",
        "version()",
    ):
        kind = "boolean" if "is_in" in signature or "has_" in signature else "text"
        roles.as_mallory(
            f"CREATE FUNCTION {{s}}.{signature} RETURNS {kind} LANGUAGE plpgsql AS $$ BEGIN "
            f"INSERT INTO {roles.results}.calls VALUES ('{signature}'); RETURN NULL; END $$"
        )
    su(f"ALTER ROLE {roles.job} SET search_path = {roles.results}, pg_catalog")
    with closing(open_store(roles.settings())) as store, closing(PostgresSource(roles.settings())):
        results_schema.migrate(store)
    with open_results(roles.settings()) as reader:
        assert reader.tables()
    assert su("SELECT who FROM {}.calls", roles.results) == []


# Rows that a policy hides.

#: How the CDM's view reaches the table of persons, and whether the policy hides rows from the job.
VIEWS = {
    "table": ("", True),
    "invoker": (
        "CREATE VIEW {cdm}.person WITH (security_invoker = true) AS SELECT * FROM {raw}",
        True,
    ),
    "invoker on": (
        "CREATE VIEW {cdm}.person WITH (security_invoker = on) AS SELECT * FROM {raw}",
        True,
    ),
    "not invoker": (
        "CREATE VIEW {cdm}.person WITH (security_invoker = 0) AS SELECT * FROM {raw}",
        False,
    ),
    "plain, owned by the owner": ("CREATE VIEW {cdm}.person AS SELECT * FROM {raw}", False),
    "plain, owned by another": (
        "CREATE VIEW {cdm}.person AS SELECT * FROM {raw}; "
        "GRANT SELECT ON {raw} TO {group}; GRANT USAGE ON SCHEMA {cdm} TO {group}; "
        "ALTER VIEW {cdm}.person OWNER TO {group}",
        True,
    ),
    "three invokers": (
        "CREATE VIEW {cdm}.a WITH (security_invoker = true) AS SELECT * FROM {raw}; "
        "CREATE VIEW {cdm}.b WITH (security_invoker = true) AS SELECT * FROM {cdm}.a; "
        "CREATE VIEW {cdm}.person WITH (security_invoker = true) AS SELECT * FROM {cdm}.b",
        True,
    ),
    "invoker below a plain view": (
        "CREATE VIEW {cdm}.a WITH (security_invoker = true) AS SELECT * FROM {raw}; "
        "CREATE VIEW {cdm}.person AS SELECT * FROM {cdm}.a",
        True,
    ),
    "plain below an invoker": (
        "CREATE VIEW {cdm}.a AS SELECT * FROM {raw}; "
        "CREATE VIEW {cdm}.person WITH (security_invoker = true) AS SELECT * FROM {cdm}.a",
        False,
    ),
    "in a subquery": (
        "CREATE VIEW {cdm}.person WITH (security_invoker = true) AS "
        "SELECT * FROM (VALUES (1, 1980)) AS p (person_id, year_of_birth) "
        "WHERE person_id IN (SELECT person_id FROM {raw})",
        True,
    ),
    "materialised by another": (
        "GRANT SELECT ON {raw} TO {group}; GRANT USAGE, CREATE ON SCHEMA {cdm} TO {group}; "
        "SET ROLE {group}; CREATE MATERIALIZED VIEW {cdm}.person AS SELECT * FROM {raw}; "
        "RESET ROLE",
        True,
    ),
}


@pytest.mark.parametrize("name", VIEWS)
def test_rows_that_a_policy_hides_are_noticed_through_views(roles: Roles, name: str) -> None:
    if "invoker" in VIEWS[name][0] and postgresql.session().info.server_version < 150000:
        pytest.skip("security_invoker came with PostgreSQL 15")
    raw, is_hidden = f"{roles.cdm}.person", VIEWS[name][1]
    if VIEWS[name][0]:
        su("ALTER TABLE {}.person RENAME TO raw_person", roles.cdm)
        raw = f"{roles.cdm}.raw_person"
    su(f"ALTER TABLE {raw} ENABLE ROW LEVEL SECURITY")
    su(f"CREATE POLICY not_2 ON {raw} USING (person_id <> 2)")
    names = {**vars(roles), "raw": raw}
    for statement in filter(None, VIEWS[name][0].split("; ")):
        su(statement.format(**names))
    su("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO {}", roles.cdm, roles.job)
    with psycopg.connect(url_of(roles.job)) as session:
        seen = session.execute(f"SELECT COUNT(*) FROM {roles.cdm}.person").fetchall()
    with closing(PostgresSource(roles.settings())) as source:
        site = source.find(PERSON)
    assert site is not None
    assert site.is_filtered == is_hidden
    assert seen == [(1 if is_hidden else 2,)]


# Types of columns.

TYPES = {
    "INT": "BIGINT",
    "narrow": "BIGINT",
    "narrower": "BIGINT",
    "day": "DATE",
    "DATE": "DATE",
    "DOUBLE PRECISION": "DOUBLE",
    "NUMERIC(9, 2)": "VARCHAR",
    "VARCHAR(9)": "VARCHAR",
    "INT[]": "VARCHAR",
    "TIMESTAMP(3)": "TIMESTAMP",
    "moment": "TIMESTAMP",
}


@pytest.mark.parametrize("name", TYPES)
def test_a_domain_of_domains_is_read_as_its_type(roles: Roles, name: str) -> None:
    for domain, base in (
        ("narrow", "SMALLINT"),
        ("narrower", "{s}.narrow"),
        ("day_0", "DATE"),
        ("day", "{s}.day_0"),
        ("moment_0", "TIMESTAMP(3)"),
        ("moment", "{s}.moment_0"),
    ):
        su(f"CREATE DOMAIN {{s}}.{domain} AS {base}".replace("{s}", roles.cdm))
    kind = f"{roles.cdm}.{name}" if name in ("narrow", "narrower", "day", "moment") else name
    su(f"ALTER TABLE {{}}.person ADD COLUMN month_of_birth {kind}", roles.cdm)
    su(f"ALTER ROLE {roles.job} SET quote_all_identifiers = on")
    with closing(PostgresSource(roles.settings())) as source:
        site = source.find(PERSON)
    assert site is not None
    assert site.columns["month_of_birth"] == TYPES[name]
    assert site.columns["person_id"] == "BIGINT"


def test_the_session_that_reads_ends_with_the_last_row(roles: Roles) -> None:
    query = "SELECT COUNT(*) FROM pg_stat_activity WHERE usename = '{}'"
    with closing(PostgresSource(roles.settings())) as source:
        source.find(PERSON)
        assert su(query.format(roles.job)) == [(1,)]
        source.release()
        for _ in range(100):
            if su(query.format(roles.job)) == [(0,)]:
                break
        assert su(query.format(roles.job)) == [(0,)]
        source.close()
