# groundshift: `make demo` runs the main job, `make test` the tests; both set up what they need.
PYTHON ?= python3.11
AREA ?= demo
FOLDER ?= build/evaluation
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
KERNELS := $(wildcard groundshift/*.h groundshift/*/*.[ch])

.PHONY: help setup demo evaluate s3 bench test lint lock images images-audit clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY) ## make .venv from the lock

$(READY): requirements.lock pyproject.toml $(KERNELS)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(READY)

demo: $(READY) ## satellite images to change maps: the six stages on the demo area (or AREA=name)
	@$(BIN)/groundshift run training --area $(AREA)

evaluate: $(READY) ## scores against known truth, three cities: docs/evaluation.md (hours; FOLDER=)
	$(BIN)/python -m benchmarks.city_scores $(FOLDER)

s3: $(READY) ## an S3 server on this machine (SeaweedFS, data in work/s3) until Ctrl-C
	@$(BIN)/python -m pipelines.seaweed

test: $(READY) ## run the tests, on two cores if there are two
	$(BIN)/pytest --numprocesses logical --maxprocesses 2 --dist loadfile --no-loadscope-reorder

lint: $(READY) ## style, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/yamllint --strict .

bench: $(READY) ## every stage beside the plain way to do it (SIZE=tiny|small|medium COMPARE=commit)
	@$(BIN)/python -m benchmarks.bench --size $(or $(SIZE),small) \
		$(if $(COMPARE),--compare $(COMPARE))

PIN := uv pip compile --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links --quiet
PIN_ALIKE := $(PIN) --constraint requirements.lock

lock: ## pin every package again (needs uv)
	$(PIN) pyproject.toml --extra dev --output-file requirements.lock
	$(PIN_ALIKE) pyproject.toml --output-file docker/light.lock
	$(PIN_ALIKE) pyproject.toml --extra network --output-file docker/network.lock
	$(PIN_ALIKE) pyproject.toml docker/gpu.in --extra network --no-emit-package tensorflow-cpu \
		--output-file docker/gpu.lock
	for name in build audit services; do \
		$(PIN_ALIKE) docker/$$name.in --output-file docker/$$name.lock || exit; done

IMAGES := $(PYTHON) docker/images.py $(if $(ENGINE),--engine $(ENGINE))

images: ## container images (TARGET= ENGINE=docker|podman|buildah BASE_IMAGE= REGISTRY= TAG= PUSH=1)
	$(IMAGES) build $(addprefix --target ,$(TARGET)) \
		$(if $(BASE_IMAGE),--base-image $(BASE_IMAGE)) \
		$(if $(REGISTRY),--registry $(REGISTRY)) $(if $(TAG),--tag $(TAG)) $(if $(PUSH),--push)

images-audit: ## their packages, licences and known vulnerabilities
	$(IMAGES) audit

clean: ## remove what was made, keep the environment
	rm -rf data work mlflow.db mlartifacts mlruns
