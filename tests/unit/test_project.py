"""The Makefile and the versions that CI installs."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def test_ci_pins_every_package_that_the_project_names() -> None:
    text = (ROOT / ".ci" / "constraints.txt").read_text(encoding="utf-8")
    pins = [line.split("==") for line in text.splitlines() if not line.startswith("#")]
    pinned = {canonicalize_name(name): version for name, version in pins}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    named = [*project["dependencies"], *extras["test"], *extras["check"]]
    wrong = []
    for requirement in map(Requirement, named):
        name = canonicalize_name(requirement.name)
        if name not in pinned or pinned[name] not in requirement.specifier:
            wrong.append(str(requirement))
    assert wrong == [], "write the file again with: make constraints"


def test_ci_checks_measures_and_tests() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert re.findall(r"^make (\w+)$", script, flags=re.MULTILINE) == ["check", "coverage", "test"]


def test_every_make_target_says_what_it_does() -> None:
    (targets,) = re.findall(r"^\.PHONY: (.+)$", MAKEFILE, flags=re.MULTILINE)
    described = re.findall(r"^([a-z]+):.* ## \S", MAKEFILE, flags=re.MULTILINE)
    assert sorted(described) == sorted(targets.split())
    assert ".DEFAULT_GOAL := test" in MAKEFILE
