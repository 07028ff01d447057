# Everything a person needs, from a fresh clone: `make demo`, `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test check fmt slow bench zoo studio-test docs release-check clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Impasto needs Python 3.11 or newer"'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[samples,dev]'
	@touch $@

demo: $(STAMP) ## two minutes of training on real drawings; new pictures, moving and enlarged: ./demo/report.html
	$(BIN)/impasto demo

test: check ## checks, then every test that takes seconds
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical -m "not slow"

check: $(STAMP) ## lint, format, types, and lists of files in the docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python tools/listing.py --check

fmt: $(STAMP) ## put the code into its standard form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python tools/listing.py

slow: $(STAMP) ## the tests that take minutes: longer learning
	$(BIN)/python -m pytest -m slow

bench: $(STAMP) ## textbooks against default, ten minutes each, on OpenMoji: quality and newness as table, JSON and PNG into ./runs/bench
	$(BIN)/python benchmarks/new_pictures.py --arm dcgan-example --arm dcgan --arm default \
		--minutes 10 --out runs/bench --plot runs/bench/plot.png --resume

zoo: $(STAMP) ## the models of the package trained anew into ./runs/zoo: hours; again goes on; PHOTOS=DIR, SHEETS=DIR for upscalers
	$(BIN)/python tools/zoo.py --out runs/zoo $(if $(PHOTOS),--photos '$(PHOTOS)') $(if $(SHEETS),--sheets '$(SHEETS)')

studio-test: $(STAMP) ## the studio's page in Chromium: every tab, with screenshots into ./runs/screenshots
	@command -v chromium >/dev/null || apt-get install -y --no-install-recommends chromium \
		|| { echo 'Chromium is missing, and apt-get cannot install it: install it as your system does'; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[browser]'
	mkdir -p runs/screenshots
	IMPASTO_SCREENSHOTS=runs/screenshots $(BIN)/python -m pytest -m slow tests/studio/test_browser.py tests/test_browser_example.py

docs: $(STAMP) ## the documentation as a site, ./site/index.html: links checked, every command on its pages run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	$(BIN)/zensical build --clean --strict
	$(BIN)/python -m pytest tests/test_site.py tests/test_docs.py tests/test_docs_commands.py

release-check: $(STAMP) ## wheel and sdist: built, looked into, installed in a fresh environment (minutes)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[release]'
	$(BIN)/python tools/release_check.py --out dist

clean: ## remove the virtual environment and everything built
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis src/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
