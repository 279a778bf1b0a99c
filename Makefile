# `make demo` and `make test` do all of their own set-up: they need Python >= 3.11, make and a network, nothing else.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

#: The interpreter to build .venv with; found by tools/make_venv.sh when empty.
PYTHON ?=
#: Arguments for pytest, e.g. `make test PYTEST_ARGS='-k limiter'`.
PYTEST_ARGS ?=
#: Arguments for the chaos campaigns, e.g. `make chaos CHAOS_ARGS='kills --seed 7'` or '--short'.
CHAOS_ARGS ?=
#: Processes that run tests side by side.
PYTEST_WORKERS ?= 2
# What depends on the store itself: scripts, records, upgrades. All else is the same on any server, and runs once.
STORE_TESTS := $(addprefix tests/,budgets flows media metrics prompt_cache store_connection transitions upgrades)
ROOTS := producer/homa shared/homa_shared workers/homa_workers

VENV := .venv
PY := $(VENV)/bin/python
# A file's tests stay in one process, so that its module fixtures (a store, a simulator) start once.
PYTEST := $(PY) -m pytest -n $(PYTEST_WORKERS) --dist loadfile

.PHONY: help demo test lint types contracts pytest test-store test-live test-peers chaos bench docs rehearse rehearse-image up format example-models currency lock upgrade install clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.demo-installed ## simulated providers, real workers, a real batch and its bill; no key, no server
	@$(VENV)/bin/homa demo

test: lint types contracts pytest ## everything that CI checks, in one go

lint: install ## ruff: rules and format
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types: install ## mypy, strict
	$(PY) -m mypy

contracts: install ## imports point one way
	$(VENV)/bin/lint-imports --no-cache

pytest: install ## the tests, with branch coverage of at least 90 %
	$(PYTEST) -m "not chaos and not live" --cov --cov-report=term $(PYTEST_ARGS)

test-store: install ## the tests of the store alone, against the Redis of HOMA_TEST_REDIS_URL
	$(PYTEST) -m store $(STORE_TESTS) $(PYTEST_ARGS)

test-live: install ## the support matrix at real providers whose keys are in the environment; costs fractions of a cent
	$(PY) -m pytest -m live tests/matrix $(PYTEST_ARGS)

test-peers: install ## other people's imitations of providers and blob stores, and their frameworks beside Homa; needs npm
	@PY=$(PY) sh tools/peers.sh $(PYTEST_ARGS)

chaos: install ## break workers, stores and providers under load for about a quarter of an hour, then check the books
	$(PY) -m tests.chaos $(CHAOS_ARGS)

bench: install ## throughput, latency and memory of one worker against simulated providers
	$(PY) -m benchmarks $(BENCH_ARGS)

docs: install ## the documentation as a site in build/site; every warning is an error
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet --config-file tools/site/mkdocs.yml
	@echo "build/site/index.html" >&2

rehearse: install ## everything of a release but publishing it; needs a network, as each extra is installed by itself
	@PY=$(PY) sh tools/rehearse_release.sh

rehearse-image: install ## the Dockerfile's steps one by one without a daemon, then a job; needs a network and redis-server
	$(PY) tools/rehearse_image.py $(PYTHON)

up: install ## everything on this machine: the store, and a worker for each provider
	@$(VENV)/bin/homa up

format: install ## let ruff rewrite what it can
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

example-models: install ## write current names of models wherever one of their predecessors stands
	$(PY) tools/example_models.py

currency: install ## what to re-read of what this tree knows of providers: newer SDKs, old tables, models that end
	@$(PY) tools/currency.py

lock: $(VENV)/.uv-installed ## recompile requirements/*.txt, keeping versions where pyproject.toml allows
	@PY=$(PY) sh tools/lock.sh

upgrade: $(VENV)/.uv-installed ## recompile requirements/*.txt with the newest versions
	@PY=$(PY) sh tools/lock.sh --upgrade

install: $(VENV)/.dev-installed ## .venv with the pinned, hash-checked requirements and this tree

clean: ## remove .venv, caches and build products
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .coverage.*
	find $(ROOTS) tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

$(PY):
	@PYTHON="$(PYTHON)" sh tools/make_venv.sh $(VENV)

# A stamp is touched only after success: an interrupted install starts over.
$(VENV)/.uv-installed: requirements/install.txt tools/install.sh | $(PY)
	@sh tools/install.sh $(VENV) requirements/install.txt
	@touch $@

$(VENV)/.demo-installed: requirements/demo.txt pyproject.toml | $(VENV)/.uv-installed
	@echo "Installing what the demo needs into $(VENV) (once)" >&2
	@sh tools/install.sh $(VENV) requirements/demo.txt --with-tree
	@touch $@

# What the tests need holds what the demo needs, at the same versions: both stamps are due.
$(VENV)/.dev-installed: requirements/dev.txt pyproject.toml | $(VENV)/.uv-installed
	@echo "Installing the pinned requirements into $(VENV) (once)" >&2
	@sh tools/install.sh $(VENV) requirements/dev.txt --with-tree
	@touch $(VENV)/.demo-installed $@
