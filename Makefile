# All set-up is here: `make demo` and `make test` need Python >= 3.11 and make, nothing else.
VENV   ?= .venv
PYTHON ?= python3
BIN    := $(VENV)/bin
WORKERS ?= 2
INSTALL ?= $(BIN)/python -m pip install
PREPARE ?=

.PHONY: demo test faults system gpu lint format clean

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --quiet --editable '.[dev]'
	touch $@

demo: $(VENV)/.installed    ## eight cells on the embedded digits, two seeds each: a line a run, then the page and one sentence
	$(BIN)/python run.py -m profile=demo seed=0,1 train.epochs=4
	$(BIN)/python reports/make_table.py --brief

test: $(VENV)/.installed    ## in two processes; WORKERS=0 for one that a debugger can enter
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

faults: $(VENV)/.installed    ## kills, full disks, hostile input, a failing W&B: prints the figures of the README's table
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m faults

system: $(VENV)/.installed    ## the page in a browser, the LaTeX table, SLURM: needs `.ci/packages` (Debian)
	$(PREPARE)
	$(BIN)/python -m pytest -m system

gpu: $(VENV)/.installed    ## what needs a CUDA device, then the GPU's table in benchmarks/README.md; without one both say so
	$(BIN)/python -m pytest -m gpu -rs
	$(BIN)/python benchmarks/gpu.py --write

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) *.egg-info .pytest_cache .mypy_cache .ruff_cache
