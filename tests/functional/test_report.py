"""The report as files: what is printed, and what a reader of them can recalculate."""

import csv
import io
import os
import re
import shutil
import stat
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from omop_scorer.config import run_file as config
from omop_scorer.data_model import data_model
from omop_scorer.disclosure.leaving import COLUMNS
from omop_scorer.disclosure.protect import protect_run
from omop_scorer.disclosure.true_run import RunTables, read_run
from omop_scorer.errors import ResultsError
from omop_scorer.report import write_report
from omop_scorer.report.csv_files import csv_files
from omop_scorer.report.page import render
from omop_scorer.results.history import list_runs
from omop_scorer.results.history import run_of as history_run
from omop_scorer.stores import open_results
from omop_scorer.synthetic import write as synthetic
from tests.conftest import run_on
from tests.support.attacker import (
    COUNTS,
    TELLING,
    Attack,
    Rows,
    assert_nothing_leaks,
    read,
    rows_of_run,
    true_counts,
)
from tests.support.command_line import AS_OF, CDAI, Site, assert_refused
from tests.support.made_up_run import people, run_of, tables_of, with_own_trend
from tests.support.thoroughness import cases

MINIMUM = 5


def report(
    results: Path, folder: Path, run: str = "latest", minimum: int = MINIMUM
) -> tuple[str, dict[str, Rows]]:
    """Write a report; return its page and its CSV files."""
    settings = config.RunConfig.model_validate(
        {"cdm": {"url": "none"}, "results": {"url": str(results)}}
    )
    page, files = folder / "report.html", folder / "csv"
    with open_results(settings.connections) as reader:
        written = write_report(reader, run, page, files, minimum)
    assert written == [page, *(files / path.name for path in written[1:])]
    assert sorted(written[1:]) == sorted(files.iterdir())
    return page.read_text(encoding="utf-8"), read(files)


def figures(results: Path, folder: Path) -> dict[str, Rows]:
    """Write the figures of the latest run alone, which takes half of the time; return them."""
    settings = config.RunConfig.model_validate(
        {"cdm": {"url": "none"}, "results": {"url": str(results)}}
    )
    with open_results(settings.connections) as reader:
        write_report(reader, "latest", None, folder, MINIMUM)
    return read(folder)


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory, answered: Path) -> Path:
    """Return a folder with the report of the small CDM."""
    folder = tmp_path_factory.mktemp("reported")
    report(answered, folder)
    return folder


#: Tables that the attacker knows by their days.
CURVES = ("persistence", "persistence_mean")


def run_small(folder: Path, persons: int, seed: int, **settings: Any) -> Path:
    """Make up a CDM and run the job on it; return the results."""
    cdm, results = folder / "cdm.duckdb", folder / "results.duckdb"
    if not cdm.exists():
        synthetic.write(cdm, persons, seed, as_of=AS_OF, crohns_share=1)
    run_on(cdm, results, {"as_of_date": AS_OF, "covariates": CDAI, "threads": 2, **settings})
    return results


def parsed(files: Mapping[str, str]) -> dict[str, Rows]:
    """Read back the texts of CSV files."""
    return {
        name.removesuffix(".csv"): list(csv.DictReader(io.StringIO(text)))
        for name, text in files.items()
        if name.endswith(".csv")
    }


# ---- No combination of what is printed tells a small count ----


def read_back(results: Path) -> RunTables:
    """Return the latest run as the results have it."""
    settings = config.RunConfig.model_validate(
        {"cdm": {"url": "none"}, "results": {"url": str(results)}}
    )
    with open_results(settings.connections) as reader:
        runs = list_runs(reader)
        return read_run(reader, history_run(runs, "latest"), runs)


def assert_protected(
    run: RunTables, tables: dict[str, list[dict[str, Any]]], minimum: int, rounding: int = 1
) -> None:
    """Attack the files of a run, the bounds of its page, and its shares in a trend."""
    data = protect_run(with_own_trend(run), minimum, rounding)
    assert data.trend is not None
    trend = [
        {**row, "share": None if pd.isna(row["share"]) else float(row["share"])}
        for row in data.trend.to_dict("records")
    ]
    assert_nothing_leaks(
        parsed(csv_files(data)),
        tables,
        *(run.run["n_cohort"], run.run["n_scored"], data.minimum_cell_count),
        rounding=data.rounding,
        bounds=data.bounds,
        trend=trend,
    )


@pytest.mark.parametrize(
    ("persons", "seed", "settings"),
    cases(
        [
            (30, 1, {}),
            (120, 2, {"audit": {"age_at": "index", "since": date(2018, 3, 1)}}),
            (200, 3, {"missing": "reduced_model", "uncertainty": "analytic"}),
            (400, 4, {"impute": "training_mean", "disclosure": {"rounding": 5}}),
        ],
        [(300, 2, {}), (600, 8, {}), (900, 9, {})],
    ),
)
def test_nothing_leaks_of_a_run(
    tmp_path: Path, persons: int, seed: int, settings: dict[str, Any]
) -> None:
    results = run_small(tmp_path, persons, seed, **settings)
    run = read_back(results)
    tables = rows_of_run(results, str(run.run["run_id"]))
    # The reader knows what every table means that may leave; records of concepts stand alone.
    counted = {
        name for name in COLUMNS if any(each.is_count for each in data_model().get(name, []))
    }
    assert {*COUNTS, *CURVES} == counted - {"concept_set_member"}
    assert set(run.frames) >= set(COUNTS)
    assert_protected(run, tables, MINIMUM)


@pytest.mark.parametrize("seed", cases(range(6), range(6, 36)))
def test_nothing_leaks_of_made_up_persons(seed: int) -> None:
    tables = tables_of(people((1, 6, 20, 45, 90, 150)[seed % 6], seed))
    # The minimum of the run itself holds where it is the greater.
    assert_protected(run_of(tables), tables, (5, 3, 10)[seed % 3], (1, 5)[seed % 2])


@pytest.mark.parametrize(("persons", "seed"), [(150, 1022), (250, 1059)])
def test_a_trend_tells_nothing_that_is_hidden(persons: int, seed: int) -> None:
    # Nearly all are treated, so few women were not: their number tells these, even rounded.
    tables = tables_of(people(persons, seed))
    assert_protected(run_of(tables), tables, MINIMUM)


def test_hiding_small_counts_alone_would_leak() -> None:
    # The attacker is worth its name: without the linked cells it finds small counts.
    persons = people(90, 4)
    tables = tables_of(persons)
    files = parsed(csv_files(protect_run(run_of(tables), MINIMUM)))
    n_scored = sum(person["reason"] is None for person in persons)
    counts = true_counts(tables, len(persons), n_scored, files)
    for table, columns in COUNTS.items():
        for column, keys in columns.items():
            for row in files.get(table, []):
                n = counts[table, column, *(row[key] for key in keys)]
                row[column] = "" if 0 < n < MINIMUM else str(n)
    files["run"][0] |= {"n_cohort": str(len(persons)), "n_scored": str(n_scored)}
    assert Attack(files).betrayed(counts, MINIMUM)


def test_the_page_tells_no_more_than_the_files(answered: Path) -> None:
    """Texts, coordinates, axes and titles follow from the files, the bounds and the trend."""
    data = protect_run(with_own_trend(read_back(answered)), MINIMUM)
    files = csv_files(data)
    read_from_files = {
        name: pd.read_csv(
            io.StringIO(files[f"{name}.csv"]),
            dtype={
                key: "object" if kind == "object" else kind for key, kind in rows.dtypes.items()
            },
            keep_default_na=False,
            na_values={
                key: [""] for key, kind in rows.dtypes.items() if kind in ("Int64", "Float64")
            },
        )
        for name, rows in data.tables.items()
    }
    assert read_from_files.keys() >= set(COUNTS)
    assert render(replace(data, tables=read_from_files)) == render(data)


def test_reports_by_other_settings_tell_no_more(answered: Path) -> None:
    """A greater minimum and rounding print what follows from the report by the run's own."""
    run = with_own_trend(read_back(answered))
    own = protect_run(run, MINIMUM)
    for minimum, rounding in ((10, 1), (MINIMUM, 5)):
        other = protect_run(run, minimum, rounding)
        for table, columns in COUNTS.items():
            known = own.tables[table].to_dict("records")
            for row in other.tables[table].to_dict("records"):
                of_row = [each for each in known if is_of(each, row, table)]
                assert_follows(of_row, row, list(columns), rounding)


def is_of(known: Mapping[str, Any], row: Mapping[str, Any], table: str) -> bool:
    """Whether a row of the report by the run's own settings is that row, or a bin of it."""
    if table != "histogram":
        keys = max(COUNTS[table].values(), key=len)
        return all(known[key] == row[key] for key in keys)
    is_same = (known["measure"], known["category"]) == (row["measure"], row["category"])
    return is_same and row["bin_low"] <= known["bin_low"] < row["bin_high"]


def assert_follows(
    known: list[dict[str, Any]], row: dict[str, Any], columns: list[str], rounding: int
) -> None:
    """Hold what a row shows to what the rows show of which it is a sum or the same."""
    for name in (*columns, *TELLING):
        if not pd.isna(row.get(name)):
            values = [each[name] for each in known]
            assert values, row
            assert not any(map(pd.isna, values)), (name, row)
            if name in columns:
                n = sum(values)
                assert row[name] == (n + rounding // 2) // rounding * rounding, (name, row)


# ---- What must be shown ----

#: Figures that a reader of the demonstration needs, by table and column, and the words of the rows.
HEADLINES = (
    ("treated_otherwise", "n_persons", {"treatment": "last", "class_used": "another"}),
    ("treated_otherwise", "n_population", {"treatment": "last"}),
    ("current_treatment", "n_persons", {"population": "all", "treatment": "last"}),
    ("preference_summary", "n_persons", {"stratum": "all"}),
    ("preference_summary", "n_persons", {"stratum": "women_50_and_over"}),
    ("preference_summary", "n_stratum", {"stratum": "imputed"}),
    ("preference_summary", "n_stratum", {"stratum": "within_trial_range"}),
    ("prevalence", "n_persons", {"measure": "women_50_and_over"}),
    ("prevalence", "n_persons", {"population": "crohns_disease"}),
    ("next_treatment", "n_population", {"population": "all", "index_rule": "first_biologic"}),
    ("imputation_sensitivity", "n_imputed", {}),
    ("imputation_sensitivity", "n_changed", {"covariate": "cdai"}),
)


def test_the_demonstration_shows_its_figures(tmp_path: Path) -> None:
    cdm, results = tmp_path / "cdm.duckdb", tmp_path / "results.duckdb"
    synthetic.write(cdm, 10_000, 1)
    cdai = {"cdai": {"concept_ids": list(synthetic.CDAI_CONCEPT_IDS)}}
    run_on(cdm, results, {"as_of_date": synthetic.AS_OF, "covariates": cdai})
    run = read_back(results)
    files = parsed(csv_files(protect_run(run, MINIMUM)))
    for table, column, words in HEADLINES:
        rows = [row for row in files[table] if words.items() <= row.items()]
        assert rows, (table, words)
        assert [row for row in rows if not row[column]] == [], (table, words)
    tables = rows_of_run(results, str(run.run["run_id"]))
    counts = true_counts(tables, run.run["n_cohort"], run.run["n_scored"], files)
    cells = [
        (counts[table, column, *(row[key] for key in keys)], row[column])
        for table, columns in COUNTS.items()
        for column, keys in columns.items()
        for row in files[table]
    ]
    n_sacrificed = sum(n >= MINIMUM and not printed for n, printed in cells)
    assert n_sacrificed <= 0.03 * len(cells), (n_sacrificed, len(cells))
    # The reader learns no small count of it either.
    assert_protected(run, tables, MINIMUM)


# ---- The page ----


class Page(HTMLParser):
    """Tables of a page, and its text: words of pictures, and what stands for them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.text = ""
        self._is_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self._is_cell = True
        self.text += " "

    def handle_endtag(self, tag: str) -> None:
        self._is_cell = self._is_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._is_cell:
            self.tables[-1][-1][-1] += data


#: Columns whose whole numbers count nobody.
UNCOUNTED = ("From", "To below", "Step")


def small_counts(page: Page) -> list[list[str]]:
    """Return the rows of tables with a small count in them."""
    found = []
    for heading, *rows in page.tables:
        for row in rows:
            cells = zip(heading, row, strict=False)
            counts = [cell.strip() for name, cell in cells if name.strip() not in UNCOUNTED]
            if any(re.fullmatch(f"[1-{MINIMUM - 1}]", cell) for cell in counts):
                found.append(row)
    return found


def test_the_page_counts_nobody_small(reported: Path) -> None:
    page = Page((reported / "report.html").read_text(encoding="utf-8"))
    assert len(page.tables) > 10
    assert small_counts(page) == []
    counted = r"(?<![\d.,/])[1-4] (?:patient|person|record|of \d)"
    assert re.findall(counted, page.text) == []
    assert f"{MINIMUM - 1}" in page.text


def test_no_person_is_in_the_files(tmp_path: Path, answered: Path) -> None:
    results = tmp_path / "results.duckdb"
    shutil.copy(answered, results)
    with duckdb.connect(str(results)) as connection:
        connection.execute("USE omop_scorer")
        for table, column in (
            ("patient_subgroup", "person_id"),
            ("patient_covariate", "person_id"),
            ("counterfactual", "person_id"),
            ("treatment_line", "person_id"),
            ("covariate_input", "person_id"),
            ("index_treatment", "person_id"),
            ("run_cohort", "subject_id"),
        ):
            connection.execute(f"UPDATE {table} SET {column} = {column} + 770000000000")
    report(results, tmp_path)
    for path in (tmp_path / "report.html", *(tmp_path / "csv").iterdir()):
        assert "7700000" not in path.read_text(encoding="utf-8").replace(",", "")


# ---- Runs that hold little ----


def test_a_run_of_nobody(tmp_path: Path) -> None:
    cdm, results = tmp_path / "cdm.duckdb", tmp_path / "results.duckdb"
    synthetic.write(cdm, 20, 1, as_of=AS_OF, crohns_share=0)
    run_on(cdm, results, {"as_of_date": AS_OF})
    text, files = report(results, tmp_path)
    assert files["run"][0]["n_cohort"] == files["run"][0]["n_scored"] == "0"
    assert {row["n_persons"] for row in files["prevalence"]} == {"0"}
    assert {row["share"] for row in files["prevalence"]} == {""}
    assert "</html>" in text


def test_tables_without_rows(answered: Path) -> None:
    run = read_back(answered)
    of_nobody = replace(run, frames={name: rows.iloc[:0] for name, rows in run.frames.items()})
    for rounding in (1, 5):
        data = protect_run(of_nobody, MINIMUM, rounding)
        assert {len(rows) for rows in data.tables.values()} == {0}
        assert "</html>" in render(data)


def test_a_run_of_one_patient(tmp_path: Path) -> None:
    results = run_small(tmp_path, 1, 1)
    text, files = report(results, tmp_path)
    assert (files["run"][0]["n_cohort"], files["run"][0]["n_scored"]) == ("", "")
    assert "histogram" not in files or not files["histogram"]
    for table, columns in COUNTS.items():
        for row in files.get(table, []):
            # Records may be many of one person; everything else is 0 or not printed.
            if table != "covariate_quality":
                assert {row[column] for column in columns} <= {"", "0"}, (table, row)
    assert small_counts(Page(text)) == []


def test_a_run_without_the_tables_of_the_audits(tmp_path: Path, answered: Path) -> None:
    results = tmp_path / "results.duckdb"
    shutil.copy(answered, results)
    kept = {"attrition", "covariate_quality", "concept_set_member"}
    with duckdb.connect(str(results)) as connection:
        connection.execute("USE omop_scorer")
        for table in {*COUNTS, *CURVES, "run_cohort", "run_cohort_definition"} - kept:
            connection.execute(f"DROP TABLE {table} CASCADE")
        connection.execute("UPDATE scoring_run_status SET rows_written = NULL")
    text, files = report(results, tmp_path)
    assert set(files) == {"run", *kept}
    assert "</html>" in text


def test_a_run_of_an_older_release(tmp_path: Path, answered: Path) -> None:
    results = tmp_path / "results.duckdb"
    shutil.copy(answered, results)
    with duckdb.connect(str(results)) as connection:
        connection.execute("USE omop_scorer")
        for table in {*COUNTS, *CURVES} - {"attrition", "covariate_quality"}:
            connection.execute(f"DELETE FROM {table}")
        connection.execute("UPDATE scoring_run_status SET rows_written = NULL")
        connection.execute('UPDATE scoring_run SET config_json = \'{"cdm": 1, "gone": true}\'')
        connection.execute("UPDATE scoring_run SET model_id = 'not_shipped'")
    text, files = report(results, tmp_path)
    assert (
        {"attrition", "covariate_quality"}
        <= set(files)
        <= {
            *(
                "run",
                "attrition",
                "covariate_quality",
                "concept_set_member",
                "run_cohort_definition",
            ),
        }
    )
    assert "</html>" in text


def test_what_changed_since_the_run_before(tmp_path: Path) -> None:
    cdm, results = tmp_path / "cdm.duckdb", tmp_path / "results.duckdb"
    synthetic.write(cdm, 300, 6, as_of=AS_OF, crohns_share=1)
    for day in (date(2024, 6, 15), AS_OF):
        run_on(cdm, results, {"as_of_date": day, "covariates": CDAI})
    files = figures(results, tmp_path / "csv")
    (change,), flows = files["change"], files["change_subgroup"]
    assert change["previous_as_of_date"] == "2024-06-15"
    printed = [row["n_persons"] for row in (*flows, *files["change_cause"])]
    printed += [change[name] for name in ("n_in", "n_out", "n_changed")]
    assert not [n for n in printed if n and 0 < int(n) < MINIMUM]
    with duckdb.connect(str(results), read_only=True) as connection:
        connection.execute("USE omop_scorer")
        true = connection.execute(
            'SELECT e.subgroup AS "from", l.subgroup AS "to", COUNT(*) FROM patient_subgroup AS e '
            "INNER JOIN patient_subgroup AS l ON l.person_id = e.person_id "
            "AND l.run_id > e.run_id AND l.subgroup <> e.subgroup GROUP BY ALL"
        ).fetchall()
    assert {(row["from"], row["to"]) for row in flows} == {(a, b) for a, b, _ in true}
    known = {(a, b): str(n) for a, b, n in true}
    assert all(row["n_persons"] in ("", known[row["from"], row["to"]]) for row in flows)


# ---- The files ----


def test_the_minimum_is_the_greater_of_two(tmp_path: Path) -> None:
    tables = tables_of(people(150, 5))
    own = csv_files(protect_run(run_of(tables, minimum=10), 3))
    asked = csv_files(protect_run(run_of(tables, minimum=10), 10))
    assert own == asked
    assert "Minimum cell count: 10\n" in own["README.txt"]
    printed = [int(row["n_persons"]) for row in parsed(own)["prevalence"] if row["n_persons"]]
    assert min(n for n in printed if n) >= 10


def test_a_minimum_of_one_hides_nothing() -> None:
    tables = tables_of(people(40, 2))
    files = parsed(csv_files(protect_run(run_of(tables, minimum=1), 1)))
    for table in ("attrition", "prevalence", "age_sex_pyramid"):
        assert [row["n_persons"] for row in files[table]] == [
            str(row["n_persons"]) for row in tables[table]
        ]


def test_like_for_like(tmp_path: Path) -> None:
    persons = people(150, 5)
    files = parsed(csv_files(protect_run(run_of(tables_of(persons)), MINIMUM)))
    rows = [row for row in files["comparison"] if row["figure"] == "women_50_and_over"]
    assert [(row["population"], row["compared_with"]) for row in rows] == [
        ("crohns_disease", "University of California"),
        ("biologic_exposed", "University of California"),
        ("first_biologic_since", "University of California"),
        ("crohns_disease", "the trials"),
    ]
    # 5647 of 23527 and 577 of 5703, by the paper's own tables.
    assert float(rows[0]["published_share"]) == pytest.approx(5647 / 23527)
    assert float(rows[3]["published_share"]) == pytest.approx(577 / 5703)
    on_top = {r["figure"]: r for r in files["comparison"] if r["figure"].endswith("on_top")}
    # 139 of 5703: (IL > (TNF = INT)) 138 and IL > TNF > INT 1.
    published = float(on_top["anti_il12_23_alone_on_top"]["published_share"])
    assert published == pytest.approx(139 / 5703)


def test_the_headline_of_next_treatments_is_that_of_the_view(
    reported: Path, answered: Path
) -> None:
    files = read(reported / "csv")
    with duckdb.connect(str(answered), read_only=True) as connection:
        view = connection.sql("SELECT * FROM omop_scorer.latest_next_treatment_headline")
        *keys, n, of, share = view.columns[1:]
        true = {row[1:5]: row[5:] for row in view.fetchall()}
    for row in files["next_treatment_headline"]:
        assert list(row) == [*keys, n, of, share]
        known = true[tuple(row[key] for key in keys)]
        assert row[n] in ("", str(known[0]))
        assert row[of] in ("", str(known[1]))
    text = (reported / "csv" / "README.txt").read_text(encoding="utf-8")
    assert "Small rows are merged first" in text
    assert "The files give no bounds of suppressed values" in text


def test_rounded_files_say_so() -> None:
    files = csv_files(protect_run(run_of(tables_of(people(150, 5))), MINIMUM, 5))
    assert "Every count is rounded to the nearest 5" in files["README.txt"]


def contents(folder: Path) -> dict[Path, bytes]:
    return {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*.*")}


def test_files_are_replaced_as_a_whole_by_the_same_ones(
    tmp_path: Path, reported: Path, answered: Path
) -> None:
    shutil.copytree(reported, tmp_path, dirs_exist_ok=True)
    for file in contents(tmp_path):
        older = "<!DOCTYPE html>older" if file.suffix == ".html" else "older"
        (tmp_path / file).write_text(older, encoding="utf-8")
    text, _ = report(answered, tmp_path)
    assert text.rstrip().endswith("</html>")
    assert contents(tmp_path) == contents(reported)
    assert not list(tmp_path.rglob(".*"))
    mode = stat.S_IMODE((tmp_path / "report.html").stat().st_mode)
    (tmp_path / "plain").touch()
    assert mode == stat.S_IMODE((tmp_path / "plain").stat().st_mode)
    (tmp_path / "report.html").chmod(0o640)
    report(answered, tmp_path)
    assert stat.S_IMODE((tmp_path / "report.html").stat().st_mode) == 0o640


def test_a_folder_that_is_not_there(tmp_path: Path, site: Site) -> None:
    asked = site.run("-o", tmp_path / "none" / "report.html", command="report")
    assert_refused(asked, ResultsError.exit_code, "no such folder; create it or choose another")
    (tmp_path / "file").touch()
    asked = site.run("--csv", tmp_path / "file", command="report")
    cannot = "is a file, and a folder is written there; name a folder"
    assert_refused(asked, ResultsError.exit_code, cannot)
    (tmp_path / "taken.html").mkdir()
    asked = site.run("-o", tmp_path / "taken.html", command="report")
    assert_refused(asked, ResultsError.exit_code, "taken.html: exists and is no HTML page")
    assert not list(tmp_path.glob(".taken*"))


def test_a_page_replaces_an_older_page_only(tmp_path: Path, site: Site) -> None:
    kept = tmp_path / "notes.txt"
    kept.write_text("The doctype of a page: <!doctype html>\n", encoding="utf-8")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    link = tmp_path / "link.html"
    link.symlink_to(site.results)
    before = {path: path.read_bytes() for path in (site.results, site.cdm, kept)}
    for path in (*before, pipe, link, Path("/dev/null"), Path("/dev/stdout")):
        asked = site.run("-o", path, command="report")
        assert_refused(asked, ResultsError.exit_code, f"{path}: exists and is no HTML page")
    assert {path: path.read_bytes() for path in before} == before
    assert pipe.is_fifo()
    page = tmp_path / "page.html"
    page.touch()
    assert site.run("-o", page, command="report").returncode == 0


def test_no_place_of_the_site_leaves(reported: Path, answered: Path) -> None:
    """The configuration that comes with the figures does not say where the site keeps its data."""
    text = (reported / "report.html").read_text(encoding="utf-8")
    run = (reported / "csv" / "run.csv").read_text(encoding="utf-8")
    assert "lookback_days" in run
    with duckdb.connect(str(answered), read_only=True) as connection:
        ((stored,),) = connection.sql("SELECT config_json FROM omop_scorer.scoring_run").fetchall()
    for place in ("cdm.duckdb", "results.duckdb"):
        assert place in stored
        assert place not in run
        assert place not in text
