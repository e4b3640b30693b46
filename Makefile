# Every command a person needs; continuous integration calls the same ones. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
# Where the surroundings forbid it, every start of the server would compile all of it again: half as much again for each.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
BIN := .venv/bin
STAMPS := .stamps
SCRIPTED := build/corral-demo.gguf
HOST ?= 127.0.0.1
PORT ?= 3000
DATA ?= data

WEB_SOURCES := $(shell find web -path web/node_modules -prune -o -type f -print 2>/dev/null)

.PHONY: help run setup test test-faults check bench lighthouse docs fmt lock cria wheel clean

help: ## lists these commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

run: setup ## sets everything up and starts Corral (HOST, PORT, DATA)
	@exec $(BIN)/corral serve --host $(HOST) --port $(PORT) --data $(DATA)

setup: $(STAMPS)/run $(STAMPS)/web ## prepares .venv and the web build

test: $(STAMPS)/tools setup $(SCRIPTED) ## sets up what tests need and runs all of them
	@$(BIN)/python tools/run_tests.py

test-faults: $(STAMPS)/tools setup $(SCRIPTED) ## the fault tests with larger numbers
	@TEST_SCALE=thorough $(BIN)/python -m pytest --timeout=7200 tests/faults tests/unit tests/contract tests/integration/test_engines_machine.py \
		tests/integration/test_failover_table.py tests/integration/test_fit.py tests/integration/test_cria.py tests/e2e/test_accessibility.py tests/integration/test_residency_machine.py tests/integration/test_engines_pitfalls.py tests/integration/test_engines_residency.py tests/integration/test_engines_changes.py

check: $(STAMPS)/dev $(STAMPS)/web ## lint, types, import order, size gates, web checks, docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/gates.py
	$(BIN)/python tools/reference.py --check
	npm --prefix web run --silent check

bench: $(STAMPS)/tools setup $(SCRIPTED) ## measures, prints a table; ONLY=dataplane for one benchmark
	@$(BIN)/python -m bench $(if $(ONLY),--only $(ONLY))

lighthouse: $(STAMPS)/tools setup $(SCRIPTED) ## holds the first page to its limits, as Lighthouse sees it
	@$(BIN)/python -m bench --only lighthouse --quick || { echo "Once more, should the machine have been busy"; $(BIN)/python -m bench --only lighthouse --quick; }

docs: $(STAMPS)/dev ## writes docs/reference from the code
	@$(BIN)/python tools/reference.py

fmt: $(STAMPS)/dev ## formats and mends what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(STAMPS)/dev ## resolves and pins the dependencies again
	$(BIN)/python tools/lock.py

cria: $(STAMPS)/run ## trains the included model again (hours; goes on where it was cut)
	@$(PYTHON) -m venv .venv-cria
	@.venv-cria/bin/python -m pip install -q --disable-pip-version-check -r tools/cria/requirements.txt
	@.venv-cria/bin/python -m tools.cria

wheel: $(STAMPS)/dev setup ## builds the wheel into dist/
	$(BIN)/python -m hatchling build -t wheel

clean: ## removes what was built; data/ stays
	rm -rf .venv .bench $(STAMPS) src/corral/web_dist web/node_modules dist

$(BIN)/python:
	@echo "Making .venv"
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Corral needs Python 3.11 or newer; set PYTHON=")'
	@$(PYTHON) -m venv .venv

$(STAMPS)/run: $(BIN)/python requirements/run.txt requirements/build.txt pyproject.toml
	@echo "Installing the Python packages (about a minute the first time)"
	@mkdir -p $(STAMPS)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/run.txt -r requirements/build.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(STAMPS)/dev: $(STAMPS)/run requirements/dev.txt
	@echo "Installing the packages for tests and checks"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

$(STAMPS)/web-packages: web/package.json web/package-lock.json
	@echo "Installing the web packages"
	@mkdir -p $(STAMPS)
	@cd web && npm ci --silent --no-audit --no-fund
	@touch $@

$(STAMPS)/web: $(STAMPS)/web-packages $(WEB_SOURCES)
	@echo "Building the web app"
	@npm --prefix web run --silent build
	@touch $@

$(SCRIPTED): $(STAMPS)/dev tools/scripted_model.py
	@echo "Writing the scripted model for the tests"
	@mkdir -p build
	@$(BIN)/python tools/scripted_model.py --out $@

$(STAMPS)/tools: $(STAMPS)/dev tools/test_tools.sh
	@bash tools/test_tools.sh
	@touch $@
