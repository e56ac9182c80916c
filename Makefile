# Everything happens in .venv, made by the first target that needs it. Another Python than
# python3: make demo PYTHON=python3.13
PYTHON = python3
VENV := .venv
PIP := $(VENV)/bin/python -m pip install -qq --disable-pip-version-check -c constraints.txt

# By several processes, each with servers of its own, and a test at a time to whoever is free.
PYTEST := -m pytest -n auto --dist load --maxschedchunk 1

.PHONY: help demo quick test coverage lint check bench fuzz floors truth clean
.DELETE_ON_ERROR:

help:
	@echo "make demo    see it work: own servers, made-up data, nothing to set up"
	@echo "make quick   the tests that need no server and no process, in seconds"
	@echo "make test    all tests, in minutes (ARGS='-k queue' for some of them)"
	@echo "make coverage the same, and how much of the code they run"
	@echo "make lint    ruff, mypy and import-linter"
	@echo "make check   both"
	@echo "make bench   measure it beside the project one would write and Scrapy by itself"
	@echo "make fuzz    examples and answers nobody thought of, for SECONDS=60"
	@echo "make floors  the tests without processes, with the lowest versions that we claim"
	@echo "make truth   whole lives beside an independent truth (ARGS='--kills 5', ARGS=--help)"
	@echo "make clean   remove .venv and caches; the data in .rankspider stays"

demo: $(VENV)/.demo-installed
	@$(VENV)/bin/python -m scrapy demo

test: $(VENV)/.dev-installed
	@$(VENV)/bin/python $(PYTEST) $(ARGS)

quick: $(VENV)/.dev-installed
	@$(VENV)/bin/python $(PYTEST) tests/unit $(ARGS)

coverage: $(VENV)/.dev-installed
	@$(VENV)/bin/python -m coverage erase
	@$(VENV)/bin/python -m coverage run $(PYTEST) $(ARGS)
	@$(VENV)/bin/python -m coverage combine --quiet
	@$(VENV)/bin/python -m coverage report

lint: $(VENV)/.dev-installed
	@$(VENV)/bin/python -m ruff check --quiet
	@$(VENV)/bin/python -m ruff format --check --quiet
	@$(VENV)/bin/python -m mypy --no-error-summary
	@$(VENV)/bin/lint-imports --no-logo >$(VENV)/imports.txt || { cat $(VENV)/imports.txt; exit 1; }
	@echo "ruff, mypy and import-linter have nothing to say"

check: lint coverage

bench: $(VENV)/.dev-installed
	@$(VENV)/bin/python -m benchmarks $(ARGS)

SECONDS = 60
fuzz: $(VENV)/.dev-installed
	@$(PIP) --group fuzz
	@$(VENV)/bin/python $(PYTEST) -m hypothesis --hypothesis-profile=explore
	@$(VENV)/bin/python -m tests.fuzz_answer -max_total_time=$(SECONDS)

floors: $(VENV)/.dev-installed
	@$(VENV)/bin/python -m tests.floors $(ARGS)

truth: $(VENV)/.dev-installed
	@$(VENV)/bin/python -m tests.truth $(ARGS)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
	find rankspider tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# Editable: what runs is always what stands here. Groups need a newer pip than older Pythons bring.
$(VENV)/.demo-installed: pyproject.toml requirements.txt constraints.txt $(VENV)/bin/python
	@echo "Installing into $(VENV): once, a minute or so"
	@$(PIP) "pip>=25.1"
	@$(PIP) -e ".[embedded]"
	@touch $@

$(VENV)/.dev-installed: $(VENV)/.demo-installed
	@echo "Installing the tools for tests and checks"
	@$(PIP) -e ".[embedded,export]" --group dev
	@touch $@

# Half-made, or its Python is gone or too old: then it is made anew, whatever its date.
ifneq ($(shell $(VENV)/bin/python -c "import pip, sys; print(sys.version_info >= (3, 11))" 2>&1 || :),True)
.PHONY: $(VENV)/bin/python
endif

$(VENV)/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON) here: install\
	 Python 3.11 or newer, or name one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || { echo "$(PYTHON) is\
	 $$($(PYTHON) --version 2>&1), and 3.11 or newer is needed: install one, or name one:\
	 make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c "import ensurepip, venv" 2>/dev/null || { echo "This Python cannot make a\
	 virtual environment: on Debian and Ubuntu, apt install python3-venv mends that" >&2; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear $(VENV)
