.DEFAULT_GOAL := help
.PHONY: help setup run test check bench browser database clean
SHELL := /bin/bash
PORT ?= 8050
PYTHON ?= python3
BIN := .venv/bin
NODE := $(BIN)/python tests/node.py
# Tests that drive a browser are no company for the others, nor are those that start and kill processes.
BROWSER := tests/browser
KILLING := tests/backend/jobs
# A browser test that failed beside others runs once more alone; its first failure stays in the output, to be looked into.
AGAIN := echo "Once more, alone, what failed above:" && $(BIN)/python -m pytest --last-failed --last-failed-no-failures none
# Every process of the tests would compile the tests, and every server and worker all of Evident, anew.
unexport PYTHONDONTWRITEBYTECODE
# what bash's `time` says after each stage of the tests
export TIMEFORMAT := took %0lR

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Evident needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

.venv/installed-test: .venv/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	@touch $@

setup: .venv/installed ## install everything into .venv

run: .venv/installed ## serve the dashboard at http://127.0.0.1:8050 (PORT=... moves it)
	@exec $(BIN)/evident serve --port $(PORT)

node_modules/installed: package.json .venv/installed-test
	$(NODE) npm install --no-package-lock --ignore-scripts --no-audit --no-fund --silent
	@touch $@

browser: .venv/installed-test
	@$(BIN)/python tests/browser/provide.py

database: .venv/installed-test
	@$(BIN)/python tests/backend/provide.py

check: .venv/installed-test node_modules/installed ## lint, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(NODE) node_modules/@biomejs/biome/bin/biome check --error-on-warnings
	$(NODE) node_modules/typescript/bin/tsc

test: .venv/installed-test browser database check ## the whole suite, real browser included
	time $(NODE) --test --test-reporter=spec tests/frontend/evident/*.test.mjs
	time $(BIN)/python -m pytest -n 2 --dist loadfile $(addprefix --ignore=,$(BROWSER) $(KILLING))
	time $(BIN)/python -m pytest -n 2 --dist loadfile $(BROWSER) || { test $$? -eq 1 && $(AGAIN) $(BROWSER); }
	time $(BIN)/python -m pytest -n 2 --dist loadfile $(KILLING)

bench: .venv/installed-test ## cost over the floor and against public implementations (ARGS="--only peers --compare FILE")
	$(BIN)/evident bench $(ARGS)

clean: ## remove what was installed and computed here
	rm -rf .venv node_modules build *.egg-info data .pytest_cache .mypy_cache .ruff_cache
