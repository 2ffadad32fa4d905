# Every target makes the environment that it needs. Another interpreter: make test PYTHON=python3.13
.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint format docs bench clean

PYTHON ?=
export PYTHON
ARGS ?=
WORKERS ?= 2

BIN := .venv/bin
BENCH_BIN := .venv-bench/bin
ENV_DEV = @tools/bootstrap .venv dev
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist loadscope

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

demo: ## fit a flow to a posterior and report how well it fits
	@tools/bootstrap .venv examples
	$(BIN)/python examples/flow_posterior.py

test: ## fast tests, float32 leg then x64 leg; ARGS=... goes to pytest
	$(ENV_DEV)
	DEPTHJAX_X64=0 $(PYTEST) -m "not slow" $(ARGS)
	DEPTHJAX_X64=1 $(PYTEST) -m "not slow" $(ARGS)

test-all: ## every test, both legs
	$(ENV_DEV)
	DEPTHJAX_X64=0 $(PYTEST) $(ARGS)
	DEPTHJAX_X64=1 $(PYTEST) $(ARGS)

lint: ## ruff check, ruff format --check, pyright
	$(ENV_DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

format: ## rewrite the sources the way `lint` wants them
	$(ENV_DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: ## build the documentation into docs/_build/html, warnings as errors
	@tools/bootstrap .venv docs
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

bench: ## run every benchmark beside its peers
	@tools/bootstrap .venv-bench bench
	@set -e; for file in $$(ls benchmarks/*.py | grep -v -e harness.py -e '/_'); do \
	  echo "== $$file"; PYTHONPATH=benchmarks $(BENCH_BIN)/python $$file; done

clean: ## remove environments, caches and build output
	rm -rf .venv .venv-bench .cache docs/_build docs/api dist build .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
