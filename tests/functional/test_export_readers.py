"""Exports in other programs, as sql/README.md shows them: DuckDB 1.x, pandas, R, SQL, addresses."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs

import duckdb
import psycopg
import pytest
import sqlalchemy
import yaml

from tests.support import postgresql
from tests.support.command_line import AS_OF, Site, environment, omop_scorer
from tests.support.server_site import ServerSite

ROOT = Path(__file__).parents[2]
HEADING = "## Into R, pandas, Superset and Power BI"
TEXT = (ROOT / "sql" / "README.md").read_text(encoding="utf-8")
SECTION = TEXT.split(f"\n{HEADING}\n")[1].split("\n## ")[0]


#: Reads one table of every file that the program makes.
COUNTING = """
import duckdb
connection = duckdb.connect()
for name, table in (
    ("answer", "latest_score"), ("results", "omop_scorer.latest_score"), ("cdm", "cdm.person")
):
    connection.execute(f"ATTACH '{name}.duckdb' AS attached_{name} (READ_ONLY)")
    print(connection.execute(f"SELECT COUNT(*) FROM attached_{name}.{table}").fetchone()[0])
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", SECTION, flags=re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, made_up, answered: Path) -> Path:
    """A folder with the small CDM, its results, and what the commands of the page write."""
    folder = tmp_path_factory.mktemp("exported")
    shutil.copy(made_up(), folder / "cdm.duckdb")
    shutil.copy(answered, folder / "results.duckdb")
    Site(folder, folder / "cdm.duckdb", folder / "results.duckdb").run_file()
    (commands,) = blocks("sh")
    lines = commands.splitlines()
    assert len(lines) == 4
    for line in lines:
        done = omop_scorer(*shlex.split(line)[1:], cwd=folder)
        assert done.returncode == 0, done.stderr
    return folder


def output_of(words: list[str], folder: Path, **variables: str) -> str:
    done = subprocess.run(
        words,
        cwd=folder,
        env=environment() | variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_run_file_of_the_page_exports(folder: Path, site: Site) -> None:
    (example,) = blocks("yaml")
    listed = [
        {**each, "to": str(site.folder / each["to"])} for each in yaml.safe_load(example)["export"]
    ]
    assert site.run(export=listed).returncode == 0
    assert all(Path(each["to"]).stat().st_size for each in listed)


def test_the_formats_of_the_page_are_those_of_the_program() -> None:
    said = re.findall(r"^\| `(\w+)` \|", SECTION, flags=re.MULTILINE)
    help_ = omop_scorer("export", "--help").stdout
    assert f"<{'|'.join(said)}>" in help_


# ---- pandas, and DuckDB 1.x in an environment of its own ----


def test_pandas(folder: Path) -> None:
    (script,) = blocks("python")
    said = output_of([sys.executable, "-c", script], folder)
    assert re.search(r"^anti_tnf_alone +\d+$", said, flags=re.MULTILINE)


@cache
def duckdb_1(cached: Path) -> str:
    """Return the folder of a DuckDB before 2.0, which pip installs there once."""
    if not (cached / "duckdb").is_dir():
        beside = cached / str(os.getpid())
        what = ["--no-deps", "--only-binary", ":all:", "--target", str(beside), "duckdb<2"]
        # The versions that the project itself is tested with hold for no other environment.
        free = {name: value for name, value in os.environ.items() if name != "PIP_CONSTRAINT"}
        pip = subprocess.run(
            [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", *what],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env=free,
        )
        if pip.returncode:
            last = pip.stderr.strip().splitlines()[-1:]
            pytest.skip(f"pip installs no DuckDB 1.x here: {' '.join(last)}")
        for each in beside.iterdir():
            if not (cached / each.name).exists():
                each.rename(cached / each.name)
        shutil.rmtree(beside)
    return str(cached)


@pytest.fixture(scope="module")
def older(pytestconfig: pytest.Config) -> str:
    return duckdb_1(Path(pytestconfig.cache.mkdir("duckdb-1")))


def test_an_older_duckdb_reads_exports_results_and_made_up_cdms(folder: Path, older: str) -> None:
    (script,) = blocks("python")
    said = output_of([sys.executable, "-c", script], folder, PYTHONPATH=older)
    assert "anti_tnf_alone" in said
    counted = f"import duckdb\nprint(duckdb.__version__)\n{COUNTING}"
    version, *found = output_of([sys.executable, "-c", counted], folder, PYTHONPATH=older).split()
    assert version.startswith("1.")
    assert found == output_of([sys.executable, "-c", COUNTING], folder).split()
    assert min(map(int, found)) > 14


# ---- R ----


def packages(script: str) -> list[str]:
    return re.findall(r"library\((\w+)\)|(\w+)::", script)


@cache
def r_lacks(package: str) -> bool:
    words = ["Rscript", "-e", f"quit(status = !requireNamespace('{package}', quietly = TRUE))"]
    return bool(subprocess.run(words, capture_output=True, check=False).returncode)


@pytest.mark.parametrize("script", blocks("r"), ids=lambda script: script.split("\n")[0])
def test_r(folder: Path, script: str, request: pytest.FixtureRequest) -> None:
    if shutil.which("Rscript") is None:
        pytest.skip("no R: apt-get install r-base-core r-cran-dbi r-cran-rpostgresql")
    for package in {name for pair in packages(script) for name in pair if name}:
        if r_lacks(package):
            pytest.skip(f"R has no package {package}")
    variables = {}
    if "PGHOST" in script:
        variables, schema = server_of(request.getfixturevalue("server_answered"))
        script = script.replace("omop_scorer.", f"{schema}.")
    said = output_of(["Rscript", "-e", script], folder, **variables)
    assert re.search("anti_tnf_alone|crohns_disease|integer|prevalence", said), said


def server_of(site: ServerSite) -> tuple[dict[str, str], str]:
    """Return what the driver of R reads, and the schema of the results."""
    with psycopg.connect(postgresql.database()) as session:
        info = session.info
        variables = {
            "PGHOST": info.host,
            "PGPORT": str(info.port),
            "PGDATABASE": info.dbname,
            "PGUSER": info.user,
            "PGPASSWORD": info.password,
        }
    return variables, site.results


# ---- Superset and Power BI ----


def test_the_addresses_are_read_as_meant() -> None:
    superset, power_bi = blocks("text")
    file, server = map(sqlalchemy.make_url, superset.splitlines())
    assert (file.drivername, file.database) == ("duckdb", "/srv/omop/answer.duckdb")
    assert file.query == {"access_mode": "READ_ONLY"}
    assert (server.drivername, server.host, server.port) == ("postgresql+psycopg2", "server", 5432)
    assert server.query == {"options": "-csearch_path=omop_scorer"}
    parts = parse_qs(power_bi.strip().replace(";", "&"))
    assert parts == {
        "Driver": ["{DuckDB Driver}"],
        "Database": [r"C:\omop\answer.duckdb"],
        "access_mode": ["read_only"],
    }


def counted(rows: list[tuple[object, ...]]) -> int:
    assert {str(row[0]) for row in rows} == {str(AS_OF)}
    return sum(int(str(row[-1])) for row in rows)


def test_the_query_of_a_dashboard_on_an_export(folder: Path) -> None:
    (query,) = blocks("sql")
    with duckdb.connect(str(folder / "answer.duckdb"), read_only=True) as answer:
        n_scored = answer.execute("SELECT n_scored FROM latest_run").fetchone()
        assert (counted(answer.execute(query).fetchall()),) == n_scored


def test_the_query_of_a_dashboard_on_a_server(server_answered: ServerSite) -> None:
    """Through SQLAlchemy, with the option of the address."""
    (query,) = blocks("sql")
    address = sqlalchemy.make_url(postgresql.database()).set(drivername="postgresql+psycopg")
    option = {"options": f"-csearch_path={server_answered.results}"}
    engine = sqlalchemy.create_engine(address.update_query_dict(option))
    try:
        with engine.connect() as connection:
            rows = [tuple(row) for row in connection.execute(sqlalchemy.text(query))]
            latest = sqlalchemy.text("SELECT n_scored FROM latest_run")
            (n_scored,) = connection.execute(latest).one()
        assert counted(rows) == n_scored
    finally:
        engine.dispose()
