# Every task brings what it needs: python3 >= 3.11 and make are enough on a fresh machine.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test lint types fmt bench simulate crash mutants lock clean

help: ## list the tasks
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(STAMP): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(f"lastunit needs Python 3.11 to 3.13, {sys.executable} is {v.major}.{v.minor}: make PYTHON=/path/to/python3.12" if not (3, 11) <= v[:2] < (3, 14) else 0)'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP) ## the main job: two emulated shops and a storefront share 200 SKUs through a flash sale
	@$(BIN)/lastunit demo $(ARGS)

test: $(STAMP) ## the whole suite, with a small dose of the long runs
	@$(BIN)/python -m pytest -q $(ARGS)

lint: $(STAMP) ## ruff: rules and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(STAMP) ## mypy, strict
	@$(BIN)/mypy

fmt: $(STAMP) ## format and apply safe fixes
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(STAMP) ## durable holds beside Redis and PostgreSQL, interleaved rounds; then webhooks; an edit of the rules; large imports; snapshots
	@$(BIN)/python -m ops.bench $(ARGS)
	@$(BIN)/python -m ops.bench.webhooks
	@$(BIN)/python -m ops.bench.reoffer
	@$(BIN)/python -m ops.bench.imports
	@$(BIN)/python -m ops.bench.snapshots

simulate: $(STAMP) ## made-up worlds where everything goes wrong, judged by an oracle (SEED=1 SEEDS=2000 SECONDS=300)
	@$(BIN)/lastunit simulate --seed $(or $(SEED),1) --seeds $(or $(SEEDS),$(if $(SEED),1,2000)) \
	  --seconds $(or $(SECONDS),300) --jobs $(or $(JOBS),2) $(ARGS)

crash: $(STAMP) ## kill -9 a daemon under load, on each store (KILLS=300), and worse: disks, pauses, damage
	@KILLS=$(or $(KILLS),300) $(BIN)/python -m pytest -q tests/crash $(ARGS)

mutants: $(STAMP) ## seed one bug after the other: the tests must catch each
	@$(BIN)/python -m tests.mutants $(ARGS)

lock: ## rewrite the lock files after a change in pyproject.toml
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header pyproject.toml --group dev -o requirements-dev.lock

clean: ## remove the environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
