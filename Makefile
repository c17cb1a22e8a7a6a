# Every target makes ready what it needs: Python 3.11 and make are all that a fresh machine must have.
STACK ?= dev
BASE ?= origin/main
PYTHON ?= python3
ARGS ?=

VENV := .local/venv
PY := $(VENV)/bin/python
UV := $(VENV)/bin/uv
READY := $(VENV)/.ready
# Empty where the environment works; an upgrade of Python leaves one behind that does not.
BROKEN := $(shell { test -e $(READY) && $(PY) -c "import uv"; } >/dev/null 2>&1 || echo yes)
# Whether nothing can run that would have to be stopped: no environment, no cloud.
IDLE := $(and $(BROKEN),$(if $(wildcard $(or $(ENGRAM_LOCAL),.local)/cloud),,yes))
LOCKS := requirements-dev.txt local/toolchain/requirements-bootstrap.txt
# Who judges us from outside, and what workflows run on; only tests need them.
JUDGES := .local/checkov/.ready .local/trestle/.ready .local/bin/actionlint .local/bin/temporal

.DEFAULT_GOAL := help
.PHONY: help setup up preview refresh policies evidence review demo memory destroy restart psql kubectl status down clean test unit e2e kills check format bench lock docs FORCE

export MYPY_CACHE_DIR := .local/cache/mypy
export RUFF_CACHE_DIR := .local/cache/ruff

help: ## Show the targets.
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "STACK=dev|test|uat|prod chooses the stack (dev); ARGS=--json answers for machines."

$(READY): $(LOCKS) $(and $(BROKEN),FORCE)
	@$(PYTHON) local/toolchain/bootstrap.py

.local/checkov/.ready: assurance/checkov/requirements.txt
.local/trestle/.ready: assurance/compliance/trestle/requirements.txt
.local/%/.ready: $(READY)
	@$(PY) -m local.toolchain.environments $*

.local/bin/actionlint: local/toolchain/actionlint/go.sum $(READY)
	@$(PY) -m local.toolchain.linters

.local/bin/temporal: local/toolchain/temporal/go.sum $(READY)
	@$(PY) -m local.toolchain.workflow_server

setup: $(READY) ## Build and install the tools; every other target does so when needed.
	@$(PY) -m local setup $(ARGS)

up: $(READY) ## Bring the stack up on this machine, and say what stands.
	@$(PY) -m local up --stack $(STACK) $(ARGS)

preview: $(READY) ## Show what `make up` would change.
	@$(PY) -m local preview --stack $(STACK) $(ARGS)

refresh: $(READY) ## Compare the stack with what is there, and show the drift.
	@$(PY) -m local refresh --stack $(STACK) $(ARGS)

policies: $(READY) ## List the rules that every stack is judged by.
	@$(PY) -m assurance policies list $(ARGS)

evidence: setup ## Write the evidence of the stack that stands: for the auditor.
	@$(PY) -m local evidence --stack $(STACK) $(ARGS)

review: setup ## Write the review of what changed since BASE: for the reviewer.
	@$(PY) -m local review --base $(BASE) $(ARGS)

demo: $(READY) ## Write memories into the stack that stands, find them, rotate their key, forget them.
	@$(PY) -m local demo --stack $(STACK) $(ARGS)

memory: $(READY) ## Day 2 of the stack that stands: make memory ARGS="verify".
	@$(PY) -m local memory --stack $(STACK) -- $(ARGS)

destroy: $(READY) ## Remove the stack's resources; uat and prod are protected.
	@$(PY) -m local destroy --stack $(STACK) $(ARGS)

restart: $(READY) ## Restart the stack's server: static parameters take effect.
	@$(PY) -m local restart --stack $(STACK) $(ARGS)

kubectl: $(READY) ## Talk to the stack's cluster: make kubectl ARGS="get pods".
	@$(PY) -m local kubectl --stack $(STACK) -- $(ARGS)

psql: $(READY) ## Open the memory database of the stack.
	@$(PY) -m local psql --stack $(STACK) $(ARGS)

status: $(READY) ## Show stacks, servers and ports.
	@$(PY) -m local status $(ARGS)

# These two need no network: an environment that works serves, whatever the locks say by now.
down: $(if $(IDLE),,$(and $(BROKEN),$(READY))) ## Stop what this clone started; data stays.
	@$(if $(IDLE),:,$(PY) -m local down $(ARGS))

clean: $(if $(IDLE),,$(and $(BROKEN),$(READY))) ## Stop everything and remove all generated files.
	@$(if $(IDLE),$(if $(ENGRAM_LOCAL),:,rm -rf .local),$(PY) -m local clean $(ARGS))

test: unit e2e ## Run all tests.

unit: setup $(JUDGES) ## Run the tests that need no engine.
	@$(PY) -m pytest -n auto --dist loadgroup -m "not e2e and not azure" $(ARGS)

e2e: setup ## Run the tests that run the real engine.
	@$(PY) -m pytest -m "e2e and not azure" $(ARGS)

kills: export ENGRAM_KILLS := 50
kills: setup $(JUDGES) ## Kill every job at fifty moments, its database at ten: takes long.
	@$(PY) -m pytest -n auto --dist loadgroup -k "killed or under_fire" tests/memory

check: $(READY) ## Check style, types, imports between rooms and documentation.
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy .
	@$(PY) -m pytest -q tests/test_doors.py tests/test_docs.py tests/test_reference.py

format: $(READY) ## Format the code.
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

bench: setup ## Measure ratios, and where the time goes.
	@$(PY) -m bench $(ARGS)

COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock"

lock: $(READY) ## Write the locks anew from the *.in files.
	@$(COMPILE) requirements.in -o requirements.txt
	@$(COMPILE) memory/requirements.in -o memory/requirements.txt
	@$(COMPILE) requirements-dev.in -o requirements-dev.txt
	@$(COMPILE) local/toolchain/requirements-bootstrap.in -o local/toolchain/requirements-bootstrap.txt
	@$(COMPILE) local/toolchain/requirements-go.in -o local/toolchain/requirements-go.txt
	@$(COMPILE) assurance/checkov/requirements.in -o assurance/checkov/requirements.txt
	@$(COMPILE) assurance/compliance/trestle/requirements.in -o assurance/compliance/trestle/requirements.txt

docs: $(READY) ## Generate the reference pages.
	@$(PY) -m docs $(ARGS)
