# Everything starts here; CI calls the same targets. Needs Python >= 3.11 and make; the rest is set up in .venv and .servers.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
FLOORS := $(VENV)-floors
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python
# some images set it: each of the many processes of the tests would compile all that it imports
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help tour test check style mypy pyright cover floors bench docs twins servers clean

help:                   ## say what there is
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "holdall needs Python >= 3.11: make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check uv
	$(INSTALL) -e . --group dev
	touch $@

tour: $(STAMP)          ## run the main job on embedded defaults
	$(BIN)/python -m holdall.cli.tour

test: $(STAMP) servers  ## set up and pass the tests; ARGS="tests/unit -k name" for some of them
	$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

check: style mypy pyright  ## format, lint, twins, types; with -j at once

style: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python tools/twins.py --check

mypy: $(STAMP)
	$(BIN)/mypy

pyright: $(STAMP)
	$(BIN)/pyright --pythonpath $(BIN)/python

cover: $(STAMP)         ## every branch of the pure core is tested
	$(BIN)/python -m coverage run --branch --source=src/holdall/core -m pytest -q tests/unit/core
	$(BIN)/python -m coverage report --skip-covered --fail-under=100

floors: $(STAMP) servers  ## pass the tests on the oldest releases that we say we take; ARGS as above
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(FLOORS)
	$(BIN)/uv pip compile --quiet --all-extras --no-deps --resolution lowest-direct --python $(FLOORS)/bin/python \
		--output-file $(FLOORS)/floors.txt pyproject.toml
	$(BIN)/uv pip install --quiet --python $(FLOORS)/bin/python --constraint $(FLOORS)/floors.txt -e . --group dev
	$(FLOORS)/bin/python -m pytest -n auto --dist worksteal $(ARGS)

twins: $(STAMP)         ## write the blocking twins
	$(BIN)/python tools/twins.py

# What needs no root is installed here; tests of a server that is not there are skipped, or fail where CI is set.
servers: $(STAMP)       ## install the servers of the tests that need no root
	$(BIN)/python -m holdall.testing.servers install || test -z "$$CI"

bench: $(STAMP)         ## measure, against the libraries below and the peers
	$(BIN)/python -m benchmarks

docs: $(STAMP)          ## build the manual
	$(INSTALL) --group docs
	$(BIN)/mkdocs build --strict

clean:                  ## remove what was set up
	rm -rf $(VENV) $(FLOORS) site .servers
