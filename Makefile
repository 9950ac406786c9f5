# make alone lists the targets
.DEFAULT_GOAL := help
SHELL := /bin/sh

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SHELLCHECKED := overlays/firewall/opt/kubernetes/bin/bundler-firewall overlays/images/opt/kubernetes/bin/import-images \
	overlays/objects/opt/kubernetes/bin/apply-objects tools/setup tools/kubernetes .ci/run

.PHONY: help demo test lint kubernetes unit core e2e cover bench fmt clean

help: ## list the targets
	@sed -n 's/^\([a-z0-9]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST)

$(READY): pyproject.toml tools/setup tools/constraints.txt
	tools/setup python $(PYTHON) $(VENV)
	@touch $@

demo: $(READY) ## build examples/three-node for real and try every bundle out
	@$(BIN)/python -m demo

test: $(READY) ## lint, types, all tests
	@tools/setup system
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory kubernetes
	@$(MAKE) --no-print-directory unit

lint: $(READY) ## ruff, mypy, import contract, shellcheck
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	shellcheck -s sh $(SHELLCHECKED)

# 75: Debian's source cannot be reached; it says so, and so does each test that is skipped for it
kubernetes: ## Kubernetes 1.20 from Debian's source, for the tests (minutes, once)
	@tools/kubernetes >/dev/null || [ $$? -eq 75 ]

unit: $(READY) ## all tests, on all cores
	$(BIN)/pytest -n auto --dist loadgroup -q tests

core: $(READY) ## the rehearsal of three machines, core set
	@tools/setup vm
	@$(MAKE) --no-print-directory kubernetes
	BUNDLER_E2E=core $(BIN)/pytest -q -s tests/e2e

e2e: $(READY) ## all scenarios in virtual machines
	@tools/setup vm
	@$(MAKE) --no-print-directory kubernetes
	BUNDLER_E2E=all $(BIN)/pytest -q -s tests/e2e

cover: $(READY) ## the tests with branch coverage
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -q tests
	$(BIN)/coverage combine -q
	$(BIN)/coverage report

bench: $(READY) ## speed, as ratios against tar and sha256sum
	$(BIN)/python -m bench
	$(BIN)/python -m bench.installer

fmt: $(READY) ## format
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean: ## remove what was built here (not state/, not the store)
	rm -rf build .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.* dist/three-node
