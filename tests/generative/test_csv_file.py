"""Reading, checking and writing CSV by columns gives what the csv module gives row by row."""

import csv
import io
import tracemalloc
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from omop_scorer.errors import ScoringError
from omop_scorer.model.contradictions import ends
from omop_scorer.model.load import load_model
from omop_scorer.scoring import csv_file
from omop_scorer.scoring.csv_blocks import read_blocks
from omop_scorer.scoring.csv_file import score_csv
from omop_scorer.scoring.float_text import float_text
from omop_scorer.scoring.patient import read_column, read_patient
from tests.support import csv_peer, tiny_card
from tests.support.thoroughness import examples

FIELD_LIMIT = 40


@pytest.fixture(scope="module")
def crohns():
    return load_model("crohns_srs_2025")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Return a card without limits, so scores can overflow; a label needs quotes."""
    classes = tiny_card.card()["classes"]
    classes[0]["label"] = 'A"1"'
    return tiny_card.load(tmp_path_factory.mktemp("tiny"), left_out=(), classes=classes)


@contextmanager
def limits(batch_rows):
    """Make blocks and the longest field small, so that few bytes pass their ends."""
    before = csv.field_size_limit(FIELD_LIMIT)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(csv_file, "BATCH_ROWS", batch_rows)
            yield
    finally:
        csv.field_size_limit(before)


def answer(folder, content, model, delimiter=","):
    """Return the bytes that are written, or the problems without the name of the file."""
    source, target = folder / "in.csv", folder / "out.csv"
    source.write_bytes(content)
    target.unlink(missing_ok=True)
    try:
        counts = score_csv(source, target, model)
    except ScoringError as error:
        assert [path.name for path in folder.iterdir()] == ["in.csv"]
        return [problem.removeprefix(f"{source}: ") for problem in error.problems]
    with target.open(encoding="utf-8", newline="") as lines:
        n_rows = len(list(csv.reader(lines, delimiter=delimiter))) - 1
    assert counts.n_scored + counts.n_out_of_range == n_rows
    return target.read_bytes()


PLAIN = {
    "x0": ["3", "1.5", "-2", ""],
    "x1": ["3", "0.25", "1e1", ""],
    "flag": ["yes", "no", "1", "0", ""],
    "male": ["yes", "no", "true"],
    "age": ["18", "54", "99"],
    "sex": ["male", "f"],
    "bmi": ["", "25", "23.077575769657763"],
    "crp": ["", "0", "20.0"],
    "cdai": ["", "320", "3.2e2"],
    "prior_anti_tnf": ["", "yes", "0"],
    "steroid": ["", "no", "1"],
    "immunomodulator": ["", "true"],
    "ileal": ["yes", "false"],
    "note": ["", "seen", "caf\u00e9", "a b", "\u2028", "\x0b", " "],
}
ODD = [
    *("+20", " 25 ", "25.", ".5e2", "\u00a025", "Yes", "MALE", "\t", "-0", "020", "54\x00"),
    *(
        "1e200",
        "-1e160",
        "1e999",
        "nan",
        "inf",
        "2_5",
        "\u0662\u0665",
        "1,5",
        ".",
        "e1",
        "1e",
        "--1",
    ),
    *("maybe", "17", "7919", "x" * FIELD_LIMIT, "x" * (FIELD_LIMIT + 1), "\ufeff", "\udcff"),
    *('"', 'a"b', '""', "a,b", "a\nb", "a\r\nb", "\r", "\n"),
]
RAW = ['"', '""', ",", "\n", "\r", '"a"b', ',"', '",', '"\n', '\n"', "\n\n", "a", "\udcc3"]


@st.composite
def files(draw, columns, delimiter=","):
    """Draw a file: mostly plain rows, with odd cells, quotes, line ends and raw bytes between."""
    names = draw(st.permutations([*columns, "note", "other"]))
    header = delimiter.join(
        draw(st.sampled_from([name, name.upper(), f'" {name}"'])) for name in names
    )
    end = draw(st.sampled_from(["\n", "\n", "\r\n", "\r"]))
    share_odd, share_quoted, share_raw = draw(
        st.tuples(*[st.sampled_from([0.0, 0.0, 0.03, 0.3])] * 3)
    )
    random = draw(st.randoms(use_true_random=False))
    text = ["\ufeff" * draw(st.booleans()), header, end]
    for _ in range(draw(st.integers(0, 12))):
        cells = [
            cell(random, PLAIN.get(name, PLAIN["note"]), share_odd, share_quoted, delimiter)
            for name in names
        ]
        if random.random() < share_raw:
            place = random.randrange(len(cells))
            raw = random.choice(RAW).replace(",", delimiter)
            cells[place : place + random.choice([0, 1, 2])] = [raw]
        text += [delimiter.join(cells), end]
        text += [end] * (random.random() < share_raw)
    last = draw(st.sampled_from([None, None, -1]))
    return "".join(text[:last]).encode("utf-8", "surrogateescape")


def cell(random, plain, share_odd, share_quoted, delimiter):
    """Draw a cell as it stands in a file."""
    value = random.choice(ODD if random.random() < share_odd else plain)
    is_quoted = random.random() < share_quoted or set(value) & set(f'{delimiter}"\r\n')
    return '"{}"'.format(value.replace('"', '""')) if is_quoted else value


@settings(max_examples=examples(50), deadline=None)
@given(
    data=st.data(),
    batch_rows=st.sampled_from([1, 2, 3, 5, 100]),
    card=st.booleans(),
    delimiter=st.sampled_from([",", ",", ";", "\t", "|"]),
)
def test_any_file_is_scored_as_row_by_row(
    tmp_path_factory, crohns, tiny, data, batch_rows, card, delimiter
):
    model = crohns if card else tiny
    content = data.draw(files([each.csv_column for each in model.card.covariates], delimiter))
    folder = tmp_path_factory.mktemp("file")
    with limits(batch_rows):
        expected = csv_peer.score(content, model, batch_rows, delimiter)
        assert answer(folder, content, model, delimiter) == expected


@pytest.mark.parametrize(
    ("delimiter", "word"), [(";", "semicolon"), ("\t", "tab"), ("|", "vertical bar")]
)
def test_a_decimal_comma_is_refused_in_words(tmp_path, crohns, delimiter, word):
    names = ["id", *(each.csv_column for each in crohns.card.covariates)]
    header, ends = delimiter.join(names), "\n"
    values = {"sex": "f", "age": "55", "bmi": "27,4", "crp": "1.022,5", "cdai": "310"}
    row = delimiter.join(values.get(name, "1") for name in names)
    found = answer(tmp_path, (header + ends + row + ends).encode(), crohns)
    assert found == [
        f"1 invalid row(s); nothing was written; its delimiter is a {word}",
        "line 2: "
        + "; ".join(
            f"{name}: has a comma; write a decimal point, and no separator of thousands"
            for name in names
            if "," in values.get(name, "")
        ),
    ]


def test_another_encoding_is_named(tmp_path, crohns):
    names = ",".join(each.csv_column for each in crohns.card.covariates)
    for encoding, said in (("utf-16", "UTF-16"), ("latin-1", "perhaps Latin-1")):
        (problem,) = answer(tmp_path, f"{names},\u00fc\n".encode(encoding), crohns)
        assert problem.startswith(f"line 1: not UTF-8 text ({said}")


ROW = b"3,1,yes,yes,"


@pytest.mark.parametrize(
    ("rows", "is_scored"),
    [
        (b'3,1,yes,yes,"a"\n"3","","yes","yes",""\n', True),
        (b'3,1,yes,yes,"a,b"\n3,1,yes,yes,"a\n\nb"\n' + ROW, True),
        (b"\n\n" + ROW + b"\n\r\n" + ROW + b"\x00\n\n", True),
        (b" 3 ,+1,YES,\tno\t,a\n\xc2\xa03,1,yes,yes,\xe2\x80\xa8\n", True),
        # A row too short and a row too long have as many cells as two good ones.
        (b"3,1,yes,yes\n3,1,1,1,1,\n", False),
        (b"3,1,yes,yes,a\xff\n" + ROW + b'"b\xff"\n', False),
        # Without its quotes this is a good row.
        (b'3,1,yes,"yes",""a"\n', False),
        (b'3,1,yes,"yes,a"\n', False),
        (ROW + b'a\n3,1,yes,yes,"never closed\n' + ROW, False),
        (ROW + b"x" * (FIELD_LIMIT + 1) + b"\n", False),
        (b"1e200,1,yes,yes,\n" + ROW, False),
        (b"1e999,1,yes,yes,\n" + ROW, True),
        # After an invalid row nothing is scored, so the second one cannot overflow.
        (b"x,1,yes,yes,\n1e200,1,yes,yes,\n", False),
        # A byte order mark counts only at the start of the file.
        (b"\xef\xbb\xbf3,1,yes,yes,\n", False),
    ],
)
@pytest.mark.parametrize("batch_rows", [1, 2, 100])
def test_files_that_look_plain(tmp_path, tiny, rows, is_scored, batch_rows):
    content = b"x0,X1,flag,male,note\n" + rows
    with limits(batch_rows):
        found = answer(tmp_path, content, tiny)
        assert found == csv_peer.score(content, tiny, batch_rows)
    assert isinstance(found, bytes) == is_scored


@settings(max_examples=examples(300), deadline=None)
@given(
    text=st.lists(st.sampled_from(RAW)).map("".join),
    n_fields=st.integers(1, 3),
    n_records=st.sampled_from([1, 2, 3, 100]),
)
@example(text='a\n""', n_fields=1, n_records=2)
@example(text='"a,a"\n', n_fields=2, n_records=2)
@example(text='"a\na"\n', n_fields=1, n_records=2)
@example(text="a\na,a,a\n", n_fields=2, n_records=2)
def test_blocks_hold_what_the_csv_module_reads(text, n_fields, n_records):
    def lines():
        return io.StringIO(text, newline="")

    expected = list(csv_peer.numbered(csv.reader(lines(), strict=True)))
    blocks = list(read_blocks(lines(), 1, n_fields, n_records))
    found = []
    for block in blocks:
        records = list(block.records)
        found += records
        cells = [record for _, record in records]
        is_good = all(
            isinstance(record, list) and len(record) == n_fields and "\udcc3" not in "".join(record)
            for record in cells
        )
        assert (block.columns is not None) == is_good
        if is_good:
            assert [list(row) for row in zip(*block.columns, strict=True)] == cells
            assert block.texts == [as_written(record) for record in cells]
    assert [(line, str(record)) for line, record in found] == [
        (line, str(record)) for line, record in expected
    ]


def as_written(record):
    """Return what the csv module writes before further cells."""
    output = io.StringIO()
    csv.writer(output, lineterminator="\n").writerow([*record, "more"])
    return output.getvalue().removesuffix(",more\n")


@settings(max_examples=examples(200), deadline=None)
@given(
    place=st.integers(0, 8),
    cells=st.lists(
        st.sampled_from([*ODD, *PLAIN["bmi"], *PLAIN["flag"]])
        | st.text("0123456789+-.eE,", max_size=6),
        max_size=4,
    ),
)
def test_a_column_is_read_as_its_cells(crohns, place, cells):
    covariate = crohns.card.covariates[place]
    bounds = ends(covariate.plausible_range)
    given = ((covariate, cell, bounds) for cell in cells)
    values, recorded, refusals = read_patient(given, keep_outside=True)
    if refusals:
        with pytest.raises(ValueError, match=r".") as caught:
            read_column(covariate, cells, bounds)
        assert f"{covariate.csv_column}: {caught.value}" in refusals
    else:
        found = read_column(covariate, cells, bounds)
        assert [array.tolist() for array in found] == [values, recorded]


POWERS = np.concatenate([2.0 ** np.arange(-1074, 1024), 10.0 ** np.arange(-323, 309)])
SPECIAL = [0.0, -0.0, 25.0, 1e16, 9999999999.5, 123456789012.5, np.nan, np.inf, -np.inf]


@pytest.mark.parametrize(
    "values",
    [
        *(np.nextafter(POWERS, to) for to in (POWERS, 0, np.inf, -np.inf)),
        np.random.default_rng(1).normal(0, 50, 20_000),
        np.random.default_rng(2).normal(0, 50, 20_000).round(2),
        -(10 ** np.random.default_rng(3).uniform(-8, 14, 20_000)),
        np.array(SPECIAL),
        np.empty(0),
        np.arange(6.0).reshape(2, 3)[:, 1] / 3,
    ],
)
def test_floats_are_written_with_the_digits_of_repr(values):
    expected = [None if np.isnan(value) else repr(value) for value in values.tolist()]
    assert float_text(values).to_pylist() == expected


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(st.floats()))
def test_any_floats_are_written_with_the_digits_of_repr(values):
    expected = [None if np.isnan(value) else repr(value) for value in values]
    with np.errstate(invalid="ignore"):
        assert float_text(np.array(values, np.float64)).to_pylist() == expected


@pytest.mark.parametrize("cell", ["plain", '"quoted, twice"'])
def test_memory_does_not_grow_with_the_rows(tmp_path, crohns, cell):
    header = "age,sex,bmi,crp,cdai,prior_anti_tnf,steroid,immunomodulator,ileal,note\n"
    peaks = []
    with limits(200):
        for n in (400, 400, 6_000):
            content = (header + f"45,male,25,20,320,0,1,0,1,{cell}\n" * n).encode()
            source = tmp_path / "in.csv"
            source.write_bytes(content)
            del content
            tracemalloc.start()
            assert score_csv(source, tmp_path / "out.csv", crohns).n_scored == n
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    # 6,000 rows of output alone are 2 MB.
    assert peaks[2] < peaks[1] + 200_000
