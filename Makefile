# The verbs of the project; `make help` lists them. Everything that they write lies in .venv and in LOAN_HOME.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run train monitor sdk test torture check audit bench screenshots format ui boosters lock outdated licences sbom clean

# The first Python on the path that is one of the supported ones; PYTHON=... chooses another.
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c '$(SUPPORTED)' 2>/dev/null && echo "$$p" && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input -qq install --require-hashes

help:  ## List the verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

run: .venv/train  ## Serve on http://localhost:5000; train a model first if none is in Production
	@$(BIN)/python -m training run --unless-in-production
	@exec $(BIN)/python -m loan_api serve --announce

train: .venv/train  ## Train every candidate, register the best, promote it
	@$(BIN)/python -m training run

monitor: .venv/train  ## Prometheus and Alertmanager against the running service, on ports 9090 and 9093
	@exec $(BIN)/python -m prometheus.local

sdk: .venv/dev  ## Generate the Python and TypeScript clients into LOAN_HOME/clients
	@$(BIN)/python -m tools.clients

# Files in their own order: xdist's begins with those of many tests, which leaves the longest to the end.
PYTEST := $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

test: .venv/dev  ## Pass the test suite, but for what takes minutes
	@$(PYTEST) -m "not torture"

# What measures latency has the machine to itself.
FIGURES := $(CURDIR)/.venv/torture.jsonl
torture: export TORTURE_FIGURES = $(FIGURES)
torture: .venv/dev  ## Pass all of it; faults and load are told in docs/reliability.md
	@rm -f $(FIGURES)
	@$(PYTEST) --ignore tests/torture
	@$(BIN)/python -m pytest tests/torture
	@$(BIN)/python -m tests.support.reliability_page $(FIGURES)

check: .venv/dev  ## Format, lint, types, import contracts, Prometheus and Alertmanager files, Dockerfiles, advisories
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

audit: .venv/dev  ## Fail where a security advisory is known of a locked package, or none can be looked up
	@$(BIN)/python -m tools.supply.audit $(AUDITFLAGS)

bench: .venv/train  ## Measure the service beside `mlflow models serve` and a bare Flask view; needs wrk
	@$(BIN)/python -m tools.benchmarks.serving $(BENCHFLAGS)

screenshots: .venv/dev  ## Remake the pictures in the docs from the running system; takes a quarter of an hour
	@$(BIN)/python -m tools.screenshots $(SCREENSHOTFLAGS)

format: .venv/dev  ## Format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

ui: .venv/train  ## MLflow UI on the tracking database, on the port after the service's
	@$(BIN)/python -m training ui

boosters: .venv/train  ## Install XGBoost and CatBoost as further candidates
	@$(PIP) -r requirements/boosters.txt

# Every lock keeps to the versions of requirements/dev.txt, the widest of them.
RESOLVE = $(BIN)/uv pip compile -q --universal --python-version 3.11 --no-header --no-annotate pyproject.toml
LOCK = $(RESOLVE) --generate-hashes $(LOCKFLAGS)
lock: .venv/dev  ## Write the hashed locks in requirements/ anew; LOCKFLAGS=--upgrade takes newer releases
	$(LOCK) --all-extras --group dev -o requirements/dev.txt >/dev/null
	$(LOCK) -c requirements/dev.txt -o requirements/serve.txt >/dev/null
	$(LOCK) -c requirements/dev.txt --extra train -o requirements/train.txt >/dev/null
	$(LOCK) -c requirements/dev.txt --extra train --extra boosters -o requirements/boosters.txt >/dev/null

# Resolved as if there were no lock.
LOCKED := grep -oE '^[a-z0-9][^\]*'
outdated: .venv/dev  ## Show what `make lock LOCKFLAGS=--upgrade` would change in requirements/dev.txt
	@newest=$$($(RESOLVE) --all-extras --group dev) || exit 1; \
	diff -U0 <($(LOCKED) requirements/dev.txt | sed 's/ *$$//') <($(LOCKED) <<<"$$newest" | sed 's/ *$$//') | \
	grep '^[-+][a-z0-9]' || echo "Nothing: each package is the newest that pyproject.toml and the others admit."

licences: .venv/dev  ## Write docs/licences.md anew
	@$(BIN)/python -m tools.supply.licences

sbom: .venv/dev  ## Write a bill of materials (CycloneDX) for each image into LOAN_HOME/sbom
	@$(BIN)/python -m tools.supply.bill

clean:  ## Remove .venv and caches; LOAN_HOME stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

.venv/bin/python:
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11, 3.12 or 3.13 is needed; set PYTHON to one." >&2; exit 1; }
	@echo "Making .venv with $$($(PYTHON) --version)."
	@$(PYTHON) -m venv .venv

.venv/%: requirements/%.txt | .venv/bin/python
	@echo "Installing requirements/$*.txt, pinned and hashed; this takes a minute or two."
	@$(PIP) -r $<
	@touch $@
