"""What a run says: lines of JSON or text on standard error, the summary on standard output."""

import json
import re
from datetime import datetime

import pytest

from tests.support.command_line import Finished, Site, log_lines, omop_scorer, start

RECORDS = (
    *("measurement_record", "measurement_doubt", "measurement_value", "measurement_latest"),
    *("drug_record", "steroid_form", "steroid_record"),
)
COVARIATES = (
    *("cdai", "age", "bmi", "crp", "prior_anti_tnf", "male"),
    *("steroid", "immunomodulator", "ileal", "patient_covariate"),
)
STEPS = [
    *("connect", "results schema", "CDM", "concept sets", "cohort", "attrition", "exposure"),
    *(*RECORDS, *COVARIATES, "covariate_input", "treatment_line", "quality", "score", "audits"),
    # As of the first biologic, and as of the first anti-TNF of those who had another one before.
    *(f"index_{each}" for each in ("cohort", *RECORDS, *COVARIATES, "score")),
    *(f"anti_tnf_{each}" for each in ("cohort", *RECORDS, *COVARIATES, "score")),
    *("index_treatment", "write", "publish"),
]


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory, made_up) -> dict[str, Finished]:
    """One run in each log format."""
    finished = {}
    for log_format in ("auto", "text", "json"):
        folder = tmp_path_factory.mktemp(log_format)
        site = Site(folder, made_up(1000), folder / "results.duckdb")
        finished[log_format] = site.run("--log-format", log_format, "--no-quiet")
        assert finished[log_format].returncode == 0
    return finished


def test_json_lines_of_a_run(nights: dict[str, Finished]) -> None:
    lines = log_lines(nights["json"].stderr)
    for line in lines:
        assert datetime.fromisoformat(line["time"]).utcoffset() is not None
        assert line["level"] in ("info", "warning")
        assert line["event"] in ("step", "message")
    times = [line["time"] for line in lines]
    assert times == sorted(times)
    steps = [line for line in lines if line["event"] == "step"]
    assert [step["step"] for step in steps] == STEPS
    rows = {step["step"]: step["rows"] for step in steps}
    for step in steps:
        assert step["seconds"] >= 0
        assert set(step) == {"time", "level", "event", "step", "seconds", "rows"}
    assert rows["cohort"] == 1000
    assert rows["attrition"] == rows["age"] == rows["score"] < 1000
    assert rows["patient_covariate"] == 9 * rows["score"]
    assert [step for step, n in rows.items() if n is None] == [
        *("connect", "results schema", "CDM", "quality", "write", "publish")
    ]


def test_text_lines_of_a_run(nights: dict[str, Finished]) -> None:
    lines = nights["text"].stderr.splitlines()
    steps = [line for line in lines if not line.startswith("warning: ")]
    pattern = re.compile(r"(?P<step>[\w ]+): ((?P<rows>[\d,]+) rows, )?\d+\.\d s")
    matches = [pattern.fullmatch(line) for line in steps]
    assert [match and match["step"] for match in matches] == STEPS


def test_without_a_terminal_the_log_is_text(nights: dict[str, Finished]) -> None:
    def without_times(text: str) -> str:
        return re.sub(r"\d+\.\d s", "s", text)

    assert without_times(nights["auto"].stderr) == without_times(nights["text"].stderr)
    assert "\x1b" not in nights["auto"].stderr + nights["auto"].stdout


@pytest.mark.parametrize("log_format", ["auto", "text"])
def test_a_log_of_text_without_a_terminal_has_warnings_only(site: Site, log_format: str) -> None:
    finished = site.run("--log-format", log_format)
    lines = finished.stderr.splitlines()
    assert lines
    assert [line for line in lines if not line.startswith("warning: ")] == []
    assert finished.stdout.startswith("Run ")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_quiet_run_prints_warnings_and_errors_only(site: Site, log_format: str) -> None:
    finished = site.run("--log-format", log_format, "--quiet")
    assert (finished.returncode, finished.stdout) == (0, "")
    lines = finished.stderr.splitlines()
    is_warning = [
        json.loads(line)["level"] == "warning" if log_format == "json" else line[:9] == "warning: "
        for line in lines
    ]
    assert lines
    assert all(is_warning)
    failed = site.run("--quiet", cohort={"minimum_persons": 10_000})
    assert "error: the cohort has" in failed.stderr


def test_a_quiet_check_prints_no_note(site: Site) -> None:
    loud, quiet = (site.run(*words, command="check").stdout for words in ((), ("--quiet",)))
    kept = [line for line in loud.splitlines() if line.strip() and not line.startswith("note")]
    assert [line for line in quiet.splitlines() if line.strip()] == kept
    assert kept


@pytest.mark.parametrize("log_format", ["auto", "text", "json"])
def test_nothing_but_the_summary_on_standard_output(
    nights: dict[str, Finished], log_format: str
) -> None:
    text = nights[log_format].stdout
    assert re.match(r"Run \d{16} COMPLETE: \d+ of 1,000 patients scored", text)
    for part in (
        *("as of 2025-06-15", "bootstrap", "Attrition", "deceased", "age out of range"),
        *("Sources of the covariates", "imputed", "prior_anti_tnf", "Preference subgroups"),
        *("(TNF = IL = INT)", "Within the range of the trials", "Time: "),
    ):
        assert part in " ".join(text.split()), part
    shares = re.findall(r"^\(?[A-Z].*?\s([\d,]+)\s+[\d.]+%$", text, flags=re.MULTILINE)
    n_scored = int(re.search(r"COMPLETE: (\d+) of", text)[1])
    assert sum(int(n.replace(",", "")) for n in shares) == n_scored
    assert not [line for line in text.splitlines() if line.startswith("{")]


@pytest.mark.parametrize("log_format", ["auto", "text", "json"])
def test_the_summary_fits_eighty_columns(nights: dict[str, Finished], log_format: str) -> None:
    lines = nights[log_format].stdout.splitlines()
    assert [line for line in lines if len(line) > 80 and "/" not in line] == []


def test_the_demonstration_fits_eighty_columns(tmp_path) -> None:
    finished = omop_scorer("demo", "--persons", 300, "--folder", tmp_path / "demo")
    assert finished.returncode == 0, finished.stderr
    lines = finished.stdout.splitlines()
    assert [line for line in lines if len(line) > 80 and "/" not in line] == []
    assert f"{tmp_path}/demo/results.duckdb" in finished.stdout


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize(
    "break_it",
    [
        lambda site: {"cohort": {"no_such_key": 1}},
        lambda site: {"cdm": {"url": str(site.folder / "nowhere")}},
        lambda site: {"results": {"url": str(site.folder / "no" / "results.duckdb")}},
        lambda site: site.change("DROP TABLE measurement") or {},
        lambda site: {"cdm": {"vocabulary_url": str(site.folder)}},
    ],
    ids=["configuration", "connection", "results", "cdm", "vocabulary"],
)
def test_failures_are_json_lines_too(site: Site, command: str, break_it) -> None:
    finished = site.run("--log-format", "json", command=command, **break_it(site))
    lines = log_lines(finished.stderr)
    if command == "run" and finished.returncode:
        assert finished.stdout == ""
        assert [line["message"] for line in lines if line["level"] == "error"]
        assert lines[-1]["level"] == "error"


def test_json_lines_of_a_check(site: Site) -> None:
    lines = log_lines(site.run("--log-format", "json", command="check").stderr)
    steps = [line["step"] for line in lines if line["event"] == "step"]
    assert steps[:5] == ["results", "connect", "tables", "concepts", "cohort"]


def test_a_log_that_nobody_reads_any_more_leaves_nothing_half_done(site: Site) -> None:
    """A scheduler's pipe may close first."""
    seen = site.answer()
    run = start("run", "--config", site.run_file())
    assert run.stderr is not None
    run.stderr.readline()
    run.stderr.close()
    if run.wait() == 0:
        assert set(site.states().values()) == {"COMPLETE"}
    else:
        assert site.answer() == seen
    assert site.run().returncode == 0
    assert set(site.states().values()) <= {"COMPLETE", "FAILED"}
