# Every target sets up what it needs: a virtual environment in .venv with the package in it.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test unit check clean
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

demo: .venv/installed ## Make up a CDM and run the main job on it
	$(BIN)/omop-scorer demo

test: .venv/installed-test ## Every test
	$(BIN)/python -m pytest -q -n auto --dist worksteal

unit: .venv/installed-test ## The inner loop
	$(BIN)/python -m pytest -q tests/unit

check: .venv/installed-check ## Linters and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/sqlfluff lint --processes 2 sql

clean: ## Remove everything that was made here
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis demo build dist
