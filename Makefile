# groundshift: `make demo` runs the main job, `make test` the tests; both set up what they need.
PYTHON ?= python3.11
AREA ?= demo
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help setup demo test lint lock clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(READY) ## make .venv from the lock

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(READY)

demo: $(READY) ## satellite images to change maps: the six stages on the demo area (or AREA=name)
	@$(BIN)/groundshift run $(AREA)

test: $(READY) ## run the tests
	$(BIN)/pytest

lint: $(READY) ## style, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/yamllint --strict .

lock: ## pin every package again (needs uv)
	uv pip compile pyproject.toml --extra dev --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links --output-file requirements.lock

clean: ## remove what was made, keep the environment
	rm -rf data work mlflow.db mlartifacts mlruns
