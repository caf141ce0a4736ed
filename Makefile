# AMI Learning. The first two targets are all that a newcomer needs; the first call of any of them installs into .venv.

# The Python to install with; 3.11 or newer.
PYTHON ?= python3
# The hardware to install for: cpu, nvidia, intel or amd.
AMI_COMPUTE_PROFILE ?= cpu
# Each profile has its own environment: .venv for cpu, .venv.nvidia and so on for the others.
VENV ?= .venv$(if $(filter-out cpu,$(AMI_COMPUTE_PROFILE)),.$(AMI_COMPUTE_PROFILE))

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
REQUIREMENTS := requirements.env.$(AMI_COMPUTE_PROFILE).txt

.DEFAULT_GOAL := help
.PHONY: help demo test check bench crash up fmt

help: ## print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(INSTALLED) ## from a dataset to an approved, served model; DATA=file.csv TARGET=column for a table of yours
	@$(BIN)/ami-learning demo

# In the order of the folders: what takes longest comes first, so no processor waits for it at the end.
test: $(INSTALLED) ## run the tests, on all processors
	@$(BIN)/pytest --ignore=tests/crash -n auto --dist loadfile --no-loadscope-reorder --process-coverage-min 100

check: $(INSTALLED) ## lint, format, types, import contracts and diagrams
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/ami-learning diagram verify --strict --geometry workflows/*.bpmn workflows/*.dmn
	$(BIN)/ami-learning decision verify workflows/*.dmn

bench: $(INSTALLED) ## measure against the bars, ONLY=group for one group
	@$(BIN)/python benchmarks/run.py $${ONLY:+--only "$$ONLY"}

crash: $(INSTALLED) ## the long fault suite: kills, zombies, database crashes
	@$(BIN)/pytest tests/crash tests/simulation --hypothesis-profile long

up: $(INSTALLED) ## run the whole platform on this machine until Ctrl-C
	@$(BIN)/ami-learning up

fmt: $(INSTALLED) ## mend what ruff can mend, and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(INSTALLED): pyproject.toml requirements.pinned.txt $(REQUIREMENTS)
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("AMI Learning needs Python 3.11 or newer, and $(PYTHON) is older: make PYTHON=python3.11")'
	@echo 'Installing into $(VENV): once, and it takes a few minutes.'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -r $(REQUIREMENTS) -e '.[dev]' >$(VENV)/install.log 2>&1 \
	  || { tail -n 30 $(VENV)/install.log; echo 'The installation failed; its whole output is in $(VENV)/install.log.'; exit 1; }
	@touch $@
