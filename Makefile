# Every target sets up what it needs: a virtual environment in .venv with the package in it.
PYTHON ?= python3
BIN := .venv/bin
SIZE ?= quick

.PHONY: demo test unit check bench browser clean
.DEFAULT_GOAL := test

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

.venv/installed-test: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@

.venv/installed-check: .venv/installed-test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[check]'
	touch $@

demo: .venv/installed ## Make up a CDM, run the main job on it, write the report
	$(BIN)/omop-scorer demo

browser: ## The report is tested in a real browser
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } \
	  || echo "no chromium here: the tests of the report in a browser are skipped"

test: .venv/installed-test browser ## Every test
	$(BIN)/python -m pytest -q -n auto --dist worksteal

unit: .venv/installed-test ## The inner loop
	$(BIN)/python -m pytest -q tests/unit

check: .venv/installed-check ## Linters and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/sqlfluff lint --processes 2 sql configs/synthetic
	$(BIN)/hadolint docker/Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker/compose.yaml

bench: .venv/installed-test ## How fast it is, against what else there is: SIZE=quick or full
	$(BIN)/python -m tests.benchmarks --size $(SIZE)

clean: ## Remove everything that was made here
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis bench demo build dist
