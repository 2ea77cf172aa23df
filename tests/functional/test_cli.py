"""Every command as it is typed: help, usage, render, score, concept sets, the demonstration."""

import csv
import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import duckdb
import pytest
import sqlglot
import yaml
from typer.testing import CliRunner

from omop_scorer import __version__, sql
from omop_scorer.cli import main as cli
from omop_scorer.config.run_file import shipped_run_file
from omop_scorer.resources import shipped
from tests import golden
from tests.support.command_line import Site, assert_refused, omop_scorer

COMMANDS = (
    *("run", "check", "demo", "report", "export", "runs", "diff", "score"),
    *("render", "covariates", "synth", "import-concept-set", "load-cdm", "status", "withdraw"),
    *("init", "explain", "trials", "calculator", "patient", "serve"),
)
OF_TRIALS = tuple(f"trials {name}" for name in ("fit", "validate", "forest", "power"))
SCORE_COLUMNS = [
    "placebo_effect",
    *(
        f"{drug_class}_{what}"
        for drug_class in ("anti_tnf", "anti_il12_23", "anti_integrin")
        for what in ("effect", "standard_error", "response_probability")
    ),
    *("subgroup", "first_class", "second_class", "third_class"),
    *("p_first_second", "p_second_third", "p_first_third", "worst_class_ruled_out"),
    *("n_imputed", "within_trial_range", "on_top", "out_of_range"),
]
PATIENTS = """\
person_id,age,sex,bmi,crp,cdai,prior_anti_tnf,steroid,immunomodulator,ileal
1,55,female,27,22,310,no,yes,no,yes
2,19,male,,,,,,,
3,34,M,21.5,3,250,1,0,1,0
"""


def listed_in_full(*group: str) -> list[str]:
    """Return the commands that a help lists, of those whose purpose is not cut off."""
    listed = omop_scorer(*group, "--help").stdout.split("Commands:")[1]
    return re.findall(r"^  ([a-z-]+)  +\S.*[^.]\.$", listed, flags=re.MULTILINE)


class TestHelp:
    def test_without_arguments_the_commands_are_listed(self) -> None:
        assert sorted(listed_in_full()) == sorted(COMMANDS)
        assert sorted(listed_in_full("trials")) == sorted(name.split()[1] for name in OF_TRIALS)
        bare = omop_scorer()
        assert bare.returncode in (0, 2)
        assert "Commands:" in bare.stdout + bare.stderr

    @pytest.mark.parametrize("command", [*COMMANDS, *OF_TRIALS])
    def test_every_command_and_option_says_what_it_does(self, command: str) -> None:
        finished = omop_scorer(*command.split(), "--help")
        assert finished.returncode == 0
        assert finished.stderr == ""
        usage = rf"Usage: omop-scorer {command} [^\n]*\n\n  [A-Z].*?\.\n"
        assert re.match(usage, finished.stdout, flags=re.DOTALL)
        assert all(len(line) <= 80 for line in finished.stdout.splitlines())
        options = re.split(r"^  (?=-)", finished.stdout.split("Options:")[1], flags=re.MULTILINE)
        silent = [
            option.split()[0]
            for option in options[1:]
            if not re.search(r"(  |\n) *[A-Za-z]", option)
        ]
        assert silent == []

    @pytest.mark.parametrize("command", ["explain", "patient"])
    @pytest.mark.parametrize("person_id", [2**63, -(2**63) - 1])
    def test_an_id_that_no_cdm_holds_is_refused(self, command: str, person_id: int) -> None:
        refused = omop_scorer(command, "--", person_id)
        assert refused.returncode == 2
        assert "'PERSON_ID': wider than the 64 bits" in refused.stderr
        assert str(person_id) not in refused.stderr

    def test_version(self) -> None:
        finished = omop_scorer("--version")
        assert (finished.returncode, finished.stdout) == (0, f"{__version__}\n")


def test_a_working_directory_that_is_gone(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    program = f"import os; os.rmdir({str(gone)!r}); from omop_scorer.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, "--help"],
        cwd=gone,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 10
    assert done.stderr.startswith("error: the working directory cannot be read (No such file or")


@pytest.mark.parametrize(
    "arguments",
    [
        *(("fly",), ("run", "--config"), ("--fly",), ("import-concept-set",)),
        *(("explain",), ("explain", "x"), ("explain", "1"), ("render", "--chain")),
        ("run", "--config", "x.yaml", "--as-of", "31.12.2025"),
        ("run", "--config", "x.yaml", "--log-format", "xml"),
        ("synth", "--out", "x", "--persons", "0"),
        ("render", "crp", "--dialect", "db2"),
        ("render", "crp", "--dialect", "postgres"),
        ("render", "history/runs", "--dialect", "tsql"),
        ("score",),
        ("score", "patients.csv", "scores.csv", "--age", "50"),
        ("score", "patients.csv", "--format", "table"),
        ("score", "--age", "50", "--sex", "male", "--output", "scores.csv"),
        ("score", "--age", "50", "--sex", "male", "--exclude-class", "homeopathy"),
    ],
    ids=" ".join,
)
def test_usage_errors(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    finished = omop_scorer(*arguments, cwd=tmp_path)
    assert finished.returncode == 2
    assert finished.stdout == ""
    assert "Error: " in finished.stderr
    assert "Traceback" not in finished.stderr
    assert list(tmp_path.iterdir()) == []


class TestRender:
    def test_the_files_are_listed_with_their_titles(self) -> None:
        listed = omop_scorer("render").stdout
        for name in sql.names():
            assert re.search(rf"^{name} ", listed, flags=re.MULTILINE), name
        assert all(len(line) <= 80 for line in listed.splitlines())

    @pytest.mark.parametrize("dialect", sql.DIALECTS)
    def test_every_file_in_its_dialects(self, dialect: str) -> None:
        for name in golden.files(dialect):
            result = CliRunner().invoke(cli.app, ["render", name, "--dialect", dialect])
            assert result.exit_code == 0, (name, result.exception)
            trees = sqlglot.parse(result.stdout, read=dialect)
            assert len([tree for tree in trees if tree]) == len(sql.find(name).statements()), name
        last = omop_scorer("render", name, "--dialect", dialect)
        assert (last.returncode, last.stdout) == (0, result.stdout)

    def test_a_file_that_is_not_there(self) -> None:
        assert_refused(omop_scorer("render", "crpp"), 10, "crpp", "allowed: .*covariates/crp,")


class TestScore:
    def score(self, folder: Path, text: str, *arguments: object) -> list[dict[str, str]]:
        source, target = folder / "patients.csv", folder / "scores.csv"
        source.write_text(text, encoding="utf-8")
        finished = omop_scorer("score", source, target, *arguments)
        assert finished.returncode == 0, finished.stderr
        assert finished.stderr == ""
        assert f"patients scored to {target}" in " ".join(finished.stdout.split())
        with target.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def test_a_csv_of_patients(self, tmp_path: Path) -> None:
        rows = self.score(tmp_path, PATIENTS)
        assert list(rows[0]) == [*PATIENTS.splitlines()[0].split(","), *SCORE_COLUMNS]
        given = list(csv.DictReader(io.StringIO(PATIENTS)))
        assert [{name: row[name] for name in given[0]} for row in rows] == given
        assert [row["n_imputed"] for row in rows] == ["0", "7", "0"]
        assert [row["within_trial_range"] for row in rows] == ["true", "", "true"]
        for row in rows:
            order = [row["first_class"], row["second_class"], row["third_class"]]
            effects = [float(row[f"{drug_class}_effect"]) for drug_class in order]
            assert effects == sorted(effects, reverse=True)
            for drug_class in order:
                assert 0 < float(row[f"{drug_class}_response_probability"]) < 1
                assert float(row[f"{drug_class}_standard_error"]) > 0

    def test_options_instead_of_arguments(self, tmp_path: Path) -> None:
        rows = self.score(tmp_path, PATIENTS)
        finished = omop_scorer(
            *("score", "--input", tmp_path / "patients.csv", "-o", tmp_path / "again.csv")
        )
        assert finished.returncode == 0
        again = (tmp_path / "again.csv").read_text(encoding="utf-8")
        assert list(csv.DictReader(io.StringIO(again))) == rows

    def test_uncertainty_and_classes_that_cannot_be_had(self, tmp_path: Path) -> None:
        bootstrap = self.score(tmp_path, PATIENTS)
        analytic = self.score(tmp_path, PATIENTS, "--uncertainty", "analytic")
        for one, other in zip(bootstrap, analytic, strict=True):
            wider = "anti_tnf_standard_error"
            assert float(one[wider]) < float(other[wider])
        excluded = ("--exclude-class", "anti_tnf", "--exclude-class", "anti_integrin")
        for row in self.score(tmp_path, PATIENTS, *excluded):
            assert (row["first_class"], row["second_class"]) == ("anti_il12_23", "")
            assert row["on_top"] == "IL"

    def test_bad_rows_are_all_named_by_line_and_nothing_is_written(self, tmp_path: Path) -> None:
        source, target = tmp_path / "patients.csv", tmp_path / "scores.csv"
        bad = "4,,male,,,,,,,\n5,40,,,,,,,,\n6,40,male,much,-1,,,maybe,,\n7,40,male\n"
        source.write_text(PATIENTS + bad, encoding="utf-8")
        finished = omop_scorer("score", source, target)
        assert_refused(
            finished,
            14,
            rf"{source}: 4 invalid row\(s\); nothing was written",
            "line 5: age: missing; it is never imputed",
            "line 6: sex: missing",
            "line 7: bmi: not a number.*crp: outside 0 to 500.*steroid: allowed: ",
            "line 8: 3 fields, but the header has 10",
        )
        assert sorted(path.name for path in tmp_path.iterdir()) == ["patients.csv"]

    def test_values_out_of_range_are_marked_counted_or_refused(self, tmp_path: Path) -> None:
        text = PATIENTS + "4,40,male,90,20,320,0,1,0,1\n"
        *good, marked = self.score(tmp_path, text)
        assert (marked["out_of_range"], marked["subgroup"]) == ("bmi", "")
        assert all(row["subgroup"] and not row["out_of_range"] for row in good)
        source, target = tmp_path / "patients.csv", tmp_path / "strict.csv"
        finished = omop_scorer("score", source, target)
        assert "3 patients scored" in finished.stdout
        assert "with a value out of range: 1 (" in finished.stdout
        refused = omop_scorer("score", source, tmp_path / "none.csv", "--strict")
        assert_refused(refused, 14, "line 5: bmi: outside 10 to 80")
        assert not (tmp_path / "none.csv").exists()

    def test_without_an_output_the_scores_are_printed(self, tmp_path: Path) -> None:
        rows = self.score(tmp_path, PATIENTS)
        printed = omop_scorer("score", tmp_path / "patients.csv")
        assert printed.returncode == 0
        assert printed.stdout == (tmp_path / "scores.csv").read_text(encoding="utf-8")
        assert printed.stderr == "3 patients scored\n"
        as_json = omop_scorer("score", tmp_path / "patients.csv", "--format", "json")
        found = json.loads(as_json.stdout)
        assert [each["subgroup"] for each in found] == [row["subgroup"] for row in rows]
        (tmp_path / "patients.csv").write_text(PATIENTS + "4,x\n", encoding="utf-8")
        refused = omop_scorer("score", tmp_path / "patients.csv")
        assert_refused(refused, 14, "line 5: 2 fields")
        assert refused.stdout == ""

    def test_scores_that_are_lost_end_the_command(self, tmp_path: Path) -> None:
        source = tmp_path / "patients.csv"
        source.write_text(PATIENTS, encoding="utf-8")
        program = "from omop_scorer.cli.main import main; main()"
        with Path("/dev/full").open("w") as full:
            finished = subprocess.run(
                [sys.executable, "-c", program, "score", source],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        assert finished.returncode == 14
        assert "part of the scores is lost" in finished.stderr

    def test_one_patient_as_json(self) -> None:
        printed = omop_scorer("score", "--age", 50, "--sex", "male", "--format", "json").stdout
        patient = json.loads(printed)
        assert (patient["age"], patient["sex"], patient["cdai"]) == (50.0, "male", None)
        assert patient["on_top"] in patient["subgroup"]

    def test_a_bad_row_leaves_earlier_scores_alone(self, tmp_path: Path) -> None:
        self.score(tmp_path, PATIENTS)
        target = tmp_path / "scores.csv"
        before = target.read_bytes()
        (tmp_path / "patients.csv").write_text(PATIENTS + "4,x\n", encoding="utf-8")
        assert omop_scorer("score", tmp_path / "patients.csv", target).returncode == 14
        assert target.read_bytes() == before

    def test_files_that_cannot_be_used(self, tmp_path: Path) -> None:
        source = tmp_path / "patients.csv"
        assert_refused(omop_scorer("score", source, tmp_path / "s.csv"), 14, source, "No such file")
        source.write_text(PATIENTS, encoding="utf-8")
        nowhere = tmp_path / "no" / "s.csv"
        assert_refused(omop_scorer("score", source, nowhere), 14, nowhere.parent, "No such file")
        assert_refused(omop_scorer("score", source, source), 14, source, "choose another output")
        source.write_text(PATIENTS.replace("cdai", "pucai"), encoding="utf-8")
        assert_refused(omop_scorer("score", source, tmp_path / "s.csv"), 14, "column cdai")

    def test_one_patient_agrees_with_the_csv(self, tmp_path: Path) -> None:
        first, *_ = self.score(tmp_path, PATIENTS)
        finished = omop_scorer(
            *("score", "--age", 55, "--sex", "female", "--bmi", 27, "--crp", 22, "--cdai", 310),
            *("--no-prior-anti-tnf", "--steroid", "--no-immunomodulator", "--ileal"),
        )
        assert finished.returncode == 0, finished.stderr
        lines = finished.stdout.splitlines()
        assert all(len(line) <= 80 for line in lines)
        assert first["subgroup"] in finished.stdout
        for drug_class, label in (("anti_tnf", "TNF"), ("anti_il12_23", "IL")):
            (line,) = [line for line in lines if re.match(rf"\d +{label} ", line)]
            assert f"{float(first[f'{drug_class}_effect']):.1f}" in line
            assert f"{float(first[f'{drug_class}_response_probability']):.0%}" in line
        assert "Not a medical device" in finished.stdout

    def test_ways_to_say_yes(self) -> None:
        def score(*words: str) -> str:
            return omop_scorer("score", "--age", 50, "--sex", "male", *words).stdout

        yes, no = score("--steroid"), score("--no-steroid")
        assert yes != no
        assert score("--steroid", "yes") == score("--steroid=true") == yes
        assert score("--steroid=no") == no

    def test_one_patient_outside_the_calculator(self) -> None:
        finished = omop_scorer("score", "--age", 17, "--bmi", 60, "--crp", "high")
        assert_refused(
            finished,
            14,
            "age: outside 18 to 99 years",
            "sex: missing; it is never imputed",
            "bmi: outside 12 to 45 kg/m2",
            "crp: not a number",
        )


class TestConceptSets:
    ATLAS: ClassVar = {
        "id": 7,
        "name": "Ulcerative colitis, ours",
        "expression": {
            "items": [
                {
                    "concept": {
                        "CONCEPT_ID": concept_id,
                        "CONCEPT_NAME": "Ulcerative colitis",
                        "DOMAIN_ID": "Condition",
                        "VOCABULARY_ID": "SNOMED",
                        "CONCEPT_CODE": "64766004",
                        "STANDARD_CONCEPT": "S",
                    },
                    "isExcluded": is_excluded,
                    "includeDescendants": True,
                    "includeMapped": False,
                }
                for concept_id, is_excluded in ((81893, False), (4101729, True))
            ]
        },
    }

    def test_round_trip(self, site: Site) -> None:
        """A set gives the same members as ATLAS wrote it and as imported."""
        exported = site.folder / "uc.json"
        exported.write_text(json.dumps(self.ATLAS), encoding="utf-8")
        printed = omop_scorer("import-concept-set", exported)
        imported = site.folder / "uc.yaml"
        finished = omop_scorer("import-concept-set", exported, "--output", imported)
        assert (finished.returncode, finished.stdout) == (0, "")
        assert imported.read_text(encoding="utf-8").strip() == printed.stdout.strip()
        (name,) = yaml.safe_load(imported.read_text(encoding="utf-8"))["concept_sets"]
        assert name == "ulcerative_colitis_ours"
        members = []
        for source in (exported, imported):
            folder = site.folder / f"sets_{source.suffix[1:]}"
            folder.mkdir()
            for path in (*(shipped("configs") / "concept_sets").iterdir(), source):
                (folder / path.name).write_bytes(path.read_bytes())
            finished = site.run(concept_sets=str(folder), cohort={"exclude_concept_sets": [name]})
            assert finished.returncode == 0, finished.stderr
            members.append(
                site.rows(
                    "SELECT concept_id, n_records FROM latest_concept_set_member "
                    f"WHERE concept_set = '{name}' ORDER BY concept_id"
                )
            )
        assert members[0] == members[1]
        assert 81893 in [concept_id for concept_id, _ in members[0]]

    @pytest.mark.parametrize(
        ("text", "part"),
        [("{", "line 1"), ("{}", "no concept set found"), ('{"items": [{}]}', "concept")],
    )
    def test_files_that_are_none(self, tmp_path: Path, text: str, part: str) -> None:
        source = tmp_path / "set.json"
        source.write_text(text, encoding="utf-8")
        target = tmp_path / "set.yaml"
        finished = omop_scorer("import-concept-set", source, "-o", target)
        assert_refused(finished, 10, source, part)
        assert not target.exists()

    def test_a_target_that_cannot_be_written(self, tmp_path: Path) -> None:
        source, target = tmp_path / "set.json", tmp_path / "no" / "set.yaml"
        source.write_text(json.dumps(self.ATLAS), encoding="utf-8")
        finished = omop_scorer("import-concept-set", source, "--output", target)
        assert_refused(finished, 10, target)


class TestDemo:
    def test_into_a_folder_twice(self, tmp_path: Path) -> None:
        folder = tmp_path / "a" / "demo"
        for _ in range(2):
            finished = omop_scorer("demo", "--folder", folder, "--persons", 300, "--seed", 4)
            assert finished.returncode == 0, finished.stderr
        assert {path.name for path in folder.iterdir()} == {
            *("cdm.duckdb", "cdm.truth.parquet", "cdm.truth_lines.parquet"),
            *("results.duckdb", "report.html", "nightly.yaml"),
        }
        cdm, run_file = folder / "cdm.duckdb", folder / "nightly.yaml"
        assert run_file.stat().st_mode == cdm.stat().st_mode
        *_, last = finished.stdout.splitlines()
        program, *words = shlex.split(last)
        assert (program, words[-2:]) == ("omop-scorer", ["--as-of", "2026-01-02"])
        another_night = omop_scorer(*words)
        assert another_night.returncode == 0, another_night.stderr
        with duckdb.connect(str(folder / "results.duckdb"), read_only=True) as connection:
            runs = connection.execute(
                "SELECT COUNT(*) FROM omop_scorer.scoring_run_status WHERE status = 'COMPLETE'"
            ).fetchone()
            observed = connection.execute(
                "SELECT COUNT(*) FROM omop_scorer.latest_patient "
                "WHERE as_of_date = '2026-01-02' AND cdai_status = 'observed'"
            ).fetchone()
        assert runs == (3,)
        assert observed
        assert observed[0] > 0

    def test_a_run_file_of_somebody_else(self, tmp_path: Path) -> None:
        run_file = tmp_path / "nightly.yaml"
        run_file.write_text("cdm: {url: cdm.duckdb}\n", encoding="utf-8")
        finished = omop_scorer("demo", "--folder", tmp_path, "--persons", 1)
        assert_refused(finished, 10, run_file, "another folder")
        assert list(tmp_path.iterdir()) == [run_file]

    def test_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        in_the_way = tmp_path / "demo"
        in_the_way.write_text("", encoding="utf-8")
        finished = omop_scorer("demo", "--folder", in_the_way, "--persons", 1)
        assert_refused(finished, 10, in_the_way)


class TestSynth:
    def test_a_cdm_and_its_truth(self, tmp_path: Path) -> None:
        out = tmp_path / "made up.duckdb"
        arguments = ("synth", "--persons", 100, "--seed", 2, "--as-of", "2020-02-29", "--out", out)
        finished = omop_scorer(*arguments)
        assert finished.returncode == 0, finished.stderr
        assert "100 persons" in finished.stdout
        assert str(tmp_path / "made up.truth.parquet") in finished.stdout
        assert_refused(omop_scorer(*arguments), 10, out, "overwrite")
        assert omop_scorer(*arguments, "--overwrite").returncode == 0

    def test_a_warehouse(self, tmp_path: Path) -> None:
        arguments = ("synth", "--persons", 100, "--events-per-person", 30, "--threads", 1)
        finished = omop_scorer(*arguments, "--out", tmp_path / "warehouse")
        assert finished.returncode == 0, finished.stderr
        assert (tmp_path / "warehouse" / "measurement" / "part-00001.parquet").is_file()
        finished = omop_scorer("synth", "--events-per-person", 5, "--out", tmp_path / "other")
        assert_refused(finished, 10, "events_per_person is 5", "20 to 2000")

    def test_a_folder_that_cannot_be_written(self) -> None:
        out = "/proc/nowhere/cdm.duckdb"
        assert_refused(omop_scorer("synth", "--persons", 1, "--out", out), 10, out)

    @pytest.mark.parametrize("command", ["synth --out", "demo --folder"])
    @pytest.mark.parametrize("name", [b"caf\xe9", b"caf\xe9.duckdb", b"caf\xe9/cdm.duckdb"])
    def test_a_name_that_is_not_utf_8(self, tmp_path: Path, command: str, name: bytes) -> None:
        out = tmp_path / os.fsdecode(name)
        finished = omop_scorer(*command.split(), out, "--persons", 1)
        assert finished.returncode == 2
        assert "caf\\xe9" in finished.stderr
        assert "is not UTF-8; choose another one" in finished.stderr
        assert not [*tmp_path.iterdir()]


class TestSettings:
    def test_keys_are_set_on_the_command_line(self, site: Site) -> None:
        finished = site.run(
            *("--set", "results.schema=scores", "--set", "covariates.crp.lookback_days=365"),
            *("--set", "covariates.cdai.concept_ids=[]", "--set", "as_of_date=2025-06-01"),
        )
        assert finished.returncode == 0, finished.stderr
        ((as_of, text),) = site.rows("SELECT as_of_date, config_json FROM scores.scoring_run")
        document = json.loads(text)
        assert str(as_of) == "2025-06-01"
        assert document["covariates"]["crp"]["lookback_days"] == 365
        assert document["covariates"]["crp"]["maximum"] == 500
        assert document["covariates"]["cdai"]["concept_ids"] == []
        assert site.rows(
            "SELECT n = (SELECT n_scored FROM scores.latest_run) FROM "
            "scores.latest_covariate_quality WHERE covariate = 'cdai' AND measure = 'n_imputed'"
        ) == [(True,)]

    def test_as_of_wins_over_the_run_file(self, site: Site) -> None:
        finished = site.run("--as-of", "2025-06-02", "--set", "results.schema=scores")
        assert finished.returncode == 0
        assert str(site.rows("SELECT as_of_date FROM scores.latest_run")[0][0]) == "2025-06-02"

    @pytest.mark.parametrize(
        ("setting", "parts"),
        [
            ("covariates.crp.lookback=3", (r"covariates\.crp\.lookback: no such key",)),
            ("threads", ("--set threads: expected key=value",)),
            ("threads=[", ("--set threads: the value is not valid YAML",)),
            ("threads=zero", ("threads: found 'zero'",)),
            ("engine.name=duckdb", ("engine is a single value, not a section",)),
            ("as_of_date=tomorrow", ("as_of_date",)),
        ],
    )
    def test_settings_that_cannot_be(self, site: Site, setting: str, parts: tuple) -> None:
        path = site.run_file()
        path.write_text(f"engine: duckdb\n{path.read_text(encoding='utf-8')}", encoding="utf-8")
        finished = omop_scorer("run", "--config", path, "--set", setting)
        assert_refused(finished, 10, *parts)

    def test_covariates_follow_the_settings(self) -> None:
        arguments = ("covariates", "--config", shipped_run_file())
        finished = omop_scorer(*arguments)
        assert finished.returncode == 0
        assert all(len(line) <= 80 for line in finished.stdout.splitlines())
        for name in ("cdai", "age", "bmi", "crp", "prior_anti_tnf", "male", "ileal"):
            assert re.search(rf"^{name} ", finished.stdout, flags=re.MULTILINE), name
        changed = omop_scorer(*arguments, "--set", "covariates.crp.lookback_days=17").stdout
        assert "17 days" in changed
        assert "17 days" not in finished.stdout
