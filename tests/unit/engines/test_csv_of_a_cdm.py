"""CSV files of a CDM as Athena, pandas, R and spreadsheets write them."""

import csv
import gzip
import io
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omop_scorer.connections.duckdb import errors_as
from omop_scorer.engines.duckdb.csv_file import read_header
from omop_scorer.errors import CdmError

NAMES = ("concept_id", "concept_name", "concept_code")
TEXT = st.text(st.sampled_from("ab\" \\'é,;|"), max_size=6)


@pytest.fixture(scope="module")
def connection():
    with duckdb.connect() as opened:
        yield opened


def read(connection, path, *, is_vocabulary=False, null_text=("",), keeps_empty=False):
    """Return the rows of the named columns."""
    file = read_header(path, "the file", is_vocabulary=is_vocabulary)
    columns = ", ".join(f'"{name}"' for name in file.columns)
    relation = file.relation(null_text, keeps_empty=keeps_empty)
    with errors_as(CdmError, "the file"):
        return connection.execute(f"SELECT {columns} FROM {relation}").fetchall()


def written(rows, path, **dialect):
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n", **dialect).writerows(rows)
    return save(text.getvalue().encode(), path)


def save(content, path):
    path.write_bytes(gzip.compress(content) if path.name.lower().endswith(".gz") else content)
    return path


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(TEXT, TEXT), max_size=8),
    name=st.sampled_from(["CONCEPT.csv", "concept.CSV.gz", "Concept.tsv", "CONCEPT.TSV.GZ"]),
)
def test_any_file_of_athena_is_read_as_it_stands(tmp_path_factory, connection, rows, name):
    # One name with a quote in it says that the file has no quoting: Athena publishes thousands.
    given_rows = [["1", '1/2" needle', "x"], *([str(n), *row] for n, row in enumerate(rows, 2))]
    content = "\n".join("\t".join(row) for row in [NAMES, *given_rows]) + "\n"
    path = save(content.encode(), tmp_path_factory.mktemp("vocabulary") / name)
    expected = [tuple(cell or None for cell in row) for row in given_rows]
    assert read(connection, path, is_vocabulary=True) == expected


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(TEXT, TEXT), max_size=8),
    delimiter=st.sampled_from([",", "\t", ";", "|"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    is_vocabulary=st.booleans(),
)
def test_any_file_with_quotes_is_read_as_written(
    tmp_path_factory, connection, rows, delimiter, quoting, is_vocabulary
):
    given_rows = [[str(n), *row] for n, row in enumerate(rows)]
    path = tmp_path_factory.mktemp("quoted") / "concept.csv"
    written([NAMES, *given_rows], path, delimiter=delimiter, quoting=quoting)
    expected = [tuple(cell or None for cell in row) for row in given_rows]
    assert read(connection, path, is_vocabulary=is_vocabulary) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (",a,b\n0,1,2\n1,3,4\n", [("1", "2"), ("3", "4")]),
        ('"","a","b"\n"1","1","2"\n', [("1", "2")]),
        ("a,b,\n1,2,\n3,4,\n", [("1", "2"), ("3", "4")]),
        ("a;;b;;\n1;x;2;;\n", [("1", "2")]),
        (" \ta\tb\n0\t1\t2\n", [("1", "2")]),
        ("\ufeffa|b| \n1|2|\n", [("1", "2")]),
        ("a,b\r1,2\r3,4\r", [("1", "2"), ("3", "4")]),
        ("a,b\n\n1,2\n\n", [("1", "2")]),
        # The commas are inside the quotes.
        ('"a";"b";"x,y,z,,"\n1;2;3\n', [("1", "2", "3")]),
    ],
)
def test_columns_without_a_name_are_ignored(tmp_path, connection, content, expected):
    assert read(connection, save(content.encode(), tmp_path / "person.csv")) == expected


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a,b\n1,2\n3\n", "line 3: a wrong number of columns"),
        (b"a,b\n1,2,3\n", "line 2: a wrong number of columns"),
        (b",a,b\n0,1,2\n1,2\n", "line 3: a wrong number of columns"),
        (b"a,b\n1,2\n1,caf\xe9\n", "line 3: not UTF-8, perhaps Latin-1 or Windows-1252"),
        (b"a,caf\xe9\n1,2\n", "line 1: the encoding is not UTF-8, perhaps Latin-1"),
        ("a,b\n1,2\n".encode("utf-16"), "line 1: the encoding is UTF-16; a run reads UTF-8"),
        ("a,b\n1,2\n".encode("utf-16-be"), "line 1: the encoding is UTF-16"),
        (b'a,b\n1,"x\n', "a quote that is not closed"),
        (b"a,b\r\n1,2\n3,4\r\n", "line ends are mixed"),
        (b"a,B,A,b\n", "line 1: the header names column a, b twice"),
        (b",,\n1,2,3\n", "line 1: the header is empty"),
        (b"\n1,2\n", "line 1: the header is empty"),
    ],
)
def test_a_file_that_is_refused(tmp_path, connection, content, said):
    with pytest.raises(CdmError, match=said):
        read(connection, save(content, tmp_path / "person.csv"))


@pytest.mark.parametrize(
    ("null_text", "keeps_empty", "expected"),
    [
        (("",), False, (None, None, "NULL")),
        (("",), True, ("", None, "NULL")),
        (("", "NULL"), False, (None, None, None)),
        (("NULL",), False, ("", "", None)),
        ((), False, ("", "", "NULL")),
    ],
)
def test_empty_texts(tmp_path, connection, null_text, keeps_empty, expected):
    path = save(b'a,b,c\n"",,NULL\n', tmp_path / "person.csv")
    assert read(connection, path, null_text=null_text, keeps_empty=keeps_empty) == [expected]


@pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf"])
def test_an_empty_file_has_no_columns(tmp_path: Path, content: bytes) -> None:
    file = read_header(save(content, tmp_path / "death.csv"), "the file", is_vocabulary=False)
    assert file.columns == ()


def test_a_folder_gives_no_column_of_a_file(tmp_path: Path, connection) -> None:
    folder = tmp_path / "b=9"
    folder.mkdir()
    assert read(connection, save(b"a,b\n1,2\n", folder / "x.csv")) == [("1", "2")]


def test_a_name_of_a_file_is_no_pattern(tmp_path: Path, connection) -> None:
    save(b"a\n1\n", tmp_path / "person[1].csv")
    save(b"a\n2\n", tmp_path / "person1.csv")
    assert read(connection, tmp_path / "person[1].csv") == [("1",)]
