# Everything runs in .venv, made on the first call and renewed when what it is made from changes.
# Needs Python 3.11 or later, make, and a package registry that pip knows.

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && break; done)
VENV   := .venv
BIN    := $(VENV)/bin

# The same versions everywhere, also of what builds the package (pip 25.3 and later want the second name).
# Relative, because pip splits the value at spaces.
export PIP_CONSTRAINT := constraints.txt
export PIP_BUILD_CONSTRAINT := constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test run check bench clean
.DEFAULT_GOAL := demo

demo: $(VENV)/runtime
	@$(BIN)/python tests/whole/demo.py

# Two processes, for tests wait more than they compute. Of a file all tests run in one, since some share a daemon;
# files come in the order of tests/conftest.py, for pytest would leave those with few and long tests for the end.
PYTEST ?= -n 2 --dist loadfile --no-loadscope-reorder

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

# A stamp, so that an environment whose making was interrupted is made again.
$(VENV)/made:
	@test -n "$(PYTHON)" || { echo "foliod needs Python 3.11 or later (Debian: apt install python3 python3-venv)" >&2; exit 1; }
	@# Debian's python3 alone can't fill an environment; virtualenv, uv or pip can.
	@rm -rf $(VENV); $(PYTHON) -m venv $(VENV) >/dev/null 2>&1 \
	  || { rm -rf $(VENV); $(PYTHON) -m virtualenv -q $(VENV) 2>/dev/null; } \
	  || { rm -rf $(VENV); uv venv -q --seed --python $(PYTHON) $(VENV) 2>/dev/null; } \
	  || { rm -rf $(VENV); $(PYTHON) -m venv --without-pip $(VENV) 2>/dev/null \
	       && $(PYTHON) -m pip --python $(BIN)/python install -q pip 2>/dev/null; } \
	  || { rm -rf $(VENV); echo "$(PYTHON) can't make an environment: install python3-venv, virtualenv or uv" >&2; exit 1; }
	@touch $@

$(VENV)/runtime: $(VENV)/made pyproject.toml constraints.txt
	@echo "Installing foliod into $(VENV) (the first time this takes a minute)"
	@$(BIN)/python -m pip install -q -e .
	@touch $@

$(VENV)/dev: $(VENV)/runtime
	@echo "Installing the tools for tests and checks"
	@$(BIN)/python -m pip install -q \
	  $$($(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["dev"])')
	@touch $@
