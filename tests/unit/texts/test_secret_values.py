"""Secrets are found by their value, however they are written; short ones garble no sentence."""

import html
import json
import re
from urllib.parse import quote, quote_plus

import pytest

from omop_scorer.texts import secret_values

HARD = "p w'\"\\%&/é<€>😀#:1"


@pytest.fixture(autouse=True)
def no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret_values, "_secrets", set())


WRITINGS = {
    "as it is": lambda s: s,
    "percent-encoded": lambda s: quote(s, safe=""),
    "percent-encoded in lower case": lambda s: re.sub(
        "%..", lambda m: m[0].lower(), quote(s, safe="")
    ),
    "percent-encoded where it must be": lambda s: quote(s, safe="/:#&'"),
    "as in a form": quote_plus,
    "in SQL": lambda s: s.replace("'", "''"),
    "as a name in SQL": lambda s: s.replace('"', '""'),
    "in JSON": lambda s: json.dumps(s)[1:-1],
    "in JSON of UTF-8": lambda s: json.dumps(s, ensure_ascii=False)[1:-1],
    "in Python": lambda s: repr(s)[1:-1],
    "in ASCII of Python": lambda s: ascii(s)[1:-1],
    "in HTML": html.escape,
    "for libpq": lambda s: s.replace("\\", "\\\\").replace("'", "\\'"),
}


@pytest.mark.parametrize("writing", WRITINGS)
def test_every_writing_is_found(writing: str) -> None:
    secret_values.keep(HARD)
    for text in (HARD, "plain-Secret.123"):
        secret_values.keep(text)
        written = WRITINGS[writing](text)
        assert secret_values.hide(f"user {written}@host") == "user ***@host"


def test_a_secret_within_another_one() -> None:
    for secret in ("hunter22", "hunter2222", "22hunter2222"):
        secret_values.keep(secret)
    assert secret_values.hide("22hunter2222 hunter2222 hunter22") == "*** *** ***"


@pytest.mark.parametrize(
    ("secret", "text", "expected"),
    [
        ("omop", "omop-scorer reads omop.person", "omop-scorer reads omop.person"),
        ("omop", "postgresql://u:omop@h/omop_cdm", "postgresql://u:***@h/omop_cdm"),
        (
            "omop",
            'password authentication failed for "omop".',
            'password authentication failed for "***".',
        ),
        ("postgres", "postgresql://postgres@h", "postgresql://***@h"),
        ("postgres", "u%3Apostgres%40h", "u%3A***%40h"),
        ("a", "a run needs a table", "a run needs a table"),
        ("a", "host=h password=a dbname=a", "host=h password=*** dbname=a"),
        ("a", "password='a'", "password='***'"),
        ("a", '{"pwd": "a"}', '{"pwd": "***"}'),
        ("a", "mssql+pyodbc://sa:a@h", "mssql+pyodbc://sa:***@h"),
        ("%", "100% of password=%25", "100% of password=***"),
    ],
)
def test_short_secrets_are_hidden_where_they_are_one(secret: str, text: str, expected: str) -> None:
    secret_values.keep(secret)
    assert secret_values.hide(text) == expected


def test_secrets_of_addresses_and_of_the_environment() -> None:
    secret_values.keep_within("jdbc:x://u:hunter%324@h;password=hunter5&a=b")
    secret_values.keep_environment(
        {"SPARK_REMOTE": "sc://h:15002/;token=abc-123;x=1", "PGPASSWORD": "pg-42"}
    )
    text = "hunter24 hunter%324 hunter5 abc-123 pg-42"
    assert secret_values.hide(text) == "*** *** *** *** ***"


def test_nothing_is_no_secret() -> None:
    secret_values.keep(None)
    secret_values.keep("")
    assert secret_values.hide("a text") == "a text"
