import re
import runpy
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from scipy.stats import chisquare

from omop_scorer.errors import ConfigurationError
from omop_scorer.resources import shipped
from omop_scorer.synthetic import write as synthetic

PERSONS, SEED, AS_OF = 3000, 20, date(2025, 6, 15)
TABLES = {
    *("person", "observation_period", "visit_occurrence", "condition_occurrence", "drug_exposure"),
    *("measurement", "observation", "death", "cdm_source", "care_site"),
    *("concept", "concept_ancestor", "concept_relationship", "vocabulary"),
}
YES_NO = ("prior_anti_tnf", "male", "steroid", "immunomodulator", "ileal")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> synthetic.Summary:
    path = tmp_path_factory.mktemp("made_up") / "cdm.duckdb"
    return synthetic.write(path, PERSONS, SEED, as_of=AS_OF)


@pytest.fixture(scope="module")
def cdm(written: synthetic.Summary) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{written.cdm}' AS made (READ_ONLY)")
        connection.execute("USE made.cdm")
        connection.execute(f"CREATE TEMP TABLE truth AS FROM '{written.truth}'")
        connection.execute(f"CREATE TEMP TABLE lines AS FROM '{written.truth_lines}'")
        yield connection


@pytest.fixture(scope="module")
def truth(written: synthetic.Summary) -> pd.DataFrame:
    return pd.read_parquet(written.truth)


@pytest.fixture(scope="module")
def lines(written: synthetic.Summary) -> pd.DataFrame:
    return pd.read_parquet(written.truth_lines)


def test_one_seed_gives_the_same_tables_in_a_file_and_in_a_folder(
    written: synthetic.Summary, cdm: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    one = synthetic.write(tmp_path / "one", PERSONS, SEED, as_of=AS_OF)
    two = synthetic.write(tmp_path / "two", PERSONS, SEED, as_of=AS_OF)
    assert {p.stem for p in one.cdm.iterdir()} == TABLES
    for table in TABLES:
        content = (one.cdm / f"{table}.parquet").read_bytes()
        assert content == (two.cdm / f"{table}.parquet").read_bytes()
        in_folder = pq.read_table(one.cdm / f"{table}.parquet")
        in_file = cdm.sql(f"FROM {table}").to_arrow_table()
        assert in_file.cast(in_folder.schema) == in_folder
    assert one.truth.read_bytes() == two.truth.read_bytes() == written.truth.read_bytes()
    assert one.truth_lines.read_bytes() == written.truth_lines.read_bytes()


def test_another_seed_gives_another_population(tmp_path: Path) -> None:
    one, two = (synthetic.write(tmp_path / str(seed), 50, seed) for seed in (1, 2))
    assert one.truth.read_bytes() != two.truth.read_bytes()


def test_columns_are_typed_as_in_the_ddl(cdm: duckdb.DuckDBPyConnection) -> None:
    types = {
        (table, column): (kind, nullable)
        for table, column, kind, nullable in cdm.execute(
            """SELECT table_name, column_name, data_type, is_nullable
               FROM information_schema.columns WHERE table_catalog = 'made'"""
        ).fetchall()
    }
    assert {table for table, _ in types} == TABLES
    assert types["measurement", "value_as_number"] == ("DECIMAL(18,3)", "YES")
    assert types["measurement", "measurement_date"] == ("DATE", "NO")
    assert types["measurement", "measurement_datetime"] == ("TIMESTAMP", "YES")
    assert types["drug_exposure", "drug_exposure_end_date"] == ("DATE", "NO")
    assert types["drug_exposure", "days_supply"] == ("INTEGER", "YES")
    assert types["person", "gender_concept_id"] == ("INTEGER", "NO")
    assert types["person", "year_of_birth"] == ("INTEGER", "YES")  # on purpose, unlike the DDL


def test_persons_have_care_sites_and_some_have_none(cdm: duckdb.DuckDBPyConnection) -> None:
    rows = cdm.sql(
        "SELECT care_site_id, care_site_name, count(*) FROM person "
        "LEFT JOIN care_site USING (care_site_id) GROUP BY ALL ORDER BY care_site_id NULLS LAST"
    ).fetchall()
    assert [(number, name is None) for number, name, _ in rows] == [
        *((1, False), (2, False), (3, False), (4, False), (5, True), (None, True))
    ]
    shares = [n / sum(row[2] for row in rows) for *_, n in rows]
    assert shares == pytest.approx([0.42, 0.27, 0.17, 0.07, 0.02, 0.05], abs=0.005)
    # The care site says nothing of age and sex.
    (found,) = cdm.sql(
        "SELECT corr(care_site_id, year_of_birth), corr(care_site_id, gender_concept_id) "
        "FROM person"
    ).fetchall()
    assert found == pytest.approx((0, 0), abs=0.06)


def test_counts_are_those_of_the_tables(
    written: synthetic.Summary, cdm: duckdb.DuckDBPyConnection, truth: pd.DataFrame
) -> None:
    for table, n in written.n_rows.items():
        assert cdm.sql(f"SELECT count(*) FROM {table}").fetchall() == [(n,)]
    assert written.n_rows["cdm_source"] == 1
    assert written.n_persons == PERSONS
    assert written.n_cohort == len(truth) == round(0.3 * PERSONS)
    assert written.n_scored == (truth["outcome"] == "scored").sum()


@pytest.mark.parametrize(
    ("version", "has", "has_not"),
    [
        ("5.3", ["discharge_to_concept_id"], ["discharged_to_concept_id", "measurement_event_id"]),
        ("5.4", ["discharged_to_concept_id", "measurement_event_id"], ["discharge_to_concept_id"]),
    ],
)
def test_each_version_has_its_columns(
    tmp_path: Path, version: str, has: list[str], has_not: list[str]
) -> None:
    made = synthetic.write(tmp_path / "cdm", 20, 1, cdm_version=version)
    columns = {
        name for file in made.cdm.iterdir() for name in pq.read_schema(file).names
    }  # fmt: skip
    assert columns >= set(has)
    assert not columns & set(has_not)
    source = pq.read_table(made.cdm / "cdm_source.parquet").to_pylist()
    assert source[0]["cdm_version"] == version


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    path = tmp_path / "cdm.duckdb"
    first = synthetic.write(path, 20, 1)
    before = path.read_bytes()
    with pytest.raises(ConfigurationError) as refused:
        synthetic.write(path, 30, 1)
    assert [str(p) in text for p, text in zip(
        (path, first.truth, first.truth_lines), refused.value.problems, strict=True
    )] == [True] * 3  # fmt: skip
    assert path.read_bytes() == before
    assert synthetic.write(path, 30, 1, overwrite=True).n_persons == 30
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigurationError, match="not a synthetic CDM"):
        synthetic.write(path, 20, 1, overwrite=True)


def test_all_impossible_arguments_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        synthetic.write(
            tmp_path / "cdm", 0, -1, as_of=date(1990, 1, 1), crohns_share=2, cdm_version="6.0"
        )
    named = [text.split()[0] for text in refused.value.problems]
    assert named == ["persons", "seed", "crohns_share", "as_of", "cdm_version"]


@pytest.mark.parametrize("name", ["cdm", "cdm.duckdb"])
def test_an_interrupted_write_leaves_nothing(tmp_path: Path, name: str) -> None:
    def stop(done: int, total: int) -> None:
        assert (done, total) == (20, 20)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthetic.write(tmp_path / name, 20, 1, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ConfigurationError, match="cannot write"):
        synthetic.write(tmp_path / "file" / "cdm.duckdb", 20, 1)


def test_age_and_sex_follow_the_published_table(truth: pd.DataFrame) -> None:
    text = (shipped("configs") / "synthetic" / "population.yaml").read_text(encoding="utf-8")
    table = yaml.safe_load(text)["age_sex"]
    scored = truth[truth["outcome"] == "scored"]
    # Adults in whole groups: the groups below 20 and the last one are not scored whole.
    edges = np.array([*table["first_age"][4:-1], 85])
    observed, expected = [], []
    for sex, male in (("female", 0), ("male", 1)):
        observed.append(np.histogram(scored.loc[scored["male"] == male, "age"], [*edges, 200])[0])
        expected.append(table[sex][4:])
    o, e = np.concatenate(observed).astype(float), np.concatenate(expected).astype(float)
    assert chisquare(o, e * o.sum() / e.sum()).pvalue > 0.001


def test_quantities_look_like_the_trials(truth: pd.DataFrame) -> None:
    known = {
        q: truth.loc[truth[f"{q}_status"].isin(["observed", "computed"]), q]
        for q in ("bmi", "crp", "cdai")
    }
    assert known["bmi"].median() == pytest.approx(22.84, abs=1)
    assert known["crp"].median() == pytest.approx(9.23, abs=2.5)
    assert known["crp"].mean() > 1.5 * known["crp"].median()
    assert known["cdai"].median() == pytest.approx(297, abs=15)
    adults = truth[truth["bmi_status"] == "observed"]
    assert adults["age"].corr(adults["bmi"]) > 0.1


def test_truth_agrees_with_itself(
    cdm: duckdb.DuckDBPyConnection, truth: pd.DataFrame, lines: pd.DataFrame
) -> None:
    scored, left_out = (truth[(truth["outcome"] == "scored") == is_in] for is_in in (True, False))
    assert set(left_out["outcome"]) == {
        "year_of_birth_unknown", "sex_unknown", "deceased", "age_out_of_range"
    }  # fmt: skip
    assert left_out.drop(columns=["person_id", "outcome"]).isna().all(axis=None)
    assert truth["person_id"].is_unique
    observed_or = {
        **{"age": "observed", "male": "observed", "bmi": "computed imputed"},
        **{"crp": "imputed", "cdai": "imputed", "ileal": "imputed"},
        **{"prior_anti_tnf": "absent", "steroid": "absent", "immunomodulator": "absent"},
    }
    imputed = {"bmi": 20, "crp": 10, "cdai": 300, "ileal": 0}
    assert scored["age"].between(18, 99).all()
    for covariate in synthetic.COVARIATES:
        value, status = scored[covariate], scored[f"{covariate}_status"]
        assert set(status) == {"observed", *observed_or[covariate].split()}
        is_backed = status.isin(["observed", "computed"])
        for column in ("source_table", "source_id"):
            assert (scored[f"{covariate}_{column}"].notna() == is_backed).all()
        assert (value[~is_backed] == imputed.get(covariate, 0)).all()
        if covariate in YES_NO:
            assert set(value) == {0, 1}
        for table, rows in scored[is_backed].groupby(f"{covariate}_source_table"):
            evidence = rows[["person_id", f"{covariate}_source_id"]].astype("int64")
            evidence.columns = ["person_id", "row_id"]
            found = cdm.sql(
                f"SELECT DISTINCT person_id, {table}_id AS row_id FROM {table}"
                " SEMI JOIN evidence e USING (person_id)"
            ).df()
            assert len(evidence.merge(found)) == len(evidence)
    begun = lines[
        (lines["drug_class"] == "anti_tnf") & (pd.to_datetime(lines["start_date"]).dt.date < AS_OF)
    ]
    assert set(begun["person_id"]) & set(scored["person_id"]) == set(
        scored.loc[scored["prior_anti_tnf"] == 1, "person_id"]
    )
    of_person = lines.groupby("person_id")
    assert (lines["line_number"] == of_person.cumcount() + 1).all()
    assert of_person["start_date"].apply(lambda dates: dates.is_monotonic_increasing).all()
    assert not lines.duplicated(["person_id", "drug"]).any()
    assert set(lines["person_id"]) <= set(truth["person_id"])


# What stands in the CDM although it must not change the truth, and what is easily missed.
DIRT = {
    "birth year missing": "FROM person WHERE year_of_birth IS NULL",
    "birth month missing": "FROM person WHERE month_of_birth IS NULL AND year_of_birth > 0",
    "birth month impossible": "FROM person WHERE month_of_birth NOT BETWEEN 1 AND 12",
    "birth day missing": "FROM person WHERE day_of_birth IS NULL AND month_of_birth IS NOT NULL",
    "birth day without a month": "FROM person WHERE month_of_birth IS NULL AND day_of_birth > 0",
    "birthday on the as-of date": "FROM person WHERE month_of_birth = 6 AND day_of_birth = 15",
    "birthday the day after": "FROM person WHERE month_of_birth = 6 AND day_of_birth = 16",
    "sex unknown": "FROM person WHERE gender_concept_id IN (0, 8551)",
    "no person row": "FROM condition_occurrence ANTI JOIN person USING (person_id)",
    "no observation period": "FROM person ANTI JOIN observation_period USING (person_id)",
    "dead": "FROM death WHERE death_date <= $as_of",
    "dead after the as-of date": "FROM death WHERE death_date > $as_of",
    "crp in mg/dL": "FROM measurement WHERE unit_concept_id = 8840",
    "crp in nmol/L": "FROM measurement WHERE unit_concept_id = 8736",
    "crp in a wrong unit, right text": """FROM measurement
        WHERE unit_concept_id = 8753 AND unit_source_value = 'mg/L'""",
    "crp text at odds with its unit": """FROM measurement
        WHERE unit_concept_id = 8751 AND unit_source_value = 'mg/dL'""",
    "crp without a unit": """FROM measurement
        WHERE measurement_concept_id = 3020460 AND coalesce(unit_concept_id, 0) = 0
        AND coalesce(trim(unit_source_value), '') = ''""",
    "no-break space": "FROM measurement WHERE unit_source_value LIKE '%' || chr(160) || '%'",
    "crp with an operator": "FROM measurement WHERE operator_concept_id IN (4171756, 4172704)",
    "crp in observation": "FROM observation WHERE observation_concept_id IN (37398482, 37398420)",
    "crp in body fluid": "FROM measurement WHERE measurement_concept_id = 3035320",
    "crp of zero": """FROM measurement
        WHERE measurement_concept_id = 3020460 AND value_as_number = 0""",
    "no value": "FROM measurement WHERE value_as_number IS NULL",
    "implausible value": "FROM measurement WHERE value_as_number IN (-1, 251, 702, 99999)",
    "value of the future": "FROM measurement WHERE measurement_date > $as_of",
    "value on the as-of date": "FROM measurement WHERE measurement_date = $as_of",
    "value on the first day": """FROM measurement WHERE measurement_concept_id = 3020460
        AND date_diff('day', measurement_date, $as_of) = 180""",
    "value the day before": """FROM measurement WHERE measurement_concept_id = 3020460
        AND date_diff('day', measurement_date, $as_of) = 181""",
    "two values a day": """FROM (FROM measurement SELECT person_id
        WHERE measurement_concept_id = 3020460 GROUP BY person_id, measurement_date
        HAVING count(DISTINCT measurement_id) > 1)""",
    "exact duplicates": """FROM (FROM measurement SELECT measurement_id GROUP BY ALL
        HAVING count(*) > 1)""",
    "duplicate exposures": """FROM (FROM drug_exposure SELECT drug_exposure_id GROUP BY ALL
        HAVING count(*) > 1)""",
    "bmi percentile": "FROM measurement WHERE measurement_concept_id = 40762638",
    "bmi with unit 0": """FROM measurement WHERE measurement_concept_id = 3038553
        AND unit_concept_id = 0 AND unit_source_value IS NULL""",
    "bmi with unit NULL": """FROM measurement WHERE measurement_concept_id = 3038553
        AND unit_concept_id IS NULL AND unit_source_value IS NULL""",
    "bmi computed": "FROM truth WHERE bmi_status = 'computed'",
    "weight in lb, kg, oz": """FROM (FROM measurement SELECT 1
        WHERE unit_concept_id IN (8739, 9529, 9373) HAVING count(DISTINCT unit_concept_id) = 3)""",
    "height in in, cm, m": """FROM (FROM measurement SELECT 1
        WHERE unit_concept_id IN (9330, 8582, 9546) HAVING count(DISTINCT unit_concept_id) = 3)""",
    "height of a child": """FROM measurement JOIN person USING (person_id)
        WHERE measurement_concept_id = 3036277 AND year(measurement_date) - year_of_birth < 18""",
    "cdai in both tables": """FROM truth WHERE cdai_source_table = 'observation'
        AND EXISTS (FROM truth WHERE cdai_source_table = 'measurement')""",
    "another index": "FROM measurement WHERE measurement_concept_id = 2000000003",
    "inhaled budesonide": "FROM drug_exposure WHERE drug_concept_id = 2100000121",
    "nasal budesonide": "FROM drug_exposure WHERE drug_concept_id = 2100000122",
    "rectal budesonide": "FROM drug_exposure WHERE drug_concept_id IN (40020303, 2100000123)",
    "one-day injection": """FROM drug_exposure WHERE drug_concept_id IN (975505, 2100000111)
        AND drug_exposure_end_date = drug_exposure_start_date AND coalesce(days_supply, 1) <= 1""",
    "steroid not classified": """FROM drug_exposure
        WHERE drug_concept_id IN (2100000131, 2100000132)""",
    "end before start": """FROM drug_exposure
        WHERE drug_exposure_end_date < drug_exposure_start_date""",
    "days_supply of 0": "FROM drug_exposure WHERE days_supply = 0",
    "days_supply below 0": "FROM drug_exposure WHERE days_supply < 0",
    "days_supply missing": "FROM drug_exposure WHERE days_supply IS NULL",
    "exposure on the as-of date": "FROM drug_exposure WHERE drug_exposure_start_date = $as_of",
    "exposure of the future": "FROM drug_exposure WHERE drug_exposure_start_date > $as_of",
    "unmapped drug": "FROM drug_exposure WHERE drug_concept_id = 0",
    "drug by its HCPCS code": "FROM drug_exposure WHERE drug_source_concept_id = 2718445",
    "biosimilar": "FROM drug_exposure WHERE drug_concept_id = 2100000001",
    "duplicate ingredient": "FROM drug_exposure WHERE drug_concept_id = 36857573",
    "other advanced therapy": "FROM lines WHERE drug IN ('risankizumab', 'upadacitinib')",
    "anti-TNF begun on the as-of date": """FROM lines JOIN truth USING (person_id)
        WHERE drug_class = 'anti_tnf' AND start_date = $as_of AND prior_anti_tnf = 0""",
    "two lines a day": """FROM (FROM lines SELECT person_id GROUP BY person_id, start_date
        HAVING count(*) > 1)""",
    "crohn's without 201606": """FROM truth ANTI JOIN
        (FROM condition_occurrence WHERE condition_concept_id = 201606) USING (person_id)""",
    "jejunum, no location": """FROM truth JOIN condition_occurrence USING (person_id)
        WHERE condition_concept_id = 4239382 AND ileal_status = 'imputed'""",
    "ileum of the future": """FROM truth JOIN condition_occurrence USING (person_id)
        WHERE condition_concept_id = 4244235 AND condition_start_date > $as_of AND ileal = 0""",
    "ulcerative colitis too": """FROM truth JOIN condition_occurrence USING (person_id)
        WHERE condition_concept_id = 81893""",
    "perianal alone, not the cohort": """FROM condition_occurrence ANTI JOIN truth USING (person_id)
        WHERE condition_concept_id = 4340812""",
    "concept without its self-row": """FROM concept ANTI JOIN
        (FROM concept_ancestor WHERE ancestor_concept_id = descendant_concept_id)
        ON concept_id = ancestor_concept_id""",
    "withdrawn dose form": """FROM concept_relationship
        WHERE relationship_id = 'RxNorm has dose form' AND invalid_reason = 'D'""",
}  # fmt: skip


@pytest.mark.parametrize("kind", DIRT)
def test_each_kind_of_dirt_is_there(cdm: duckdb.DuckDBPyConnection, kind: str) -> None:
    query = f"SELECT count(*) {DIRT[kind]}"
    bound = {"as_of": AS_OF} if "$as_of" in query else {}
    row = cdm.execute(query, bound).fetchone()
    assert row is not None
    assert row[0] > 0


def _results(truth: pd.DataFrame, lines: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Results as a faultless run would leave them."""
    scored = truth[truth["outcome"] == "scored"]
    covariates = []
    for covariate in synthetic.COVARIATES:
        columns = {
            covariate: "covariate_value",
            **{f"{covariate}_{c}": c for c in ("status", "source_table", "source_id")},
        }
        covariates.append(
            scored[["person_id", *columns]].rename(columns=columns).assign(covariate=covariate)
        )
    left, attrition = len(truth), [(1, "crohns_disease", len(truth), 0)]
    reasons = ("year_of_birth_unknown", "sex_unknown", "deceased", "age_out_of_range")
    for step, reason in enumerate(reasons, start=2):
        n = int((truth["outcome"] == reason).sum())
        left -= n
        attrition.append((step, reason, left, n))
    return {
        "patient_covariate": pd.concat(covariates, ignore_index=True).assign(run_id=1),
        "attrition": pd.DataFrame(
            attrition, columns=["step", "reason", "n_persons", "n_excluded"]
        ).assign(run_id=1),
        "treatment_line": lines.assign(run_id=1),
    }


def _compare(written: synthetic.Summary, results: dict[str, pd.DataFrame]) -> list[str]:
    """Return what the comparison names, each difference without its numbers."""
    file = Path(__file__).parents[1] / "support" / "truth_check.py"
    found = runpy.run_path(str(file))["compare"](written.truth, results)
    return [re.sub(r" differs in .*|\d+ rows expected.*|: expected .*", "", text) for text in found]


def test_the_comparison_with_the_truth_finds_every_difference_and_no_other(
    written: synthetic.Summary, truth: pd.DataFrame, lines: pd.DataFrame
) -> None:
    results = _results(truth, lines)
    assert _compare(written, results) == []
    covariates = results["patient_covariate"]
    first = {name: rows.index[0] for name, rows in covariates.groupby("covariate")}
    covariates.loc[first["cdai"], "covariate_value"] = 123.5
    covariates.loc[first["age"], "covariate_value"] = None
    covariates.loc[first["bmi"], "status"] = "absent"
    covariates.loc[first["crp"], "source_table"] = "person"
    covariates.loc[first["prior_anti_tnf"], "source_id"] = -1
    covariates.loc[first["male"], "person_id"] = -1
    results["patient_covariate"] = covariates.drop(index=first["steroid"])
    results["attrition"].loc[0, "n_persons"] = 1
    assert _compare(written, results) == [
        "attrition",
        "cdai: value",
        "age: value",
        "bmi: status",
        "crp: source_table",
        "prior_anti_tnf: source_id",
        *("male: ", "male: missing", "male: not in the truth"),
        *("steroid: ", "steroid: missing"),
    ]


@pytest.mark.parametrize(
    ("column", "value", "named"),
    [
        ("drug", "aspirin", ["treatment_line: missing", "treatment_line: not in the truth"]),
        ("line_number", 9, ["treatment_line: missing", "treatment_line: not in the truth"]),
        (None, None, ["treatment_line: ", "treatment_line: missing"]),
        ("run_id", 2, ["treatment_line holds 2 runs; pass the rows of one"]),
    ],
)
def test_the_comparison_with_the_truth_reads_treatment_lines(
    written: synthetic.Summary,
    truth: pd.DataFrame,
    lines: pd.DataFrame,
    column: str | None,
    value: object,
    named: list[str],
) -> None:
    results = _results(truth, lines)
    if column:
        results["treatment_line"].loc[0, column] = value
    else:
        results["treatment_line"] = results["treatment_line"].iloc[1:]
    assert _compare(written, results) == named
