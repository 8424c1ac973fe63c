# Everything a newcomer needs: `make demo`, `make test`, `make bench`.
PYTHON ?= python3
SECONDS ?= 60
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup demo test unit lint bench lock clean

setup: $(STAMP)

$(STAMP): requirements-dev.lock pyproject.toml
	@$(PYTHON) -m venv $(VENV)
	@echo "Installing (the first time QuickFIX is compiled: about two minutes)..." >&2
	@CFLAGS="-O1 -g0" CXXFLAGS="-O1 -g0" $(BIN)/pip install --quiet --require-hashes -r requirements-dev.lock >&2
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable . >&2
	@touch $(STAMP)

demo: setup
	$(BIN)/sorwatch demo $(if $(SECONDS),--seconds $(SECONDS))

test: setup lint
	$(BIN)/python -m pytest -q

unit: setup
	$(BIN)/python -m pytest -q -m "not line"

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: setup
	@$(BIN)/python -m bench

lock: setup
	$(BIN)/uv pip compile --quiet --universal --generate-hashes pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --extra dev --extra demo -c requirements.lock pyproject.toml -o requirements-dev.lock
	echo setuptools | $(BIN)/uv pip compile --quiet --universal --generate-hashes -c requirements-dev.lock - -o requirements-build.lock

clean:
	rm -rf $(VENV) .state
