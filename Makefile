# The commands of the house. `make` alone shows them.
#
# Each makes what it needs: on a fresh machine the first run installs .venv from the lock and
# fetches Kafka's jars; every later run starts at once and needs no network.

PYTHON ?=
BIN := .venv/bin
SOURCES := tallystick services shared sandbox oracle tests examples
FAST_TESTS := $(wildcard tests/unit tests/property tests/contract tests/test_*.py)
SLOW_TESTS := $(wildcard tests/integration tests/e2e tests/faults)
# The slow tests mostly wait for real processes, so more of them run at once than there are cores.
WORKERS ?= 3
SHARED_OUT := -n $(WORKERS) --dist loadgroup --no-loadscope-reorder
PIP_COMPILE := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-header

# The tests start hundreds of processes: none of them should compile our sources again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo run check lint types mypy pyright test walk faults bench bench-ingest bench-ledger fuzz soak vendor-models lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  make demo ARGS='--seed 7 --keep'       hands options on to the command"
	@echo "  make setup PYTHON=/path/to/python3.12  uses that interpreter"

setup: ## Make .venv and fetch what the embedded stack needs
	@PYTHON="$(PYTHON)" tools/setup

demo: setup ## One simulated month, from webhooks to balanced books
	@$(BIN)/tallystick demo $(ARGS)

run: setup ## Kafka, Postgres and all services, until you stop it
	@$(BIN)/tallystick run $(ARGS)

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: mypy pyright

mypy: setup
	$(BIN)/mypy $(SOURCES)

pyright: setup
	$(BIN)/basedpyright --level error

check: setup ## Format, lint, types, layers and the quick tests
	@$(MAKE) --no-print-directory -j 3 lint mypy pyright
	$(BIN)/pytest -q -n 2 --dist loadfile $(FAST_TESTS)

test: check ## Everything: check, then integration, end to end and faults
	@# The tests start dozens of brokers; without its cache each starts as well, only slower.
	-@$(BIN)/python -m sandbox.stack warm
	$(BIN)/pytest -q $(SHARED_OUT) $(SLOW_TESTS)

walk: setup ## Walk through the books from outside, check by check (ARGS="--points 1 4 bad")
	$(BIN)/python -m tests.walk $(ARGS)

faults: setup ## Only the tests that kill processes
	$(BIN)/pytest -q -m fault tests $(ARGS)

bench: setup ## Measure on this machine
	$(BIN)/pytest -q tests/bench $(ARGS)

bench-ingest: setup ## Measure the door alone (ARGS="--memory-events 1000000")
	$(BIN)/python -m tests.bench.door $(ARGS)

bench-ledger: setup ## Measure the ledger: a million messages, its floor, reads (ARGS="--messages 200000")
	$(BIN)/python -m tests.bench.ledger $(ARGS)

fuzz: setup ## Ten minutes of a fuzzer at the door (ARGS=-max_total_time=60)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r locks/fuzz.txt
	$(BIN)/python -m tests.soak.fuzz_door $(ARGS)

soak: setup ## Kill the ledger hundreds of times (ARGS="--times 200 --minutes 60")
	$(BIN)/python -m tests.soak.kills $(ARGS)

vendor-models: setup ## Hold the bank feeds against the models of the vendors' own libraries
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r locks/vendor.txt
	$(BIN)/pytest -q tests/unit/feeds/test_vendor_models.py

lock: setup ## Renew the locks (ARGS=--upgrade for the newest versions)
	$(PIP_COMPILE) --quiet $(ARGS) --all-extras -o locks/dev.txt
	$(PIP_COMPILE) --quiet -c locks/dev.txt -o locks/runtime.txt
	$(BIN)/uv pip compile locks/fuzz.in --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-header --quiet $(ARGS) -o locks/fuzz.txt
	$(BIN)/uv pip compile locks/vendor.in --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-header --quiet $(ARGS) -o locks/vendor.txt
	$(BIN)/python -m sandbox.stack.locks

clean: ## Stop the stack; delete .venv, .tallystick and caches
	@if [ -x $(BIN)/tallystick ]; then $(BIN)/tallystick down --wipe --yes; fi
	rm -rf .tallystick .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
