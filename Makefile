# Every target sets up what it needs: a virtual environment in .venv with the package in it.
#
# pip chooses the newest versions that pyproject.toml allows, as it does for users: their Python may
# be newer than the one of CI. To install the versions of CI, set PIP_CONSTRAINT as .ci/run does.
PYTHON ?= python3
BIN := .venv/bin
SIZE ?= quick

.PHONY: help demo test unit coverage check fix docs bench browser mariadb constraints clean
.DEFAULT_GOAL := test

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' Makefile

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

mariadb: ## Install MariaDB, from which the tests copy a CDM
	@command -v mariadbd >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && apt-get update -qq && apt-get install -y -qq --no-install-recommends mariadb-server; } \
	  || echo "no mariadbd here: the tests of MariaDB are skipped"

test: .venv/installed-test browser mariadb ## Every test
	$(BIN)/python -m pytest -q -n auto --dist worksteal

unit: .venv/installed-test ## The inner loop
	$(BIN)/python -m pytest -q tests/unit

# Tracing takes half as long again as the tests, so `make test` does without. These need DuckDB only.
coverage: .venv/installed-test ## Fail if less of the code is tested than pyproject.toml asks for
	$(BIN)/python -m pytest -q -n auto --dist worksteal --cov --cov-report=term \
	  tests/unit tests/synthetic tests/covariates tests/audits tests/reference -k "not postgresql and not casts"

check: .venv/installed-check ## Linters and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m tests.documentation --check
	$(BIN)/lint-imports --no-cache
	$(BIN)/sqlfluff lint --processes 2 sql configs/synthetic
	$(BIN)/hadolint docker/Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker/compose.yaml
	$(BIN)/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff

fix: .venv/installed-check ## Let the linters correct what they can
	$(BIN)/ruff check --fix --exit-zero .
	$(BIN)/ruff format .
	$(BIN)/sqlfluff fix --processes 2 sql configs/synthetic

docs: .venv/installed-test ## Write the generated parts of the READMEs again
	$(BIN)/python -m tests.documentation

bench: .venv/installed-test ## How fast it is, against what else there is: SIZE=quick or full
	$(BIN)/python -m tests.benchmarks --size $(SIZE)

constraints: ## Write .ci/constraints.txt again, with the newest versions on Python 3.11
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
	  || { echo "this needs Python 3.11: make constraints PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv --clear build/constraints
	PIP_CONSTRAINT= build/constraints/bin/python -m pip install --quiet '.[test,check]'
	{ echo "# Versions that CI installs on Python 3.11. Written by: make constraints"; \
	  build/constraints/bin/python -m pip freeze --exclude omop-scorer; } > build/constraints.txt
	mv build/constraints.txt .ci/constraints.txt
	rm -rf build/constraints

clean: ## Remove everything that was made here
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* bench demo build dist
