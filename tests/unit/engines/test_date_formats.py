"""Date formats as regular expressions: their parts, and what no engine reads wrongly."""

import re

import pytest
from sqlglot import exp

from omop_scorer.config.connections import Cdm
from omop_scorer.engines.spark import casts as spark_casts
from omop_scorer.engines.spark.date_formats import as_pattern, month_names
from omop_scorer.errors import ConfigurationError


def test_a_format_is_a_pattern_and_its_parts():
    pattern, parts = as_pattern("%d.%b %y", "spark", re.escape)
    assert parts == ["day", "short name", "short year"]
    found = re.fullmatch(pattern, "7.Mar 24")
    assert found is not None
    assert found.groups() == ("7", "Mar", "24")
    assert re.fullmatch(pattern, "7xMar 24") is None
    assert month_names("short name")[2] == "mar"
    assert month_names("long name")[2] == "march"


def cdm(date_format: str) -> Cdm:
    return Cdm(url="not opened", date_formats=(date_format,))


def test_a_code_that_is_not_known_is_refused():
    with pytest.raises(ConfigurationError, match=r"engine spark does not support %p .*allowed"):
        spark_casts.safe_cast(exp.column("x"), "string", "date", cdm("%p %d %m %Y"))


@pytest.mark.parametrize("character", "^[]\\")
def test_spark_refuses_what_its_patterns_could_only_guess(character):
    with pytest.raises(ConfigurationError, match=r"date_formats: engine spark does not support"):
        spark_casts.safe_cast(exp.column("x"), "string", "date", cdm(f"%d{character}%m %Y"))
