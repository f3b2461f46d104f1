# Every target sets up what it needs; `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO := demo

.DEFAULT_GOAL := help
.PHONY: help setup demo test long lint types pages bench rivals clean

help:  ## List the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

setup: $(STAMP)  ## Make .venv with all that development needs

$(STAMP): pyproject.toml .ci/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "distillaw needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..." >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "this Python has no ensurepip; install it first (Debian, Ubuntu: apt-get install python3-venv)" >&2; exit 2; }
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (about a minute)" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c .ci/constraints.txt -e '.[dev]'
	@touch $(STAMP)

demo: $(STAMP)  ## Train teachers and students, fit a law, plan with it, draw it: three to four minutes
	@echo "Models of 7 to 187 thousand parameters on the text of Python's own library. The commands, as they run:"
	$(BIN)/distillaw sweep run data/grids/demo.toml --out $(DEMO)/sweep --workers 2
	$(BIN)/distillaw sweep collect $(DEMO)/sweep --out $(DEMO)/runs.csv
	$(BIN)/distillaw fit $(DEMO)/runs.csv --fix gamma=1 --bootstrap 200 --out $(DEMO)/law.json
	$(BIN)/distillaw plan teacher-exists --student 50K --budget 3e11 --teacher 187K --teacher-tokens 1024K --law $(DEMO)/law.json
	$(BIN)/distillaw plan train-teacher --student 50K --budget 1e12 --law $(DEMO)/law.json
	$(BIN)/distillaw figures 1 5 6 8 --law $(DEMO)/law.json --runs $(DEMO)/runs.csv --out $(DEMO)/figures
	@echo
	@echo "Runs, law and figures are in $(DEMO)/. At this scale laws err by 1 to 2 %, and runs of a few hundred steps by more,"
	@echo "so a margin of that size between distilling and training directly means nothing. See README.md, 'Honest limits'."

test: $(STAMP)  ## Run the tests, but for those of `make long`
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m 'not long'

long: $(STAMP)  ## Run the tests that take long: kills at random moments, a real Slurm, a real Ray, the paper's own fitting
	@$(BIN)/python -m pytest -n 3 --dist loadfile -m long

lint: $(STAMP)  ## Check style and architecture
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --config pyproject.toml

types: $(STAMP)  ## Check types
	@$(BIN)/mypy

pages: $(STAMP)  ## Run the notebook and the commands of docs/how-to-choose.md again, and keep what they print
	@$(BIN)/python tests/house/make_pages.py

bench: $(STAMP)  ## Run the benchmarks; rivals that are not installed are named (see rivals)
	@$(BIN)/python -m pytest benchmarks --benchmark-only --benchmark-columns=median,min,max,rounds
	@$(BIN)/python benchmarks/compare_fits.py
	@$(BIN)/python benchmarks/certify_plans.py
	@$(BIN)/python benchmarks/training_step.py
	@$(BIN)/python benchmarks/loss_head.py
	@$(BIN)/python benchmarks/logit_cache.py
	@$(BIN)/python benchmarks/grid_throughput.py

rivals: $(STAMP)  ## Install what the benchmarks compare with
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c .ci/constraints.txt -e '.[bench]'

clean:  ## Remove what the targets made
	rm -rf $(VENV) $(DEMO) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .benchmarks
