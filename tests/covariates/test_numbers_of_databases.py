"""Numbers and days of PostgreSQL in types of the site's own: read as in any other column."""

import pytest

from tests.support import postgresql
from tests.support.spec import read_cdm, run_from

CRP = """
case      | id | concept |          date |    value | unit
plain     |  1 | crp     |    2024-01-10 |     7.25 | mg/L
no number |  2 | crp     |    2024-01-10 |      NaN | mg/L
older     |  3 | crp     |    2024-01-10 |        7 | mg/L
          |  4 | crp     |    2024-02-10 | Infinity | mg/L
endless   |  5 | crp     |    2024-01-10 | -Infinity | mg/L
long ago  |  6 | crp     | 0044-03-15 BC |        7 | mg/L
"""
TYPES = {
    "double": {},
    "numeric": {"measurement.value_as_number": "NUMERIC"},
    "domain": {
        "measurement.value_as_number": "{0}_outer_number",
        "measurement.measurement_date": "{0}_outer_day",
        "measurement.measurement_id": "{0}_outer_id",
    },
}


@pytest.fixture(scope="module")
def site() -> str:
    name = postgresql.new_schema("domains")
    for kind, base in (("number", "numeric"), ("day", "date"), ("id", "integer")):
        postgresql.session().execute(f"CREATE DOMAIN {name}_inner_{kind} AS {base}")
        postgresql.session().execute(f"CREATE DOMAIN {name}_outer_{kind} AS {name}_inner_{kind}")
    return name


@pytest.mark.parametrize("kind", TYPES)
def test_special_numbers_are_numbers_of_no_use(site, tmp_path, kind):
    types = {column: native.format(site) for column, native in TYPES[kind].items()}
    cdm = read_cdm(measurement=CRP)
    done = run_from("postgresql", tmp_path, cdm, types=types)
    found = done.numbers("crp")
    assert found == dict.fromkeys(cdm.persons) | {"plain": (7.25, 1), "older": (7.0, 3)}
    rejected = "SELECT n FROM covariate_quality WHERE covariate = 'crp' AND measure = '{}'"
    assert done.rows(rejected.format("n_rejected_value")) == [(3,)]
    assert done.uncastable() == {}
