"""URLs of servers: what is shown of one never holds the password, however it is written."""

from pathlib import Path

import pytest

from omop_scorer.config import run_file as config
from omop_scorer.config.server_url import read_server, without_password
from omop_scorer.documents import masked
from omop_scorer.errors import ConfigurationError

SECRET = "s3ntinel"


@pytest.mark.parametrize(
    ("url", "shown", "password"),
    [
        ("postgresql://u@h:5433/d", "postgresql://u@h:5433/d", None),
        ("postgres://u:p@h/d", "postgresql://u@h/d", "p"),
        ("postgresql://u:p%40%2F@h/d?sslmode=require", "postgresql://u@h/d?sslmode=require", "p@/"),
        ("postgresql://u:p@ss@h/d", "postgresql://u@h/d", "p@ss"),
        ("postgresql://u:@/d?host=/run/pg", "postgresql://u@/d?host=/run/pg", None),
        ("postgresql:///d", "postgresql:///d", None),
        ("postgresql://a%3Bb:p%3B@h/d%3B", "postgresql://a%3Bb@h/d%3B", "p;"),
        ("postgresql://[::1]:5432/d", "postgresql://[::1]:5432/d", None),
        ("redshift+redshift_connector://u:p_-@h_/d", "redshift+redshift_connector://u@h_/d", "p_-"),
    ],
)
def test_the_password_is_taken_out(url: str, shown: str, password: str | None) -> None:
    assert without_password(url) == (shown, password)
    assert without_password(shown) == (shown, None)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:{SECRET}/x@h/d",
        f"postgresql://u:12/{SECRET}@h/d",
        f"postgresql://u:12?{SECRET}@h/d",
        f"postgresql://u:12#{SECRET}@h/d",
        f"postgresql://u@h/d?password={SECRET}",
        f"postgresql://u@h/d?sslpassword={SECRET}",
        f"postgresql://u@h/d?oauth_client_secret={SECRET}",
        f"postgresql://u@h/d?scram_client_key={SECRET}",
        f"postgresql://[u:{SECRET}@h/d",
        f"my sql://u:{SECRET}@h/d",
        f"https+x+y://u:{SECRET}@h/d",
        f"a-b_c://u:{SECRET}@h/d",
        f"jdbc:a_b://u:{SECRET}@h/d",
        f"1_a://u:{SECRET}@h/d",
        f"mssql+pyodbc:///?odbc_connect=PWD={SECRET}",
        f"snowflake://u@a/d?token={SECRET}",
        f"mysql+pymysql://u@h/d?passwd={SECRET}",
        f"bigquery://p/d?credentials_base64={SECRET}",
        f"jdbc:sqlserver://h:1433;user=u;password={SECRET}",
        f"postgresql://u@h/d;password={SECRET}",
        f"postgresql://u@h/d?sslmode=require;password={SECRET}",
        f"postgresql://u;password={SECRET}@h/d",
        f"mssql+pyodbc://h;user=sa;password={SECRET}/omop",
        f"mssql+pyodbc://u@h/d?driver=ODBC+18;PWD={SECRET}",
        f"mssql+pyodbc://u@h/d?driver=ODBC+18%3BPWD={SECRET}",
        f"oracle+oracledb://u@h/d?wallet_password={SECRET}",
        f"snowflake://u@a/d?passcode={SECRET}",
        f"snowflake://u@a/d?private_key_passphrase_path={SECRET}",
        f"mysql+pymysql://u@h/d?init_command=SET PASSWORD='{SECRET}'",
        f"clickhouse://u@h/d?api_key={SECRET}",
    ],
)
def test_what_could_hold_a_password_elsewhere_is_refused_without_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|question mark") as caught:
        without_password(url)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "host", ["...", "a..b", ".", "a" * 64, "db.example," + "b" * 70, "é" * 80], ids=len
)
@pytest.mark.parametrize("url", ["postgresql://{}/cdm", "mysql+pymysql://u@{}/cdm"])
def test_a_host_that_no_server_can_have_is_refused(url: str, host: str) -> None:
    with pytest.raises(
        ValueError, match=r"^its host is no name that a server can have; correct the URL$"
    ):
        without_password(url.format(host))


@pytest.mark.parametrize("host", ["", "a.b.", "%2Fvar%2Frun", "a,b:5432", "[::1]", "é.fr", r"a\b"])
def test_a_host_that_a_server_can_have(host: str) -> None:
    url = f"postgresql://{host}/cdm"
    assert without_password(url) == (url, None)


def test_a_url_of_sqlalchemy_is_split_like_one_of_postgresql() -> None:
    url = f"mssql+pyodbc://u:{SECRET}@h:1433/d?driver=ODBC+Driver+18+for+SQL+Server"
    shown, password = without_password(url)
    assert shown == "mssql+pyodbc://u@h:1433/d?driver=ODBC+Driver+18+for+SQL+Server"
    assert password == SECRET
    key = "snowflake://u@a/d?private_key_path=/run/secrets/key"
    assert without_password(key) == (key, None)
    assert without_password("sqlite:////data/cdm.sqlite") == ("sqlite:////data/cdm.sqlite", None)


def test_a_server_is_taken_apart() -> None:
    server = read_server("postgresql://a%40b@h:5433/the%20cdm?sslmode=verify-full&host=/run")
    assert (server.host, server.port, server.user) == ("h", 5433, "a@b")
    assert server.database == "the cdm"
    assert server.options == {"sslmode": "verify-full", "host": "/run"}


def test_texts_are_masked() -> None:
    assert masked(f"{{'url': 'postgresql://u:{SECRET}@h/d'}}") == "{'url': 'postgresql://...'}"


URL = f"postgresql://u:{SECRET}@h/d"


@pytest.mark.parametrize(
    "settings",
    [
        [f"cdm={URL}"],
        [f"cdm.url=[{URL}]"],
        [f"engine={URL}"],
        [f"results={URL}"],
        ["engine=spark", f"cdm.url={URL}"],  # the engine does not read a server
        ["engine=postgresql", f"cdm.url={URL}", "results.url=results.duckdb"],
        ["engine=postgresql", f"cdm.url={URL}", f"results.url={URL}", "cdm.colour=blue"],
        ["engine=postgresql", f"cdm.url={URL}", f"results.url={URL}", "threads=no"],
        [f"cdm.vocabulary_url={URL}"],
        [URL],
        [f"cdm.url: {URL}"],
    ],
)
def test_no_refusal_of_a_run_file_repeats_a_password(settings: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        config.load(config.shipped_run_file(), settings)
    assert SECRET not in str(caught.value)


def test_a_configuration_knows_its_password_and_never_shows_it(tmp_path: Path) -> None:
    settings = ["engine=postgresql", f"cdm.url={URL}", "results.url=postgresql://h/d"]
    loaded = config.load(config.shipped_run_file(), settings)
    assert loaded.cdm.password is not None
    assert loaded.cdm.password.get_secret_value() == SECRET
    assert loaded.results.password is None
    for shown in (loaded.to_json(), repr(loaded), str(loaded), repr(loaded.cdm.password)):
        assert SECRET not in shown
    other = [setting.replace(SECRET, "other") for setting in settings]
    assert config.load(config.shipped_run_file(), other).sha256 == loaded.sha256

    file = tmp_path / "password"
    file.write_text(f"{SECRET}\n", encoding="utf-8")
    settings += [f"results.password_file={file}"]
    from_file = config.load(config.shipped_run_file(), settings).results.password
    assert from_file is not None
    assert from_file.get_secret_value() == SECRET
    file.unlink()
    with pytest.raises(ConfigurationError, match=r"password_file .*cannot be read"):
        _ = config.load(config.shipped_run_file(), settings).results.password


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        (["results.url=mysql+pymysql://h/d"], "results.url: results are kept in a DuckDB file"),
        (["engine=postgresql"], "cdm.url is not a PostgreSQL server"),
        (
            ["engine=spark", "cdm.url=postgresql://h/d", "results.url=a"],
            "cdm.url is on a server: it needs engine: duckdb",
        ),
        (
            ["cdm.url=postgresql://h/d", "cdm.vocabulary_url=a"],
            "cdm.vocabulary_url: not allowed",
        ),
        (
            [
                *("engine=postgresql", "cdm.url=postgresql://h/d", "results.url=postgresql://h/d"),
                "cdm.schema=omop_scorer",
            ],
            "results.schema is the schema of the CDM",
        ),
    ],
)
def test_engine_and_places_must_fit(settings: list[str], part: str) -> None:
    with pytest.raises(ConfigurationError, match=part):
        config.load(config.shipped_run_file(), settings)


def test_readers_need_no_engine_and_no_cdm() -> None:
    settings = ["results.url=postgresql://h/d", "cdm.url=nowhere", "threads=2"]
    loaded = config.load_for_readers(config.shipped_run_file(), settings)
    assert loaded.results.is_server
    assert not config.load_for_readers(config.shipped_run_file()).results.is_server
