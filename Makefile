# Gristmill: the ways in. `make` alone explains them.
PYTHON ?= python3
RECIPE ?= sample
TESTS ?= tests
JOBS ?= 2
VENV := .venv
STAMP := $(VENV)/set-up-done

.DEFAULT_GOAL := help
CONTEST ?=
PEERS := .bench/peers

.PHONY: help run test lint types check bench clean setup

help:
	@echo "make run      install once into $(VENV), then run the whole recipe: crawl in, evaluated model out"
	@echo "make test     the same set-up, then every test    (make test TESTS=tests/storage: only those; JOBS=4)"
	@echo "make check    lint and types                      (make lint, make types: one of them)"
	@echo "make bench    us beside our peers on the same documents (make bench CONTEST=language: one); needs real data"
	@echo "make setup    only the set-up; done again when the pins change"
	@echo "make clean    says what can be made again and its size; make clean YES=1 deletes it (never the lake)"
	@echo
	@echo "PYTHON=python3.12 chooses the interpreter (3.11, 3.12 or 3.13); RECIPE=... another recipe than '$(RECIPE)'."

run: $(STAMP)
	$(VENV)/bin/gristmill run $(RECIPE)

test: $(STAMP)
	@$(VENV)/bin/gristmill sample
	$(VENV)/bin/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(TESTS)

lint: $(STAMP)
	$(VENV)/bin/ruff check .

types: $(STAMP)
	$(VENV)/bin/pyright

check: lint types

bench: $(STAMP) $(PEERS)/done
	$(VENV)/bin/python -m benchmarks $(CONTEST)

$(PEERS)/done: benchmarks/peers.txt
	@echo "bench: installs the peers into $(PEERS)"
	@$(PYTHON) -m venv $(PEERS) && $(PEERS)/bin/pip install -q --upgrade pip && $(PEERS)/bin/pip install -q -r benchmarks/peers.txt
	@touch $@

setup: $(STAMP)

# The stamp is written last: a set-up that was cut short is done again.
$(STAMP): deployments/constraints.txt deployments/bootstrap.sh pyproject.toml
	@PYTHON="$(PYTHON)" VENV="$(VENV)" bash deployments/bootstrap.sh

clean:
	@YES="$(YES)" bash deployments/clean.sh
