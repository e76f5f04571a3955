# Two commands do everything: `make demo` and `make test`. They set up .venv themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-all lint format docs notebooks clean

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

# Compiling is most of the time of the tests, and XLA's older emitters of loops take less of it;
# test-all has those that users have.
test: lint
	XLA_FLAGS=--xla_cpu_use_fusion_emitters=false $(BIN)/python -m pytest -n 2 --dist loadfile

test-all: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "slow or not slow"

format: $(VENV)/.ready-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.ready-docs
	$(BIN)/python docs/build.py

# Pairs each tutorial with an .ipynb of the same name; open them by .venv/bin/jupyter lab notebooks.
notebooks: $(VENV)/.ready-notebooks
	$(BIN)/jupytext --sync notebooks/*.py

clean:
	rm -rf $(VENV) build docs/_build *.egg-info
