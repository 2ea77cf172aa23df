"""Settings of the sessions that a run starts itself, and those that the site decides."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from omop_scorer.connections.spark import java_on_this_machine
from tests.support import spark
from tests.support.command_line import environment

QUICK, ONE_COLLECTOR = "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"
DEFAULT, EXTRA = "spark.driver.defaultJavaOptions", "spark.driver.extraJavaOptions"

ASK = """
import json, sys
from omop_scorer.config.run_file import RunConfig
from omop_scorer.connections.spark import Session

places = {"engine": "spark", "cdm": {"url": "spark", "schema": "a"}, "results": {"url": "b"}}
document = {**places, "spark": {"settings": json.loads(sys.argv[1])}}
session = Session(RunConfig.model_validate(document).connections)
factory = session.spark._jvm.java.lang.management.ManagementFactory
told = list(factory.getRuntimeMXBean().getInputArguments())
print(json.dumps([told, session.setting("spark.sql.shuffle.partitions")]))
session.close()
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the site's settings, which is empty at first."""
    for name in ("PYSPARK_SUBMIT_ARGS", "MASTER", "JAVA_TOOL_OPTIONS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    return tmp_path / "spark-defaults.conf"


@pytest.mark.parametrize(
    ("settings", "in_file", "expected"),
    [
        ({}, "", f"{QUICK} {ONE_COLLECTOR}"),
        ({"spark.master": "local[4]"}, "", f"{QUICK} {ONE_COLLECTOR}"),
        ({EXTRA: "-Xss4m"}, "", f"{QUICK} {ONE_COLLECTOR}"),
        ({EXTRA: "-XX:+UseG1GC"}, "", QUICK),
        ({DEFAULT: "-Xss4m"}, "", f"{QUICK} {ONE_COLLECTOR} -Xss4m"),
        ({}, f"{DEFAULT}   -XX:+UseZGC -Da=b\n", f"{QUICK} -XX:+UseZGC -Da=b"),
        ({}, f"# of the site\n\n{EXTRA} = -XX:+UseParallelGC", QUICK),
        ({}, "spark.master: yarn", None),
        ({"spark.master": "spark://there:7077"}, "", None),
        ({"spark.master": "local"}, "spark.master yarn", f"{QUICK} {ONE_COLLECTOR}"),
    ],
)
def test_options_of_java(files, settings, in_file, expected):
    files.write_text(in_file, encoding="utf-8")
    told = java_on_this_machine(settings)
    assert told == ({} if expected is None else {DEFAULT: expected})


def test_a_collector_in_the_files_of_spark(files):
    files.with_name("spark-env.sh").write_text("SPARK_SUBMIT_OPTS=-XX:+UseG1GC", encoding="utf-8")
    assert java_on_this_machine({}) == {DEFAULT: QUICK}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("JAVA_TOOL_OPTIONS", "-XX:+UseG1GC", {DEFAULT: QUICK}),
        ("PYSPARK_SUBMIT_ARGS", "--master yarn pyspark-shell", {}),
    ],
)
def test_options_of_java_in_the_environment(files, monkeypatch, name, value, expected):
    monkeypatch.setenv(name, value)
    assert java_on_this_machine({}) == expected


def asked(settings: dict[str, str], folder: Path) -> tuple[list[str], str]:
    """Return the options of Java and the number of partitions of a session in its own process."""
    spark.home()
    done = subprocess.run(
        [sys.executable, "-c", ASK, json.dumps(settings)],
        env={**environment(), "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_CONF_DIR": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told, partitions = json.loads(done.stdout.splitlines()[-1])
    return told, partitions


def test_a_local_session_starts_quickly(files):
    told, partitions = asked({"spark.master": "local[3]", EXTRA: "-Dof.the=site"}, files.parent)
    assert [word for word in told if word in (QUICK, ONE_COLLECTOR, "-Dof.the=site")] == [
        QUICK,
        ONE_COLLECTOR,
        "-Dof.the=site",
    ]
    assert partitions == "6"


def test_settings_of_the_site_prevail(files):
    text = f"{EXTRA} -XX:TieredStopAtLevel=4 -XX:+UseG1GC\nspark.sql.shuffle.partitions 7\n"
    files.write_text(text, encoding="utf-8")
    told, partitions = asked({"spark.master": "local[2]"}, files.parent)
    levels = [word for word in told if "TieredStopAtLevel" in word]
    # Java obeys the last one.
    assert levels == [QUICK, "-XX:TieredStopAtLevel=4"]
    assert ONE_COLLECTOR not in told
    assert partitions == "7"
