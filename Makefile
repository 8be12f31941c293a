# Every verb. `make help` lists them; only Python 3.11+ and make are needed.
SHELL := /bin/bash
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Kept: the tests start hundreds of processes, and without it each compiles anew all that it imports.
export PYTHONDONTWRITEBYTECODE :=
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
TAG ?= local
BIN := $(VENV)/bin
UV := $(BIN)/uv
SERVICES := ingest debounce delivery settings
IMAGES := $(SERVICES) operator simulators demo
PACKAGES := libs/common services/ingest services/debounce services/delivery services/settings \
            tools/cli tools/devstack tools/simulators tools/demo

.PHONY: bench-delivery help install lock docs format lint types test test-faults check simulate bench-debounce bench-debounce-10m demo demo-kill up down images k8s-local clean
help: ## This list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-19s %s\n", $$1, $$2}'

install: $(VENV)/.installed ## Everything this repository needs, into .venv, checked by hash
$(VENV)/.installed: requirements/dev.txt requirements/uv.txt $(PACKAGES:%=%/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Lull needs Python 3.11 or newer; this is %d.%d. Set PYTHON=python3.x" % sys.version_info[:2])'
	@echo "Installing into $(VENV): about a minute the first time"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements/uv.txt
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation $(PACKAGES:%=-e %)
	@touch $@

COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
          --no-emit-find-links --custom-compile-command "make lock" $(foreach p,common delivery devstack settings simulators,--no-emit-package lull-$(p))
lock: ## Write requirements/*.txt anew (the only way a version changes)
	@test -x $(UV) || { $(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install --quiet uv; }
	@echo uv | $(COMPILE) - -o requirements/uv.txt
	@printf 'hatchling\ncyclonedx-bom\n' | $(COMPILE) - -o requirements/build.txt
	@for image in $(SERVICES); do $(COMPILE) services/$$image/pyproject.toml -o requirements/$$image.txt; done
	@$(COMPILE) tools/cli/pyproject.toml -o requirements/operator.txt
	@for image in simulators demo; do $(COMPILE) tools/$$image/pyproject.toml -o requirements/$$image.txt; done
	@$(COMPILE) --group dev --all-extras $(PACKAGES:%=%/pyproject.toml) -o requirements/dev.txt

docs: install ## Write .env.example and docs/configuration.md anew from the config classes
	@$(BIN)/python tools/docs/generate.py

format: install ## Let ruff put the code in shape
	@$(BIN)/ruff check --fix-only --quiet . ; $(BIN)/ruff format --quiet .

lint: install ## ruff, and the direction of imports
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --check --quiet . && $(BIN)/lint-imports --no-cache

types: install ## mypy --strict over everything
	@$(BIN)/mypy .

# A file's tests stay together, as they share what it starts; each process brings a Kafka and a PostgreSQL of its own.
# Half of a test is waiting, so there is one process more than the two cores that the times below are said for. Files run in
# the order of their folders: the longest are then not the last, with one process left to run them.
PYTEST = $(BIN)/pytest -q -n $(or $(WORKERS),3) --dist loadfile --no-loadscope-reorder
test: install ## All tests on a real Kafka and PostgreSQL, in three processes (WORKERS=1 for one)
	@$(BIN)/lull-devstack warm
	@$(PYTEST)

test-faults: install ## The same tests at their full numbers: more histories, more kills (up to 60 minutes)
	@$(BIN)/lull-devstack warm
	@LULL_TEST_SIZE=faults $(PYTEST)

check: lint types test ## What CI runs

simulate: install ## A million seeded histories of debounce (hours; HISTORIES=20000 for fewer)
	@$(BIN)/python -m debounce.simulation --histories $(or $(HISTORIES),1000000)

bench-debounce: install ## Debounce beside Kafka Streams and quixstreams (an hour on an idle machine; JDK 17 for Streams)
	@$(BIN)/python -m bench.debounce.plan full

bench-delivery: install ## Delivery from settled to note: throughput, time, what neighbours do to it (an hour on an idle machine)
	@$(BIN)/python -m bench.delivery backlog
	@$(BIN)/python -m bench.delivery statements --delays 100 --notes 5000
	@$(BIN)/python -m bench.delivery idle --delays 100 --workspaces 100
	@$(BIN)/python -m bench.delivery actions --delays 100 --workspaces 100
	@$(BIN)/python -m bench.delivery noise --seconds 20 --per-s 20
	@$(BIN)/python -m bench.delivery table

bench-debounce-10m: install ## The same at ten million updates (75 minutes more, 10 GB of disk)
	@$(BIN)/python -m bench.debounce.plan 10m

demo: install ## Start everything, play scripted conversations, check what became of each
	@$(BIN)/lull-demo demo

demo-kill: install ## The demo while every process, Kafka and PostgreSQL too, is killed with -9
	@$(BIN)/lull-demo kill

up: install ## Start everything and leave it running (LIVE=.env for real credentials; REPLICAS=2 of each service)
	@$(BIN)/lull-demo up $(if $(LIVE),--live $(LIVE)) $(if $(REPLICAS),--replicas $(REPLICAS))

down: ## Stop what `make up` started
	@test ! -x $(BIN)/lull-demo || $(BIN)/lull-demo down

images: ## Build every image; IMAGES="ingest debounce" for some, TAG=0.1.0 for another tag than `local`
	@for image in $(IMAGES); do \
	  echo "lull/$$image:$(TAG)"; \
	  DOCKER_BUILDKIT=1 docker build --quiet --target $$image --tag lull/$$image:$(TAG) \
	    --build-arg VERSION=$(TAG) --build-arg REVISION=$$(git rev-parse HEAD 2>/dev/null || echo unknown) . >/dev/null || exit 1; \
	done

k8s-local: images ## The product with simulators on the Kubernetes that kubectl points at (images must reach its nodes)
	@deploy/k8s/local up

clean: down ## Remove what demos and tests left behind (not the downloads in the user's cache)
	@rm -rf .lull .pytest_cache .mypy_cache .ruff_cache .hypothesis
