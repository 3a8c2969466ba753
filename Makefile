# Everything Nightshift needs, on a machine that has only git, make and Python 3.11 or newer.
.DEFAULT_GOAL := help
SHELL := /bin/bash
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
AIRFLOW_PORT ?= 8080
MLFLOW_PORT ?= 5000
WORKERS ?= 2
COMPILE := $(BIN)/uv pip compile -q --universal --generate-hashes --python-version 3.11 --custom-compile-command "make lock"
# Whole groups of tests go to a process, in the order of tests/conftest.py.
PYTEST := $(BIN)/pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

.PHONY: run
run: install ## Run the whole loop on real data; EXIT=1 stops the servers after the summary
	@$(BIN)/nightshift run --airflow-port $(AIRFLOW_PORT) --mlflow-port $(MLFLOW_PORT) $(if $(EXIT),--exit) \
		|| [ $$? -eq 130 ]  # Ctrl-C is no error

.PHONY: up
up: install ## Start Airflow and MLflow alone, for your own models; Ctrl-C stops them
	@$(BIN)/nightshift up --airflow-port $(AIRFLOW_PORT) --mlflow-port $(MLFLOW_PORT)

# Both processes fit models: with threads of their own, they would wait for each other's.
.PHONY: check
check: install style ## Before every commit: style, types, layers, words, and the quick tests without database, server or JVM
	@EXAMPLES=check OMP_NUM_THREADS=1 $(PYTEST) -m "not database and not slow and not full and not production and not docker" tests/unit

.PHONY: servers
servers: ## Install PostgreSQL and Redis, which tests start for themselves
	@scripts/servers.sh

.PHONY: test
test: install servers style ## Check style, types and layers, and run every test but the large simulations
	@$(PYTEST) -m "not full and not production and not docker"

.PHONY: test-production
test-production: install servers ## Run the tests that start servers of a deployment, such as a Spark cluster
	@$(PYTEST) -m production

.PHONY: docker-test
docker-test: install ## Build the image and run nights through the compose stack; BASE=image replaces both base images
	@$(if $(BASE),BASE=$(BASE)) $(BIN)/pytest -m docker -rs -o log_cli=true -o log_cli_level=INFO tests/containers

.PHONY: simulate
simulate: install ## Run the statistical simulations in full: how often thresholds, gates and comparisons err
	@$(PYTEST) tests/simulations

.PHONY: coverage
coverage: install ## Say how much of the code make test runs
	@$(PYTEST) -m "not full and not production and not docker" --cov --cov-report=term:skip-covered

.PHONY: style
style: install
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.PHONY: bench
bench: install ## Measure everything against its bar; ONLY=features.nightly runs one, SCALE=0.01 tries it out
	@$(BIN)/python -m bench $(ONLY) $(if $(SCALE),--scale $(SCALE))

.PHONY: chaos
chaos: install ## Kill tasks of nights and trainings at random instants and compare with undisturbed runs; NIGHTS=2 tries it
	@$(BIN)/python -m chaos $(if $(NIGHTS),--nights $(NIGHTS)) $(if $(SEED),--seed $(SEED))

.PHONY: install
install: $(INSTALLED) ## Create .venv with the locked packages, and Java if there is none

$(INSTALLED): requirements.txt requirements-dev.txt scripts/install.sh
	@PYTHON=$(PYTHON) scripts/install.sh
	@touch $@

.PHONY: format
format: install ## Format the code
	@$(BIN)/ruff check --fix -q . ; $(BIN)/ruff format .

.PHONY: docs
docs: install ## Write the documentation and the JSON schemas of definitions from their types, and those of conversions and settings
	@$(BIN)/nightshift schema --markdown > docs/definition.md
	@$(BIN)/nightshift schema > docs/model.schema.json
	@$(BIN)/nightshift schema source > docs/source.schema.json
	@$(BIN)/nightshift schema --conversions > docs/conversions.md
	@$(BIN)/nightshift schema --settings > docs/settings.md

.PHONY: licences
licences: install ## Write docs/licences.md: the licence of every locked package
	@$(BIN)/python scripts/licences.py > docs/licences.md

.PHONY: lock
lock: ## Pin the packages of pyproject.toml and their hashes in requirements*.txt; UPGRADE=1 takes their newest versions
	@$(COMPILE) $(if $(UPGRADE),--upgrade) pyproject.toml -o requirements.txt
	@$(COMPILE) $(if $(UPGRADE),--upgrade) --group dev -c requirements.txt -o requirements-dev.txt
	@$(COMPILE) $(if $(UPGRADE),--upgrade) --group image -c requirements-dev.txt -o docker/build-requirements.txt

.PHONY: reset
reset: ## Forget everything that was landed, published, trained and run
	@if [ -x $(BIN)/nightshift ]; then $(BIN)/nightshift stop; fi
	@rm -rf var

.PHONY: clean
clean: reset ## Reset, and remove the environment and all caches
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*
