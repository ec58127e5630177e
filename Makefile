# Every target works alone on a fresh clone: it makes .venv and builds what it needs first.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo notebooks docs test test-long bench bench-keep bench-compare flamegraph cachegrind check build clean

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
# Half as many again as there are cores: many tests wait for sockets, not for the processor.
WORKERS ?= $(shell cores=$$(nproc 2>/dev/null || echo 2); echo $$(( cores > 8 ? 12 : (cores * 3 + 1) / 2 )))
BUDGET ?= 3600
ARGS ?=
SOURCES := $(wildcard cython_src/arbitrage/core/*)

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(STAMP) ## two simulated venues and the trader, 20 seconds, with a report (ARGS="--seconds 60")
	$(BIN)/arb demo $(ARGS)

notebooks: $(STAMP) ## execute the notebooks from clean to the end, into build/notebooks, four minutes
	$(BIN)/python bin/run-notebooks $(ARGS)

docs: $(STAMP) ## write docs/api.md from the docstrings
	$(BIN)/python bin/render-api

test: $(STAMP) ## everything that is fast, under ten minutes on two cores
	$(BIN)/python -m pytest -m "not long" -n $(WORKERS) $(ARGS)

test-long: $(STAMP) ## stress, fuzz and model checking, resumable (BUDGET=seconds)
	$(BIN)/python -m pytest -m long -o timeout=0 --budget $(BUDGET) $(ARGS)
	$(BIN)/python -m pytest -m "not long" -n $(WORKERS) --hypothesis-profile search $$(grep -rl "from hypothesis" tests --include="test_*.py")

bench: $(STAMP) ## the measurements of the documentation, beside their floors
	$(BIN)/arb bench $(ARGS)

# pytest-benchmark over the same questions: five short runs of each, kept in .benchmarks
KEEPING := $(BIN)/python -m pytest benchmarks -q -p no:xdist --benchmark-columns=median,iqr,min,max,rounds

bench-keep: $(STAMP) ## five runs of each timed row, kept for a comparison (ARGS="-k spread")
	$(KEEPING) --benchmark-autosave $(ARGS)

bench-compare: $(STAMP) ## the same beside those kept last (ARGS="--benchmark-compare-fail=median:20%")
	$(KEEPING) --benchmark-compare $(ARGS)

flamegraph: $(STAMP) ## where a running trader spends its time, as an SVG
	$(BIN)/python -m benchmarks.flamegraph $(ARGS)

cachegrind: $(STAMP) ## instructions and first-level cache misses of each part of the hot path (needs valgrind)
	$(BIN)/python -m benchmarks.cachegrind $(ARGS)

# cython-lint calls pycodestyle by its bare name: .venv/bin has to be on PATH.
check: $(STAMP) ## style, types, stubs and the house rules
	$(BIN)/ruff check .
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/cython-lint cython_src
	$(BIN)/mypy
	$(BIN)/python -m pytest -m "not long" tests/house $(ARGS)

build: ## an optimised wheel in dist/
	bin/build-release

clean: ## remove what was built; .venv stays
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	rm -f arbitrage/core/*.so arbitrage/core/*.pxd arbitrage/core/*.h $(STAMP)
	find . -name __pycache__ -not -path './.venv/*' -type d -exec rm -rf {} +

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12")'
	@command -v "$${CC:-gcc}" >/dev/null || { echo "error: no C compiler found; install gcc and try again" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=23'

# Build isolation stays on, so that the pinned Cython and picows build it whatever .venv holds.
$(STAMP): .venv/bin/python setup.py pyproject.toml $(SOURCES)
	@echo "building, takes a minute or two"
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	@touch $@
