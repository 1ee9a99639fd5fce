# Every target makes the environment that it needs; a fresh machine needs Python 3.11+, pip and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
MINUTES ?= 20

PYTHONS ?= 3.11 3.12 3.13

.PHONY: demo test test-all soak check facade bench format clean

demo: $(STAMP)  ## a real video and a real voice become a playable MP4, awaited and blocking
	$(BIN)/syncso demo

test: $(STAMP)  ## the tests
	$(BIN)/python -m pytest -n auto --dist loadfile

test-all:  ## the built wheel on each Python, whose output goes to build/; PYTHONS names others
	$(PYTHON) tests/all_pythons.py $(PYTHONS)

soak: $(STAMP)  ## the long tests: all faults everywhere and at random, properties, kills; MINUTES for the faults
	$(BIN)/python -m tests.faults.soak --minutes $(MINUTES)
	HYPOTHESIS_PROFILE=long $(BIN)/python -m pytest tests/properties
	$(BIN)/python benchmarks/kill_matrix.py

check: $(STAMP)  ## format, lint, types, generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/python -m sync_blocking.codegen --check

facade: $(STAMP)  ## generate sync_blocking from sync_async
	$(BIN)/python -m sync_blocking.codegen

bench: $(STAMP)  ## the figures, beside the vendor's SDK, aiohttp and httpx
	$(BIN)/python -m pip install --quiet --group bench
	$(BIN)/python benchmarks/run.py

DOCS := $(VENV)/.installed-docs
.PHONY: docs
docs: $(DOCS)  ## the documentation, in site/; a warning or a broken link fails it
	$(BIN)/python -m docs_parts.build

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) dist build site .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "syncso needs Python 3.11 or newer; '$(PYTHON)' is older. Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --group check --editable '.[all]'
	@touch $(STAMP)

$(DOCS): $(STAMP)
	$(BIN)/python -m pip install --quiet --group docs
	@touch $(DOCS)
