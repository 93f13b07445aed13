# make demo   a head from four sample photos            make test   everything that needs no GPU
# TORCH=...   use an existing PyTorch: a Python interpreter that has it, or its site-packages folder
# PYTHON=...  Python >= 3.11 to make .venv with          VENV=...    where to make it

PYTHON ?= python3
VENV ?= .venv
TORCH ?=
OUT ?= subjects/demo
PERSON ?= P001
SAMPLES = .cache/samples/$(PERSON)
PRESET ?= cpu

.PHONY: help demo test check unit setup wheel clean

help:
	@sed -n '1,3p' Makefile

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt .ci/venv
	@PYTHON="$(PYTHON)" VENV="$(VENV)" TORCH="$(TORCH)" sh .ci/venv

demo: setup
	$(VENV)/bin/head3d weights --get
	$(VENV)/bin/head3d sample-photos $(SAMPLES) --person $(PERSON)
	$(VENV)/bin/head3d run $(SAMPLES) --out $(OUT) --preset $(PRESET) --consent "$(PERSON), 2026-01-01, a synthetic person"

check: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/pyright
	$(VENV)/bin/lint-imports

test: check
	$(VENV)/bin/head3d weights --get
	$(VENV)/bin/head3d weights openpeople --get
	$(VENV)/bin/python -m pytest -m "not gpu and not slow" --ignore tests/browser
	@# in a process of their own: the browser's driver leaves an event loop behind
	$(VENV)/bin/python -m pytest -m "not gpu and not slow" tests/browser

unit: setup
	$(VENV)/bin/python -m pytest -q tests/unit

wheel: setup
	$(VENV)/bin/python -m build --wheel --no-isolation

clean:
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .import_linter_cache .hypothesis
