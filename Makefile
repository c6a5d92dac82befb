# The project's commands; `make help` lists them. Everything they write is in .venv, LOAN_HOME and the cache of uv.

SHELL := /bin/bash
# uv leaves compiling to the first import, which must be able to save its work.
unexport PYTHONDONTWRITEBYTECODE
.DEFAULT_GOAL := help
.PHONY: help run train monitor sdk test test-all torture check audit bench screenshots format ui boosters lock outdated licences sbom clean

BIN := .venv/bin
# uv has an environment of its own: it runs on Pythons that the service does not support.
UV := .venv/uv/bin/uv
INSTALL := $(UV) pip install --quiet --python $(BIN)/python --require-hashes

help:  ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

run: .venv/train  ## Serve on http://localhost:5000; first train a model if none is in Production
	@$(BIN)/python -m training run --unless-in-production
	@exec $(BIN)/python -m loan_api serve --announce

train: .venv/train  ## Train every candidate, register the best, promote it
	@$(BIN)/python -m training run

monitor: .venv/train  ## Watch the running service with Prometheus and Alertmanager on ports 9090 and 9093
	@exec $(BIN)/python -m prometheus.local

sdk: .venv/dev  ## Generate Python and TypeScript clients in LOAN_HOME/clients
	@$(BIN)/python -m tools.clients

# Much of the time tests wait for services, so there are more processes than cores. tests/conftest.py orders the files;
# xdist's own order would leave the longest to the end.
PROCESSES := $(shell echo $$(( $$(nproc) * 3 / 2 )))
PYTEST := $(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder

test: .venv/dev  ## Run the quick tests (8 minutes)
	@$(PYTEST) -m "not slow and not torture"

test-all: .venv/dev  ## Run the tests, except those that take minutes each (12 to 20 minutes)
	@$(PYTEST) -m "not torture"

# Latency is measured on an otherwise idle machine.
FIGURES := $(CURDIR)/.venv/torture.jsonl
torture: export TORTURE_FIGURES = $(FIGURES)
torture: .venv/dev  ## Run all tests; docs/reliability.md describes the faults and loads
	@rm -f $(FIGURES)
	@$(PYTEST) --ignore tests/torture
	@$(BIN)/python -m pytest tests/torture
	@$(BIN)/python -m tests.support.reliability_page $(FIGURES)

check: .venv/dev  ## Check format, types, imports, Prometheus and Alertmanager files, Dockerfiles and advisories
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@command -v promtool >/dev/null || { echo "promtool is missing: apt-get install prometheus" >&2; exit 1; }
	promtool check config --syntax-only prometheus/prometheus.yml
	promtool check web-config prometheus/web.yml
	promtool check rules prometheus/rules/*.yml
	promtool test rules prometheus/tests/*.yml
	@command -v amtool >/dev/null || { echo "amtool is missing: apt-get install prometheus-alertmanager" >&2; exit 1; }
	amtool check-config prometheus/alertmanager.yml
	$(BIN)/hadolint Dockerfile tests/containers/postgres/Dockerfile
	$(BIN)/python -m tools.supply.audit --where-reachable $(AUDITFLAGS)

audit: .venv/dev  ## Look up security advisories for all locked packages
	@$(BIN)/python -m tools.supply.audit $(AUDITFLAGS)

bench: .venv/train  ## Compare the service with `mlflow models serve` and a bare Flask view; needs wrk
	@$(BIN)/python -m tools.benchmarks.serving $(BENCHFLAGS)

screenshots: .venv/dev  ## Retake the pictures in the docs from the running system (15 minutes)
	@$(BIN)/python -m tools.screenshots $(SCREENSHOTFLAGS)

format: .venv/dev  ## Format the code and fix what ruff can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

ui: .venv/train  ## Open the MLflow UI on the port after the service's
	@$(BIN)/python -m training ui

boosters: .venv/train  ## Install XGBoost and CatBoost, two more candidates
	@$(INSTALL) -r requirements/boosters.txt

# requirements/dev.txt contains every package; the other locks take its versions.
RESOLVE = $(UV) pip compile -q --universal --python-version 3.11 --no-header --no-annotate pyproject.toml
LOCK = $(RESOLVE) --generate-hashes $(LOCKFLAGS)
lock: .venv/dev  ## Update the hashed locks in requirements/; LOCKFLAGS=--upgrade takes newer releases
	$(LOCK) --all-extras --group dev -o requirements/dev.txt >/dev/null
	$(LOCK) -c requirements/dev.txt -o requirements/serve.txt >/dev/null
	$(LOCK) -c requirements/dev.txt --extra train -o requirements/train.txt >/dev/null
	$(LOCK) -c requirements/dev.txt --extra train --extra boosters -o requirements/boosters.txt >/dev/null

# Resolve without the lock.
LOCKED := grep -oE '^[a-z0-9][^\]*'
outdated: .venv/dev  ## Show what `make lock LOCKFLAGS=--upgrade` would change in requirements/dev.txt
	@newest=$$($(RESOLVE) --all-extras --group dev) || exit 1; \
	diff -U0 <($(LOCKED) requirements/dev.txt | sed 's/ *$$//') <($(LOCKED) <<<"$$newest" | sed 's/ *$$//') | \
	grep '^[-+][a-z0-9]' || echo "Nothing: every package is the newest that pyproject.toml allows."

licences: .venv/dev  ## Update docs/licences.md
	@$(BIN)/python -m tools.supply.licences

sbom: .venv/dev  ## Write a bill of materials (CycloneDX) for each image to LOAN_HOME/sbom
	@$(BIN)/python -m tools.supply.bill

clean:  ## Remove .venv and caches, but not LOAN_HOME
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

.venv/bin/python:
	@requirements/environment.sh $(PYTHON)

.venv/%: requirements/%.txt | .venv/bin/python
	@echo "Installing requirements/$*.txt (pinned and hashed)."
	@$(INSTALL) -r $<
	@touch $@
