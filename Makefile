# Two commands do everything: `make demo` and `make test`. They set up .venv themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Python keeps what it compiled, also where the environment says otherwise: two runs need it once.
export PYTHONDONTWRITEBYTECODE =

.PHONY: demo quick test test-all record lint format docs notebooks clean

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.ready-dev: $(VENV)/.ready Makefile
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,formats,reference]'
	touch $@

$(VENV)/.ready-docs: $(VENV)/.ready Makefile
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	touch $@

$(VENV)/.ready-notebooks: $(VENV)/.ready Makefile
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[notebooks]'
	touch $@

demo: $(VENV)/.ready
	$(BIN)/galgen demo

lint: $(VENV)/.ready-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# One folder of tests: make quick ROOM=statistics.
quick: $(VENV)/.ready-dev
	$(BIN)/python -m pytest -n 2 --dist worksteal -m quick tests/$(ROOM)

test: lint
	$(BIN)/python -m pytest -n 2 --dist worksteal

test-all: lint
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "slow or not slow"

# After tests became longer or shorter: writes tests/longer.txt anew.
record: $(VENV)/.ready-dev
	rm -rf .compiled && : > tests/longer.txt
	$(BIN)/python -m pytest --record
	rm -rf .compiled && $(BIN)/python -m pytest --record -m quick

format: $(VENV)/.ready-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.ready-docs
	$(BIN)/python docs/build.py

# Pairs each tutorial with an .ipynb of the same name; open them by .venv/bin/jupyter lab notebooks.
notebooks: $(VENV)/.ready-notebooks
	$(BIN)/jupytext --sync notebooks/*.py

clean:
	rm -rf $(VENV) .compiled build docs/_build *.egg-info
