# make quickstart   set up .venv, train CycleGAN on the embedded digits, print the metric values (some minutes + set-up)
# make test         set up .venv, run the linters and the tests
# make test-studio install Playwright and Chromium, run the tests that drive the studio's page in a browser
# make docs         set up .venv, show the documentation in a browser, and again after each change of a page
# make reference    write docs/reference from the program
# make test-oldest  the tests on the oldest versions that pyproject.toml declares, in .venv-oldest (test-newest: the newest)
# PYTHON=python3.12 make …   takes another interpreter

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: quickstart test test-slow test-gpu test-studio test-oldest test-newest lint format docs reference

quickstart: $(READY)
	$(BIN)/ganzoo run recipes/quickstart.yaml

test: lint
	$(BIN)/pytest --numprocesses logical --maxprocesses 4 --dist worksteal

test-slow: $(READY)
	$(BIN)/pytest -m slow --numprocesses logical --maxprocesses 4 --dist worksteal

test-gpu: $(READY)
	$(BIN)/pytest -m gpu

test-studio: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt playwright
	@command -v chromium || command -v chromium-browser || command -v google-chrome || \
	  $$([ "$$(id -u)" = 0 ] || echo sudo) apt-get install -y --no-install-recommends chromium || \
	  { echo "Chromium is missing, and apt-get could not install it: install it, then again"; exit 1; }
	$(BIN)/pytest -m studio

# With Python 3.11 or 3.12: the oldest numpy has no build for later ones.
test-oldest: RESOLUTION := lowest-direct
test-newest: RESOLUTION := highest
test-oldest test-newest: test-%:
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/python -m pip install --quiet --disable-pip-version-check uv
	.venv-$*/bin/uv pip install --quiet --python .venv-$*/bin/python --upgrade --resolution $(RESOLUTION) --editable '.[dev]'
	.venv-$*/bin/pytest --numprocesses logical --maxprocesses 4 --dist worksteal

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve --livereload --open

reference: $(READY)
	$(BIN)/python -m tools.reference

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "ganzoo needs Python 3.11 or newer; '$(PYTHON)' is not. Install it, or: make PYTHON=/path/to/python3.12 …"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "this Python lacks its venv module; install it (Debian, Ubuntu: sudo apt install python3-venv), then again"; exit 1; }
	$(PYTHON) -m venv .venv
	@echo "installing into .venv: with torch about 3 GB are fetched, which takes some minutes"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --constraint constraints.txt setuptools wheel
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-build-isolation --editable '.[dev]'
	@touch $(READY)
