# Everything there is to run. `make demo` and `make test` need only Python >= 3.11: they make .venv.
#
# Variables:  PYTHON=python3.12     the interpreter .venv is made with
#             FILE=disk.igvm        what `make demo` looks at
#             FIRMWARE=OVMF.fd      what `make demo` makes a file from, instead of looking for one
#             ARGS='-k merge -x'    goes to pytest or to the benchmark
#             FUZZ_SECONDS=600      how long each fuzz target runs

PYTHON ?=
FILE ?=
FIRMWARE ?=
ARGS ?=
FUZZ_SECONDS ?= 60
export PYTHON FILE FIRMWARE

BIN := .venv/bin
PY := $(BIN)/python

# One stamp for each set of packages in .venv, so that a second run installs nothing.
RUN := .venv/.installed-run
TEST := .venv/.installed-test
LINT := .venv/.installed-lint
DOCS := .venv/.installed-docs
FUZZ := .venv/.installed-fuzz

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test pythons check ruff format mypy pyright imports spelling coverage bench oracle docs \
	changelog fuzz wheel clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

$(RUN): pyproject.toml scripts/venv src/igvm/_version.py
	@scripts/venv
	@touch $@

.venv/.installed-%: $(RUN)
	@scripts/venv $*
	@touch $@

demo: $(RUN) ## a tour on a small file and on real firmware, or on FILE=path
	@$(PY) examples/demo.py $${FILE:+"$$FILE"}

test: $(TEST) ## all tests, on all cores
	$(PY) -m pytest -n auto $(ARGS)

pythons: $(TEST) ## quick tests on other Pythons that are here, and on the lowest versions allowed
	$(PY) scripts/other_pythons.py $(ARGS)

check: ruff mypy pyright imports spelling ## linters and type checkers

ruff: $(LINT)
	$(PY) -m ruff check
	$(PY) -m ruff format --check

mypy: $(TEST) $(LINT)
	$(PY) -m mypy

pyright: $(LINT)
	$(PY) -m pyright --pythonpath $(PY)

imports: $(LINT)
	$(BIN)/lint-imports --no-logo

spelling: $(LINT)
	$(BIN)/codespell

format: $(LINT) ## rewrite the code the way `make check` wants it
	$(PY) -m ruff check --fix-only --quiet
	$(PY) -m ruff format

coverage: $(TEST) ## all tests, and the lines and branches that none of them reach
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n auto $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# Without cargo the benchmark times igvm alone.
bench: $(TEST) $(if $(shell command -v cargo 2>/dev/null),oracle) ## how fast, beside the reference
	$(PY) -m bench $(ARGS)

oracle: ## build the reference program that tests compare with (needs cargo)
	@command -v cargo >/dev/null || { echo "make oracle needs cargo: https://rustup.rs" >&2; exit 1; }
	cargo build --release --manifest-path tests/oracle/Cargo.toml

docs: $(DOCS) ## the documentation, in docs/_build/html
	$(PY) -m sphinx --fail-on-warning --keep-going --quiet -b html docs docs/_build/html
	@echo "open docs/_build/html/index.html"

changelog: $(DOCS) ## what the next release's notes say so far
	$(BIN)/towncrier build --draft

fuzz: $(FUZZ) ## a short run of each fuzz target
	@$(PY) -c 'import atheris' 2>/dev/null || { echo "make fuzz needs atheris, which has no wheel for this platform" >&2; exit 1; }
	@set -e; for target in fuzz/fuzz_*.py; do \
		name=$$(basename $$target .py); found=fuzz/found/$$name; mkdir -p $$found; \
		echo "$$target, $(FUZZ_SECONDS) s; what it finds goes to $$found"; \
		$(PY) $$target -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=1024 \
			-artifact_prefix=$$found/ $$found fuzz/corpus/$$name; \
	done

wheel: $(RUN) ## build the wheel, install it in an environment of its own and run it
	@scripts/check-wheel

clean: ## remove everything that was made here
	rm -rf .venv build dist docs/_build docs/rules docs/structures htmlcov .coverage .coverage.* \
		.hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache tests/oracle/target
	find . -name .git -prune -o -name __pycache__ -type d -exec rm -rf {} +
