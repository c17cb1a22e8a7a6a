# Every target makes ready what it needs: Python 3.11 and make are all that a fresh machine must have.
STACK ?= dev
PYTHON ?= python3
ARGS ?=

VENV := .local/venv
PY := $(VENV)/bin/python
UV := $(VENV)/bin/uv
READY := $(VENV)/.ready
LOCKS := requirements-dev.txt local/toolchain/requirements-bootstrap.txt

.DEFAULT_GOAL := help
.PHONY: help setup up preview refresh destroy psql status down clean test unit e2e check format bench lock docs

help: ## Show the targets.
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "STACK=dev|test|uat|prod chooses the stack (dev); ARGS=--json answers for machines."

$(READY): $(LOCKS)
	@$(PYTHON) local/toolchain/bootstrap.py

setup: $(READY) ## Build and install the tools; every other target does so when needed.
	@$(PY) -m local setup $(ARGS)

up: $(READY) ## Bring the stack up on this machine, and say what stands.
	@$(PY) -m local up --stack $(STACK) $(ARGS)

preview: $(READY) ## Show what `make up` would change.
	@$(PY) -m local preview --stack $(STACK) $(ARGS)

refresh: $(READY) ## Compare the stack with what is there, and show the drift.
	@$(PY) -m local refresh --stack $(STACK) $(ARGS)

destroy: $(READY) ## Remove the stack's resources; uat and prod are protected.
	@$(PY) -m local destroy --stack $(STACK) $(ARGS)

psql: $(READY) ## Open the memory database of the stack.
	@$(PY) -m local psql --stack $(STACK) $(ARGS)

status: $(READY) ## Show stacks, servers and ports.
	@$(PY) -m local status $(ARGS)

down: $(READY) ## Stop what this clone started; data stays.
	@$(PY) -m local down $(ARGS)

clean: $(READY) ## Stop everything and remove all generated files.
	@$(PY) -m local clean $(ARGS)

test: unit e2e ## Run all tests.

unit: $(READY) ## Run the tests that need no engine.
	@$(PY) -m pytest -n auto -m "not e2e and not azure" $(ARGS)

e2e: setup ## Run the tests that run the real engine.
	@$(PY) -m pytest -m "e2e and not azure" $(ARGS)

check: $(READY) ## Check style and types.
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy .

format: $(READY) ## Format the code.
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

bench: setup ## Measure ratios, and where the time goes.
	@$(PY) -m bench $(ARGS)

COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock"

lock: $(READY) ## Write the locks anew from the *.in files.
	@$(COMPILE) requirements.in -o requirements.txt
	@$(COMPILE) requirements-dev.in -o requirements-dev.txt
	@$(COMPILE) local/toolchain/requirements-bootstrap.in -o local/toolchain/requirements-bootstrap.txt
	@$(COMPILE) local/toolchain/requirements-go.in -o local/toolchain/requirements-go.txt

docs: $(READY) ## Generate the reference pages.
	@$(PY) -m docs $(ARGS)
