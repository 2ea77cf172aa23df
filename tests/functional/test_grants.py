"""docker/grants.sql makes a role with which the nightly job works, and which may nothing else."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege
from psycopg.sql import SQL, Identifier

from omop_scorer.cdm.tables import TABLES
from omop_scorer.config.run_file import shipped_run_file
from tests.support import postgresql
from tests.support.command_line import AS_OF, CDAI, Finished, omop_scorer
from tests.support.psql import grants

SECRET = "s3ntinel"
HOSTILE = 'a "b"; DROP SCHEMA x --'


@dataclass
class Site:
    """Schemas and roles with hostile names, and a run of the job with the rights of the script."""

    cdm: str
    vocabulary: str
    results: str
    job: str
    readers: str
    loader: str

    def connect(self, role: str) -> psycopg.Connection[Any]:
        """Open a session of a role."""
        return psycopg.connect(url_of(role), autocommit=True)

    def start(self, command: str) -> Finished:
        """Run a command of the job."""
        keys = {
            "engine": "postgresql",
            "cdm.url": url_of(self.job),
            "cdm.schema": json.dumps(self.cdm),
            "cdm.vocabulary_schema": json.dumps(self.vocabulary),
            "results.url": url_of(self.job),
            "results.schema": json.dumps(self.results),
            "as_of_date": AS_OF,
            "covariates": json.dumps(CDAI),
        }
        settings = [word for key, value in keys.items() for word in ("--set", f"{key}={value}")]
        return omop_scorer(command, "--config", shipped_run_file(), *settings)


def url_of(role: str) -> str:
    head, _, rest = postgresql.database().partition("://")
    return f"{head}://{quote(role, safe='')}:{SECRET}@{rest.rpartition('@')[2]}"


def rows(query: str, *values: object) -> list[tuple[Any, ...]]:
    """Return what the superuser sees."""
    return postgresql.session().execute(query, values).fetchall()


def execute(statement: str, *names: str) -> None:
    """Run a statement of the superuser; names are put into it quoted."""
    postgresql.session().execute(SQL(statement).format(*map(Identifier, names)))


def with_password(role: str) -> None:
    """Do what the administrator does with \\password."""
    execute(f"ALTER ROLE {{}} PASSWORD '{SECRET}'", role)


@pytest.fixture(scope="module")
def site(made_up: Any) -> Iterator[Site]:
    """Load a CDM, run the script twice, then check and the job, both as the role it made."""
    database = postgresql.session().info.dbname
    kinds = ("cdm", "vocabulary", "results", "job", "readers", "loader")
    names = {kind: f"{postgresql.new_schema(kind)} {os.getpid()} {HOSTILE}" for kind in kinds}
    site = Site(**names)
    loading = ("--to", postgresql.database(), "--schema", site.cdm, "--cdm-version", "5.3")
    done = omop_scorer("load-cdm", made_up(), *loading)
    assert done.returncode == 0, done.stderr
    execute("CREATE SCHEMA {}", site.vocabulary)
    for table in TABLES:
        if table.schema == "vocab":
            execute("ALTER TABLE {}.{} SET SCHEMA {}", site.cdm, table.name, site.vocabulary)
    execute("CREATE ROLE {}", site.loader)
    execute("GRANT CREATE, USAGE ON SCHEMA {} TO {}", site.cdm, site.loader)
    execute("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC", database)
    try:
        for _ in range(2):
            done = grants(postgresql.database(), **{"role": names.pop("job", site.job), **names})
            assert done.returncode == 0, done.stderr
            assert not done.stderr
        with_password(site.job)
        for command in ("check", "run"):
            done = site.start(command)
            assert done.returncode == 0, done.stderr + done.stdout
        yield site
    finally:
        execute("GRANT TEMPORARY ON DATABASE {} TO PUBLIC", database)
        for role in (site.job, site.readers, site.loader):
            if rows("SELECT FROM pg_roles WHERE rolname = %s", role):
                execute("DROP OWNED BY {} CASCADE", role)
                execute("DROP ROLE {}", role)


def test_the_rights_are_exactly_these(site: Site) -> None:
    held = rows(
        "WITH acl (kind, name, owner, items) AS ("
        "SELECT 'database', 'this', datdba, datacl FROM pg_database "
        "WHERE datname = current_database() "
        "UNION ALL SELECT 'schema', nspname, nspowner, nspacl FROM pg_namespace "
        "UNION ALL SELECT 'table', relnamespace::regnamespace::text, relowner, relacl "
        "FROM pg_class WHERE NOT starts_with(relnamespace::regnamespace::text, 'pg_') "
        "UNION ALL SELECT 'function', proname, proowner, proacl FROM pg_proc "
        "UNION ALL SELECT 'column', attname, 0, attacl FROM pg_attribute "
        "UNION ALL SELECT 'later table', defaclnamespace::regnamespace::text, defaclrole, "
        "defaclacl FROM pg_default_acl) "
        "SELECT DISTINCT r.rolname, a.kind, a.name, e.privilege_type, e.is_grantable "
        "FROM acl AS a, aclexplode(a.items) AS e INNER JOIN pg_roles AS r ON r.oid = e.grantee "
        "WHERE r.rolname = ANY(%s) AND e.grantee <> a.owner",
        [site.job, site.readers],
    )
    cdm, vocabulary, results = (
        '"' + name.replace('"', '""') + '"' for name in (site.cdm, site.vocabulary, site.results)
    )
    expected = {
        (site.job, "database", "this", "CONNECT"),
        (site.job, "schema", site.cdm, "USAGE"),
        (site.job, "schema", site.vocabulary, "USAGE"),
        (site.job, "table", cdm, "SELECT"),
        (site.job, "table", vocabulary, "SELECT"),
        (site.job, "later table", cdm, "SELECT"),
        (site.job, "later table", vocabulary, "SELECT"),
        (site.job, "schema", site.results, "USAGE"),
        (site.job, "schema", site.results, "CREATE"),
        (site.readers, "database", "this", "CONNECT"),
        (site.readers, "schema", site.results, "USAGE"),
        (site.readers, "table", results, "SELECT"),
        (site.readers, "later table", results, "SELECT"),
    }
    assert {row[:4] for row in held} == expected
    assert not any(is_grantable for *_, is_grantable in held)
    roles = rows(
        "SELECT rolname, rolcanlogin, rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication "
        "OR rolbypassrls, EXISTS (SELECT FROM pg_auth_members AS m WHERE m.member = r.oid) "
        "FROM pg_roles AS r WHERE rolname = ANY(%s)",
        [site.job, site.readers],
    )
    assert set(roles) == {(site.job, True, False, False), (site.readers, False, False, False)}
    owned = rows(
        "SELECT DISTINCT relnamespace::regnamespace::text FROM pg_class "
        "INNER JOIN pg_roles ON pg_roles.oid = relowner "
        "WHERE rolname = %s AND relkind IN ('r', 'v')",
        site.job,
    )
    assert owned == [(results,)]
    query = "SELECT nspname FROM pg_namespace WHERE nspowner = ANY(SELECT oid FROM pg_roles"
    assert not rows(f"{query} WHERE rolname = ANY(%s))", [site.job, site.readers])


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE {cdm}.x (n INT)",
        "CREATE TABLE {vocabulary}.x (n INT)",
        "DELETE FROM {cdm}.person",
        "INSERT INTO {vocabulary}.concept DEFAULT VALUES",
        "DROP SCHEMA {results} CASCADE",
        "CREATE SCHEMA x",
        "CREATE ROLE x",
    ],
)
def test_the_job_may_nothing_else(site: Site, statement: str) -> None:
    names = {key: Identifier(value) for key, value in vars(site).items()}
    with site.connect(site.job) as session, pytest.raises(InsufficientPrivilege):
        session.execute(SQL(statement).format(**names))


def test_what_is_loaded_later_can_be_read(site: Site) -> None:
    execute("SET ROLE {}", site.loader)
    try:
        execute("CREATE TABLE {}.note (note_id INT)", site.cdm)
    finally:
        postgresql.session().execute("RESET ROLE")
    with site.connect(site.job) as session:
        note = SQL("SELECT * FROM {}.note").format(Identifier(site.cdm))
        assert session.execute(note).fetchall() == []


def test_readers_read_a_run_made_after_the_grants_and_write_nothing(site: Site) -> None:
    analyst = f"analyst {os.getpid()}"
    execute("CREATE ROLE {} LOGIN IN ROLE {}", analyst, site.readers)
    try:
        with_password(analyst)
        with site.connect(analyst) as session:
            session.execute(SQL("SET search_path = {}").format(Identifier(site.results)))
            ((n_persons,),) = session.execute("SELECT COUNT(*) FROM latest_score").fetchall()
            assert n_persons > 0
            for statement in (
                "DELETE FROM scoring_run",
                "UPDATE patient_subgroup SET subgroup = NULL",
                "CREATE TABLE x (n INT)",
                "DROP VIEW latest_score",
            ):
                with pytest.raises(InsufficientPrivilege):
                    session.execute(statement)
            where = {"results.url": url_of(analyst), "results.schema": json.dumps(site.results)}
            keys = [word for key, value in where.items() for word in ("--set", f"{key}={value}")]
            assert omop_scorer("status", *keys).returncode == 0
            person = SQL("SELECT * FROM {}.person").format(Identifier(site.cdm))
            with pytest.raises(InsufficientPrivilege):
                session.execute(person)
    finally:
        execute("DROP OWNED BY {}", analyst)
        execute("DROP ROLE {}", analyst)


def test_a_script_that_would_do_harm_is_refused_and_does_nothing(site: Site) -> None:
    ((superuser,),) = rows("SELECT current_user")
    fresh = f"{postgresql.new_schema('fresh')}_{os.getpid()}"
    good = {"role": fresh, "cdm": site.cdm, "vocabulary": site.vocabulary, "results": fresh}
    owned = f"{fresh}_owned"
    execute("CREATE SCHEMA {} AUTHORIZATION {}", owned, site.loader)
    for changed, reason in (
        ({"role": superuser}, "superuser"),
        ({"readers": superuser}, "superuser"),
        ({"role": site.loader, "cdm": owned}, "owns the schema"),
        ({"results": site.cdm}, "holds the CDM"),
        ({"readers": fresh}, "readers cannot be"),
        ({"cdm": "nowhere"}, "nowhere"),
    ):
        done = grants(postgresql.database(), **{**good, **changed})
        assert done.returncode == 3, changed
        assert reason in done.stderr
        assert not rows("SELECT FROM pg_roles WHERE rolname = %s", fresh)
        assert not rows("SELECT FROM pg_namespace WHERE nspname = %s", fresh)


def test_a_results_schema_of_another_role_is_given_to_the_job(site: Site) -> None:
    """A run refuses it otherwise; that of a superuser, or of a group of the job, stays."""
    fresh = f"{postgresql.new_schema('fresh')}_{os.getpid()}"
    group = f"{fresh}_group"
    execute("CREATE SCHEMA {} AUTHORIZATION {}", fresh, site.loader)
    execute("CREATE ROLE {}", group)
    owner = "SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = %s"
    try:
        for given, expected in ((site.loader, fresh), (group, group)):
            execute("ALTER SCHEMA {} OWNER TO {}", fresh, given)
            if given == group:
                execute("GRANT {} TO {}", group, fresh)
            done = grants(postgresql.database(), role=fresh, cdm="", results=fresh)
            assert done.returncode == 0, done.stderr
            assert rows(owner, fresh) == [(expected,)]
    finally:
        execute("DROP SCHEMA {}", fresh)
        execute("DROP OWNED BY {}, {}", fresh, group)
        execute("DROP ROLE {}, {}", fresh, group)


def test_cdm_and_results_may_be_in_two_databases(site: Site) -> None:
    fresh = f"{postgresql.new_schema('fresh')}_{os.getpid()}"
    try:
        for variables, may_read, may_write in (
            ({"cdm": "", "results": fresh}, False, True),
            ({"cdm": site.cdm, "vocabulary": site.vocabulary, "results": ""}, True, True),
        ):
            done = grants(postgresql.database(), role=fresh, **variables)
            assert done.returncode == 0, done.stderr
            has = rows(
                "SELECT has_schema_privilege(r, cdm, 'USAGE'), "
                "has_schema_privilege(r, r, 'CREATE') FROM (VALUES (%s, %s)) AS given (r, cdm)",
                fresh,
                site.cdm,
            )
            assert has == [(may_read, may_write)]
    finally:
        execute("DROP OWNED BY {}", fresh)
        execute("DROP ROLE {}", fresh)
        execute("DROP SCHEMA {}", fresh)
