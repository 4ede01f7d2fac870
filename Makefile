# Everything runs in .venv, made on the first call and renewed when what it is made from changes.
# Needs Python 3.11 or later, make, and a package registry that pip knows.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: demo test run check bench clean
.DEFAULT_GOAL := demo

demo: $(VENV)/runtime
	@$(BIN)/python tests/whole/demo.py

test: $(VENV)/dev
	@$(BIN)/python -m pytest $(PYTEST)

run: $(VENV)/runtime
	@mkdir -p inbox
	@echo "Drop PDFs into $(CURDIR)/inbox, and ask from another terminal:"
	@echo "    $(BIN)/foliod status --watch"
	@echo "    $(BIN)/foliod ask \"What is this about?\""
	@echo "Ctrl-C ends it."
	@exec $(BIN)/foliod run --watch inbox

check: $(VENV)/dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# How well the right page is found, and what a question waits for: see tests/bench.
bench: $(VENV)/runtime
	@$(BIN)/python tests/bench/lag.py

clean:
	rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# --- the environment --------------------------------------------------------------------

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "foliod needs Python 3.11 or later; set PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 \
	  || { rm -rf $(VENV); $(PYTHON) -m virtualenv -q $(VENV) 2>/dev/null; } \
	  || { rm -rf $(VENV); uv venv -q --seed --python $(PYTHON) $(VENV) 2>/dev/null; } \
	  || { rm -rf $(VENV); echo "No virtual environment can be made: install python3-venv, virtualenv or uv"; exit 1; }

# PIP_CONSTRAINT also pins what builds the package.
$(VENV)/runtime: $(BIN)/python pyproject.toml constraints.txt
	@echo "Installing foliod into $(VENV) (the first time this takes a minute)"
	@PIP_CONSTRAINT=$(CURDIR)/constraints.txt $(BIN)/python -m pip install -q --disable-pip-version-check -e .
	@touch $@

$(VENV)/dev: $(VENV)/runtime
	@echo "Installing the tools for tests and checks"
	@PIP_CONSTRAINT=$(CURDIR)/constraints.txt $(BIN)/python -m pip install -q --disable-pip-version-check \
	  $$($(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["dev"])')
	@touch $@
