"""Nothing that belongs to a patient is ever said, whatever fails.

A CDM is filled with unmistakable values; then everything that the program prints, logs or keeps
about its runs is searched for them. What the results tables hold for readers is another matter.
"""

import re
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from tests.support.command_line import Finished, Site, in_files_and_on_a_server, omop_scorer
from tests.support.server_site import ServerSite

PERSON = 987654321098700
RECORD = 876543210987600
NUMBER = "4711.0815"
DAY = "2025-02-03"
#: Traces of the values above, and of SENTINEL texts, in any spelling that an error could use.
TRACES = re.compile(
    r"sentinel|98765432|87654321|4711[.,]|1234567\.8|4712\.|2025-02-03|20250203"
    r"|0?3[./]0?2[./](20)?25|0?2/0?3/(20)?25|\b1913\b",
    re.IGNORECASE,
)


@pytest.fixture
def marked(site: Site) -> Site:
    """Turn every person, record, number, unit, date and text of a CDM into a mark."""
    crp, drug = "measurement_concept_id = 3020460", "drug_exposure"
    keyed = {
        "measurement": "measurement_id",
        "drug_exposure": "drug_exposure_id",
        "condition_occurrence": "condition_occurrence_id",
        "observation": "observation_id",
    }
    persons = ("person", "death", "observation_period", *keyed)
    site.change(
        *(f"ALTER TABLE {t} ALTER person_id TYPE BIGINT" for t in persons),
        *(f"UPDATE {t} SET person_id = person_id + {PERSON}" for t in persons),
        *(f"ALTER TABLE {t} ALTER {key} TYPE BIGINT" for t, key in keyed.items()),
        *(f"UPDATE {t} SET {key} = {key} + {RECORD}" for t, key in keyed.items()),
        "ALTER TABLE measurement ALTER value_as_number TYPE DOUBLE",
        f"UPDATE measurement SET value_as_number = {NUMBER}, measurement_date = '{DAY}' "
        f"WHERE {crp} AND measurement_id % 3 = 0",
        f"UPDATE measurement SET unit_concept_id = 0, unit_source_value = 'SENTINELUNIT' "
        f"WHERE {crp} AND measurement_id % 3 = 1",
        "UPDATE measurement SET value_source_value = 'SENTINELVALUE', "
        "measurement_source_value = 'SENTINELTEST'",
        f"UPDATE {drug} SET drug_source_value = 'SENTINELDRUG', sig = 'SENTINELSIG', "
        "route_source_value = 'SENTINELROUTE', lot_number = 'SENTINELLOT'",
        "UPDATE condition_occurrence SET condition_source_value = 'SENTINELCODE'",
        "UPDATE person SET person_source_value = 'SENTINELNAME', year_of_birth = 1913 "
        "WHERE person_id % 10 = 0",
    )
    return site


def speak(site: Site, **keys: object) -> list[Finished]:
    """Let `run` say what it has to say."""
    return [site.run("--log-format", "json", **keys)]


def assert_silent(site: Site, finished: list[Finished]) -> None:
    """Search what was said and kept for marks."""
    kept = site.rows(
        "SELECT CONCAT_WS(' ', message, status) FROM scoring_run_status UNION ALL "
        "SELECT CONCAT_WS(' ', config_json, cdm_source_name, cdm_version, vocabulary_version) "
        "FROM scoring_run UNION ALL SELECT CONCAT_WS(' ', covariate, measure) "
        "FROM covariate_quality UNION ALL SELECT reason FROM attrition"
    )
    # Run ids and times of day are made of digits that could look like a mark.
    texts = [text for (text,) in kept]
    texts += [part for each in finished for part in (each.stdout, each.stderr)]
    for text in texts:
        plain = re.sub(r'"time": "[^"]*"|\b[Rr]un \d{16}\b', "", text)
        plain = plain.replace(str(site.folder), "")
        found = TRACES.search(plain)
        assert not found, plain[max(0, found.start() - 200) : found.end() + 200]
    assert any(each.stderr or each.stdout for each in finished)
    assert not any("Traceback" in each.stderr for each in finished)


@in_files_and_on_a_server
def test_the_marks_are_there(marked: Site) -> None:
    """A search would find them, and a night that goes well says none in any log format."""
    finished = [marked.run("--log-format", each) for each in ("auto", "text", "json")]
    finished.append(marked.run("--log-format", "text", command="check"))
    assert [each.returncode for each in finished] == [0, 0, 0, 0]
    rows = marked.rows("SELECT CAST(t AS VARCHAR) FROM latest_patient_covariate AS t")
    text = "\n".join(row for (row,) in rows)
    assert f"{PERSON}"[:10] in text
    assert f"{RECORD}"[:10] in text
    assert TRACES.search(text)
    assert_silent(marked, finished)


TEXT_COLUMNS = (
    "ALTER TABLE measurement ALTER value_as_number TYPE VARCHAR",
    "UPDATE measurement SET value_as_number = 'SENTINEL 1234567.8' WHERE measurement_id % 2 = 0",
    "ALTER TABLE measurement ALTER measurement_date TYPE VARCHAR",
    "UPDATE measurement SET measurement_date = '3.2.2025' WHERE measurement_id % 5 = 0",
    "ALTER TABLE person ALTER person_id TYPE VARCHAR",
    f"UPDATE person SET person_id = 'SENTINEL{PERSON}' WHERE person_id LIKE '%7'",
    "ALTER TABLE drug_exposure ALTER days_supply TYPE VARCHAR",
    "UPDATE drug_exposure SET days_supply = 'SENTINELDAYS'",
)
FAILING = {
    "texts that cannot be cast": TEXT_COLUMNS,
    "numbers that are not finite": (
        "UPDATE measurement SET value_as_number = 'nan' WHERE measurement_id % 2 = 0",
        "UPDATE measurement SET value_as_number = 'inf' WHERE measurement_id % 3 = 0",
        "UPDATE measurement SET value_as_number = -1.7e308 WHERE measurement_id % 5 = 0",
    ),
    "a person twice": ("INSERT INTO person SELECT * FROM person",),
    "a failing cast in a view": (
        "ALTER TABLE measurement RENAME TO raw",
        "CREATE VIEW measurement AS SELECT * REPLACE "
        "(CAST(value_source_value AS DOUBLE) AS value_as_number) FROM raw",
    ),
    "a failing cast of a date in a view": (
        "ALTER TABLE drug_exposure RENAME TO raw",
        "CREATE VIEW drug_exposure AS SELECT * REPLACE "
        "(CAST(drug_source_value AS DATE) AS drug_exposure_start_date) FROM raw",
    ),
    "an error raised in a view": (
        "ALTER TABLE person RENAME TO raw",
        "CREATE VIEW person AS SELECT * REPLACE "
        "(ERROR(person_source_value || person_id) AS year_of_birth) FROM raw",
    ),
    "a number out of range in a view": (
        "ALTER TABLE person RENAME TO raw",
        "CREATE VIEW person AS SELECT * REPLACE "
        "(CAST(person_id * 9000000 AS INTEGER) AS year_of_birth) FROM raw",
    ),
    "years that overflow": (
        "UPDATE person SET year_of_birth = -2147481913",
        "ALTER TABLE drug_exposure ALTER days_supply TYPE BIGINT",
        "UPDATE drug_exposure SET days_supply = -9223372036854775808",
    ),
    "columns of unusable types": (
        "ALTER TABLE measurement ALTER value_as_number TYPE STRUCT(a VARCHAR) "
        "USING {'a': 'SENTINEL'}",
        "ALTER TABLE measurement ALTER measurement_date TYPE INTEGER USING 20250203",
        "ALTER TABLE measurement ALTER unit_source_value TYPE BLOB USING 'SENTINEL'::BLOB",
        "ALTER TABLE drug_exposure ALTER drug_exposure_start_date TYPE INTERVAL "
        "USING INTERVAL '1' DAY",
        "ALTER TABLE person ALTER gender_concept_id TYPE VARCHAR[] USING ['SENTINEL']",
    ),
    "a list in place of a key": (
        "ALTER TABLE measurement ALTER person_id TYPE BIGINT[] USING [person_id]",
    ),
}


#: The same on a server, in whose words views and functions are.
FAILING_ON_SERVER = {
    **{
        kind: FAILING[kind]
        for kind in (
            *("texts that cannot be cast", "numbers that are not finite", "a person twice"),
            "years that overflow",
        )
    },
    "a failing cast in a view": (
        "ALTER TABLE measurement RENAME TO raw",
        "ALTER TABLE raw DROP COLUMN value_as_number",
        "CREATE VIEW measurement AS SELECT *, "
        "CAST(value_source_value AS DOUBLE) AS value_as_number FROM raw",
    ),
    "a failing cast of a date in a view": (
        "ALTER TABLE drug_exposure RENAME TO raw",
        "ALTER TABLE raw DROP COLUMN drug_exposure_start_date",
        "CREATE VIEW drug_exposure AS SELECT *, "
        "CAST(drug_source_value AS DATE) AS drug_exposure_start_date FROM raw",
    ),
    "a number out of range in a view": (
        "ALTER TABLE person RENAME TO raw",
        "ALTER TABLE raw DROP COLUMN year_of_birth",
        "CREATE VIEW person AS SELECT *, "
        "CAST(person_id * 9000000 AS INTEGER) AS year_of_birth FROM raw",
    ),
    "a division by zero in a view": (
        "ALTER TABLE person RENAME TO raw",
        "ALTER TABLE raw DROP COLUMN year_of_birth",
        "CREATE VIEW person AS SELECT *, "
        "CAST(person_id / (person_id - person_id) AS INTEGER) AS year_of_birth FROM raw",
    ),
    "columns of unusable types": (
        "ALTER TABLE measurement DROP COLUMN value_as_number",
        'ALTER TABLE measurement ADD COLUMN value_as_number JSON DEFAULT \'{"a": "SENTINEL"}\'',
        "ALTER TABLE measurement DROP COLUMN unit_source_value",
        "ALTER TABLE measurement ADD COLUMN unit_source_value BLOB DEFAULT 'SENTINEL'",
        "ALTER TABLE person DROP COLUMN gender_concept_id",
        "ALTER TABLE person ADD COLUMN gender_concept_id TEXT[] DEFAULT '{SENTINEL}'",
    ),
}
KINDS = [
    *(("duckdb", kind) for kind in FAILING),
    *(("postgresql", kind) for kind in FAILING_ON_SERVER),
]


@pytest.mark.parametrize(("site", "kind"), KINDS, indirect=["site"])
def test_a_run_that_stumbles(marked: Site, kind: str) -> None:
    marked.change(*(FAILING if marked.engine == "duckdb" else FAILING_ON_SERVER)[kind])
    finished = speak(marked)
    if "view" in kind or "twice" in kind:
        assert finished[0].returncode in (12, 13), finished[0].stderr
    assert_silent(marked, finished)


RAISING = (
    "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'SENTINEL % %', NEW.person_id, NEW; END $$",
    "CREATE TRIGGER refuse BEFORE INSERT ON patient_subgroup FOR EACH ROW "
    "EXECUTE FUNCTION refuse()",
)
REFUSING = {
    "a check": ("ALTER TABLE patient_subgroup ADD CHECK (person_id < 0) NOT VALID",),
    "a key": ("CREATE UNIQUE INDEX ON patient_subgroup ((person_id / 1000))",),
    "a trigger": RAISING,
    "a type": (
        "ALTER TABLE patient_covariate RENAME TO old",
        "CREATE TABLE patient_covariate AS TABLE old",
        "ALTER TABLE patient_covariate ALTER covariate_value TYPE DATE USING NULL",
    ),
}


@pytest.mark.parametrize(
    ("site", "kind"), [("postgresql", kind) for kind in REFUSING], indirect=["site"]
)
def test_results_that_refuse_a_row(marked: ServerSite, kind: str) -> None:
    marked.write("DELETE FROM patient_subgroup")
    marked.write_as_server(*REFUSING[kind])
    marked.keys = {**marked.keys, "results": {"allow_triggers": ["patient_subgroup.refuse"]}}
    finished = speak(marked)
    assert finished[0].returncode == 15, finished[0].stderr
    assert_silent(marked, finished)


@pytest.mark.parametrize(
    "kinds",
    [
        ("numbers that are not finite", "a person twice"),
        ("texts that cannot be cast", "columns of unusable types"),
        ("a failing cast in a view",),
    ],
)
def test_a_check_that_stumbles(marked: Site, kinds: tuple[str, ...]) -> None:
    for kind in kinds:
        marked.change(*FAILING[kind])
    assert_silent(marked, [marked.run("--log-format", "text", command="check")])


def as_csv(site: Site) -> Path:
    folder = site.folder / "csv"
    folder.mkdir()
    with duckdb.connect(str(site.cdm), read_only=True) as connection:
        connection.execute("USE cdm.cdm")
        for (table,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
            connection.execute(f"COPY {table} TO '{folder}/{table}.csv' (HEADER)")
    return folder


def without_header(file: Path) -> None:
    file.write_bytes(file.read_bytes().split(b"\n", 1)[1])


def with_row(row: bytes, copies: int = 1) -> Callable[[Path], None]:
    def append(file: Path) -> None:
        header, rows = file.read_bytes().split(b"\n", 1)
        file.write_bytes(header + b"\n" + rows * copies + row + b"\n" + rows)

    return append


def alone(content: bytes) -> Callable[[Path], None]:
    def write(file: Path) -> None:
        file.write_bytes(content)

    return write


BAD_FILES: dict[str, Callable[[Path], None]] = {
    "too few fields": with_row(b"987654321098799,SENTINEL,4711.0815"),
    "too many fields": with_row(b"987654321098799,SENTINEL,4711.0815" + b",SENTINEL" * 40),
    "too few fields far down": with_row(b"987654321098799,SENTINEL,4711.0815", 60),
    "an open quote": with_row(b'987654321098799,"SENTINEL,4711.0815'),
    "an open quote far down": with_row(b'987654321098799,"SENTINEL,4711.0815', 60),
    "bytes that are no text": with_row(b"987654321098799,SENTINEL\xff\xfe" + b"," * 18),
    "no header": without_header,
    "one line": alone(b"SENTINEL,4711.0815,987654321098799\n"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_bad_csv_files_of_a_cdm(marked: Site, kind: str) -> None:
    folder = as_csv(marked)
    BAD_FILES[kind](folder / "measurement.csv")
    finished = speak(marked, cdm={"url": str(folder)})
    assert finished[0].returncode in (12, 13), finished[0].stderr
    assert_silent(marked, finished)


def test_a_damaged_parquet_file(marked: Site) -> None:
    folder = marked.folder / "parquet"
    folder.mkdir()
    with duckdb.connect(str(marked.cdm), read_only=True) as connection:
        connection.execute("USE cdm.cdm")
        for (table,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
            file = folder / f"{table}.parquet"
            connection.execute(f"COPY {table} TO '{file}' (COMPRESSION uncompressed)")
    file = folder / "measurement.parquet"
    content = bytearray(file.read_bytes())
    for place in range(500, len(content) // 2, 97):
        content[place] ^= 0xFF
    file.write_bytes(bytes(content))
    assert_silent(marked, speak(marked, cdm={"url": str(folder)}))


def test_a_configuration_that_fails_after_the_marks_were_read(marked: Site) -> None:
    assert_silent(marked, speak(marked, memory_limit="12MB", threads=1))


PATIENTS = """\
person_id,age,sex,bmi,crp,cdai,prior_anti_tnf,steroid,immunomodulator,ileal,note
987654321098765,55,female,27,22,310,no,yes,no,yes,SENTINEL
"""
BAD_PATIENTS = (
    "987654321098766,SENTINEL,SENTINEL,SENTINEL,4711.0815,SENTINEL,SENTINEL,SENTINEL,,,SENTINEL",
    "987654321098767,1913,male,1234567.8,nan,-4711.0815,2,3,4,5,SENTINEL",
    "987654321098768,55,male",
    "987654321098769,55,male" + ",SENTINEL" * 30,
    '987654321098770,55,"male"SENTINEL,,,,,,,,',
    '987654321098771,55,"male SENTINEL',
)


@pytest.mark.parametrize("n_bad", [0, 1, len(BAD_PATIENTS)])
def test_scoring_a_file(tmp_path: Path, n_bad: int) -> None:
    source, target = tmp_path / "patients.csv", tmp_path / "scores.csv"
    source.write_text(PATIENTS + "".join(f"{row}\n" for row in BAD_PATIENTS[:n_bad]))
    finished = omop_scorer("score", source, target)
    assert finished.returncode == (14 if n_bad else 0)
    assert_says_nothing(tmp_path, finished)


@pytest.mark.parametrize(
    "content",
    [
        PATIENTS.split("\n", 1)[1].encode(),
        PATIENTS.replace("sex", "SENTINEL").encode(),
        PATIENTS.encode() + b"987654321098766,\xff\xfeSENTINEL,,,,,,,,,\n",
        b"\x00SENTINEL\x00" * 100,
        PATIENTS.encode("utf-16"),
        b'"SENTINEL' + b"x" * 200_000,
    ],
    ids=["no header", "another header", "no UTF-8", "zeros", "UTF-16", "an endless field"],
)
def test_scoring_a_file_that_is_none(tmp_path: Path, content: bytes) -> None:
    source, target = tmp_path / "patients.csv", tmp_path / "scores.csv"
    source.write_bytes(content)
    finished = omop_scorer("score", source, target)
    assert finished.returncode == 14, finished.stderr
    assert_says_nothing(tmp_path, finished)
    assert not target.exists()


def test_scoring_one_patient() -> None:
    options = ("--age", "1913", "--sex", "SENTINEL", "--bmi", NUMBER, "--crp", "SENTINEL")
    finished = omop_scorer("score", *options, "--cdai", "1234567.8", "--steroid", "yes")
    assert finished.returncode == 14
    assert not TRACES.search(finished.stdout + finished.stderr)


def assert_says_nothing(folder: Path, finished: Finished) -> None:
    said = (finished.stdout + finished.stderr).replace(str(folder), "")
    assert said
    assert not TRACES.search(said), said
    assert "Traceback" not in said
    assert "unexpected error" not in said
