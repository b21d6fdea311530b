# The common tasks of this project; `make help` lists them.
# `make demo` and `make test` set everything up.

.DEFAULT_GOAL := help
.PHONY: help demo test check lint types pytest format docs messages pictures golden bench soak clean

VENV ?= .venv
BIN := $(VENV)/bin
# The first suitable Python on the PATH.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
WORKERS ?= 2

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /make \1	/p' $(MAKEFILE_LIST) | expand -t 14

demo: $(VENV)/.installed ## install, then render a digest of real papers
	@$(BIN)/digestbot demo

test: check ## install everything the tests need, then run every check and test

check: lint types pytest

lint: $(VENV)/.installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.installed-test
	$(BIN)/mypy

pytest: $(VENV)/.installed-test $(VENV)/.chromium node_modules/.installed
	$(BIN)/python -m pytest -n $(WORKERS) $(PYTEST_ARGS)

format: $(VENV)/.installed-test ## format, and apply automatic fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed-test ## regenerate the generated parts of the docs
	$(BIN)/python docs/generate.py

pictures: $(VENV)/.installed-test $(VENV)/.chromium ## retake the screenshots of the README
	$(BIN)/python docs/pictures.py

messages: $(VENV)/.installed-test ## extract translatable messages into the catalogues
	mkdir -p build
	$(BIN)/pybabel --quiet extract --mapping-file pyproject.toml --omit-header --no-location \
		--sort-output --output-file build/digestbot.pot .
	$(BIN)/pybabel --quiet update --domain digestbot --input-file build/digestbot.pot \
		--output-dir digestbot/locales --no-fuzzy-matching --ignore-obsolete --width 100
	@# Babel's header has placeholders and dates, which would change with every run.
	sed -E -i.bak -e '/^"[A-Za-z-]*(Date|By|To|Translator|Team): /d' \
		-e 's/^"Project-Id-Version:  /"Project-Id-Version: /' digestbot/locales/*/*/*.po
	rm digestbot/locales/*/*/*.po.bak

golden: $(VENV)/.installed-test ## regenerate the golden files; review them as a diff
	$(BIN)/python -m pytest tests/render --golden

bench: $(VENV)/.installed-bench $(VENV)/.postfix ## benchmark arXiv, feeds, filters, backtest, rendering and delivery; needs DIGESTBOT_CORPUS
	$(BIN)/python -m tests.bench.bench_arxiv
	$(BIN)/python -m tests.bench.bench_delivery $(BENCH_DELIVERY_ARGS)
	$(BIN)/python -m tests.bench.bench_feeds
	$(BIN)/python -m tests.bench.bench_filters $(BENCH_ARGS)
	$(BIN)/python -m tests.bench.bench_render
	$(BIN)/python -m tests.bench.bench_startup

soak: $(VENV)/.installed-test ## run the long tests: a billion engine decisions, mutated filters and feeds, 2,000 kills
	$(BIN)/python -m pytest -n $(WORKERS) -m soak $(PYTEST_ARGS)

clean: ## remove generated files
	rm -rf $(VENV) node_modules demo-out build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "digestbot needs Python 3.11 or newer on the PATH" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable .
	@touch $@

$(VENV)/.installed-test: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[test]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-bench: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[test,bench]'
	@touch $@ $(VENV)/.installed $(VENV)/.installed-test

$(VENV)/.postfix: tests/install-postfix.sh | $(VENV)/bin/python
	sh tests/install-postfix.sh $(VENV)
	@touch $@

$(VENV)/.chromium: tests/install-chromium.sh | $(VENV)/bin/python
	sh tests/install-chromium.sh $(VENV)
	@touch $@

# Data on the HTML and CSS that Gmail and Outlook support. No lock file: it would contain registry addresses.
node_modules/.installed: package.json
	@if command -v npm >/dev/null; then \
		npm install --no-package-lock --no-audit --no-fund --silent && touch $@; \
	else echo "no npm: the Gmail and Outlook CSS tests need Node.js 20.19" >&2; fi
