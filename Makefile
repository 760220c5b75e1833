# The two commands of the README are `make run` and `make test`; everything else serves them.
MODEL ?= examples/single
SALTERN = .venv/bin/saltern
# Tests run side by side in so many processes; those of one engine stay in one of them.
WORKERS ?= 2

.PHONY: help run down test test-full cluster test-fast lint format lock setup setup-test clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

run: setup ## build and start a small cloud, and prove that it works
	$(SALTERN) up --model $(MODEL)

down: ## take that cloud down (VOLUMES=1: its data too)
	$(SALTERN) down --model $(MODEL) $(if $(VOLUMES),--volumes)

test: setup-test lint ## all checks and all tests, with real engines
	.venv/bin/pytest -n $(WORKERS) --durations=30

cluster: setup-test ## a Kubernetes of two nodes, as the tests have, until Ctrl-C
	tests/cluster/build
	.venv/bin/python -m tests.cluster

test-full: export SALTERN_TESTS_FULL = 1
test-full: test ## the same with what takes longer: Debian 13, parity with docker, clusters of MariaDB and RabbitMQ

test-fast: lint ## checks, unit and golden tests: seconds
	.venv/bin/pytest -q -n $(WORKERS) tests/unit

lint: ## ruff, mypy strict, import-linter
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

format: ## let ruff format the code
	.venv/bin/ruff format .

setup: ## install what running needs
	tools/setup run

setup-test: ## install what the tests need
	tools/setup test

lock: ## write the requirement locks again
	tools/lock

clean: ## remove what make made here
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
