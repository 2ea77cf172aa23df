"""Compare the results of a run with the truth of a made-up CDM.

The truth is what `omop_scorer.synthetic.write` leaves beside a CDM; the results are the tables of
one run. A difference names at most a few of the made-up persons, so that it can be looked at.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

COVARIATES = (
    *("cdai", "age", "bmi", "crp"),
    *("prior_anti_tnf", "male", "steroid", "immunomodulator", "ileal"),
)
REASONS = ("year_of_birth_unknown", "sex_unknown", "deceased", "age_out_of_range")
TOLERANCE = 1e-9


def compare(truth_path: Path, results: Mapping[str, pd.DataFrame]) -> list[str]:
    """Return what differs between a run's results and the truth, in words; nothing if all agrees.

    Parameters
    ----------
    truth_path
        The `.truth.parquet` of a made-up CDM; its `.truth_lines.parquet` stands beside it.
    results
        The tables patient_covariate, attrition and treatment_line of one run.
    """
    truth_path = Path(truth_path)
    truth = pd.read_parquet(truth_path)
    lines = pd.read_parquet(
        truth_path.with_name(truth_path.name.replace(".truth.", ".truth_lines."))
    )
    several = [
        f"{name} holds {table['run_id'].nunique()} runs; pass the rows of one"
        for name, table in results.items()
        if "run_id" in table and table["run_id"].nunique() > 1
    ]
    return several or [
        *_attrition(truth, results["attrition"]),
        *_covariates(truth, results["patient_covariate"]),
        *_lines(lines, results["treatment_line"]),
    ]


def _attrition(truth: pd.DataFrame, found: pd.DataFrame) -> Iterator[str]:
    excluded = truth["outcome"].value_counts()
    left, expected = len(truth), [(1, "crohns_disease", len(truth), 0)]
    for step, reason in enumerate(REASONS, start=2):
        left -= int(excluded.get(reason, 0))
        expected.append((step, reason, left, int(excluded.get(reason, 0))))
    columns = ["step", "reason", "n_persons", "n_excluded"]
    got = list(found[columns].sort_values("step").itertuples(index=False, name=None))
    if got != expected:
        yield f"attrition: expected {expected}, got {got}"


def _covariates(truth: pd.DataFrame, found: pd.DataFrame) -> Iterator[str]:
    scored = truth[truth["outcome"] == "scored"]
    if unknown := sorted(set(found["covariate"]) - set(COVARIATES)):
        yield f"patient_covariate: covariates nobody asked for: {unknown}"
    for covariate in COVARIATES:
        of = found[found["covariate"] == covariate]
        yield from _keys(covariate, scored[["person_id"]], of[["person_id"]])
        if not of["person_id"].is_unique:
            continue
        told = scored.rename(columns={covariate: f"{covariate}_value"})
        told = told[["person_id", *(c for c in told if c.startswith(f"{covariate}_"))]]
        told.columns = [c.removeprefix(f"{covariate}_") for c in told]
        both = told.merge(of, on="person_id", suffixes=("_told", ""))
        is_close = np.isclose(
            both["value"].astype(float),
            both["covariate_value"].astype(float),
            rtol=TOLERANCE,
            atol=TOLERANCE,
        )
        yield from _name(f"{covariate}: value", both[~is_close])
        for column in ("status", "source_table", "source_id"):
            one, other = both[f"{column}_told"], both[column]
            same = (one == other) | (one.isna() & other.isna())
            yield from _name(f"{covariate}: {column}", both[~same.fillna(False).astype(bool)])


def _lines(told: pd.DataFrame, found: pd.DataFrame) -> Iterator[str]:
    columns = ["person_id", "line_number", "drug", "drug_class", "start_date"]
    told, found = (
        table[columns].assign(start_date=pd.to_datetime(table["start_date"])).astype(
            {"person_id": "int64", "line_number": "int64", "start_date": "datetime64[us]"}
        )
        for table in (told, found)
    )  # fmt: skip
    yield from _keys("treatment_line", told, found)


def _keys(what: str, told: pd.DataFrame, found: pd.DataFrame) -> Iterator[str]:
    if not found["person_id"].isin(told["person_id"]).all() or len(found) != len(told):
        yield f"{what}: {len(told)} rows expected, {len(found)} found"
    both = told.drop_duplicates().merge(found.drop_duplicates(), how="outer", indicator="side")
    yield from _name(f"{what}: missing", both[both["side"] == "left_only"])
    yield from _name(f"{what}: not in the truth", both[both["side"] == "right_only"])


def _name(what: str, rows: pd.DataFrame) -> Iterator[str]:
    if len(rows):
        some = sorted({int(person) for person in rows["person_id"]})[:5]
        yield f"{what} differs in {len(rows)} rows, of persons {some} and so on"
