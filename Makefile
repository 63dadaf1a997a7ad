# Everything runs in a virtual environment that is made when it is first needed.
#   make demo                         needs only Python >= 3.11 and make
#   make test PIP_ARGS="--index-url URL"   installs from another index (another build of torch, say)

PYTHON   ?= python3
VENV     ?= .venv
PIP_ARGS ?=
TESTS    ?=
GATED    ?= bicubic
BIN      := $(VENV)/bin

.PHONY: help demo test test-all check gate format docs bench clean
.DEFAULT_GOAL := help

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | while IFS="$$(printf '\t')" read -r name what; do printf '  make %-10s %s\n' "$$name" "$$what"; done

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "bfrbench needs Python 3.11 or newer; run make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt $(PIP_ARGS) --group dev --editable .
	touch $@

demo: $(VENV)/.ready ## Show what works, on this machine, now
	$(BIN)/bfrbench demo

test: $(VENV)/.ready ## Run the fast tests (TESTS=tests/core for a part)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile $(TESTS)

test-all: $(VENV)/.ready ## Run every test, the slow ones too
	$(BIN)/python -m pytest -q -m "not benchmark" $(TESTS)

check: $(VENV)/.ready ## Lint, format, types, generated docs
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python docs/generate.py --check

gate: $(VENV)/.ready ## Run studio-ci and compare with the committed baseline
	rm -rf build/gate
	OMP_NUM_THREADS=1 $(BIN)/bfrbench run $(GATED) --board studio-ci --threads 1 --out build/gate
	$(BIN)/bfrbench gate build/gate --baseline leaderboards/studio-ci/baseline.json
	$(BIN)/bfrbench leaderboard build --check

format: $(VENV)/.ready ## Mend what the linter and the formatter can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(VENV)/.ready ## Write the generated pages of docs/
	$(BIN)/python docs/generate.py

bench: $(VENV)/.ready ## Run every benchmark, ours and the rivals side by side
	for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

clean: ## Remove the environment and every cache
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
