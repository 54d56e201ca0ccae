# make lab        set up, then open JupyterLab at the first lesson   (PORT=8890 chooses the port)
# make test       set up, then lint, unit tests, notebooks, browser and overlay: one summary
# make notebooks  run notebooks afresh and store their outputs       (NB="notebooks/00_start_here.ipynb ...")
# make readme     rewrite the generated tables, badges and setup cells
# make clean      remove what the commands above have made

PYTHON ?= python3
PORT ?=
NB ?=

BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
VENV_READY := .venv/.ready-venv
LAB_READY := .venv/.ready-lab
TEST_READY := .venv/.ready-test

.PHONY: lab test notebooks readme clean
.DEFAULT_GOAL := lab

lab: $(LAB_READY)
	@$(BIN)/imgrec-lab lab $(if $(PORT),--port $(PORT))

test: $(TEST_READY)
	@$(BIN)/python tests/run_all.py

notebooks: $(TEST_READY)
	@$(BIN)/imgrec-lab notebooks $(NB)

readme: $(TEST_READY)
	@$(BIN)/imgrec-lab readme

clean:
	rm -rf .venv .venv-colab .pytest_cache .ruff_cache tests/artifacts datasets/cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is written last: what was cut off is done again, what is whole is left alone.
$(VENV_READY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11, 4))' || { \
	  echo "imgrec_lab needs Python 3.11.4 or newer; '$(PYTHON)' is $$($(PYTHON) -V 2>&1)."; \
	  echo "Name another one:  make $(or $(MAKECMDGOALS),lab) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv .venv || { \
	  echo "Python's venv module is missing; on Debian and Ubuntu: apt-get install python3-venv"; \
	  exit 1; }
	@touch $@

$(LAB_READY): pyproject.toml constraints.txt | $(VENV_READY)
	@echo "Installing imgrec_lab into .venv (once; a few minutes, about 6 GB with GPU support) ..."
	@$(PIP) --editable '.[lab]'
	@touch $@

$(TEST_READY): pyproject.toml constraints.txt | $(VENV_READY)
	@echo "Installing imgrec_lab and its test tools into .venv (once; a few minutes) ..."
	@$(PIP) --editable '.[lab,metrics,browser,dev]'
	@touch $@ $(LAB_READY)
