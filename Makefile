# make setup: the locked environment   make book: study and rendered book   make test: every check
# make test-lowest: the wheel, with the oldest versions that it declares
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := 0.13.9
CORES ?= all
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DELETE_ON_ERROR:
.PHONY: setup book test test-lowest lint lock clean

setup: $(VENV)/.complete

# The environment is made anew when the lock changes; the marker is written last, so an interrupted
# installation is never taken for a finished one.
$(VENV)/.complete: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else f"cvig needs Python 3.11 or newer; {sys.executable} is {sys.version.split()[0]}. Name another one: make PYTHON=python3.12")'
	@echo "the environment in $(VENV), some gigabytes"
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV)
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

book: setup
	@snakemake --cores $(CORES) --quiet all book
	@echo "the book is there: open book/_build/html/index.html"

lint: setup
	ruff check .
	ruff format --check .

# Two processes of one thread each: most tests are too small to gain from a second thread.
test: lint
	OMP_NUM_THREADS=1 python -m pytest -n 2 --dist loadfile

# The wheel in an environment of its own, with the oldest versions of the core that it declares and nothing of the extras:
# it scores a file there, and the core's tests pass. LOWEST=build/lowest-train EXTRA=train also tries the oldest torch,
# a download of 3 GB.
LOWEST := build/lowest
EXTRA :=
CORE_TESTS := wheel.py $(addprefix cvig/test_,metrics.py inference.py comparison.py theorems.py)
test-lowest: setup
	rm -rf $(LOWEST) build/wheel build/lib build/bdist*
	uv build --quiet --wheel --no-build-isolation --python $(BIN)/python --out-dir build/wheel .
	uv venv --quiet --python $(BIN)/python $(LOWEST)
	uv pip install --quiet --python $(LOWEST)/bin/python --resolution lowest-direct -r pyproject.toml $(addprefix --extra ,$(EXTRA))
	uv pip install --quiet --python $(LOWEST)/bin/python --no-deps build/wheel/*.whl
	uv pip install --quiet --python $(LOWEST)/bin/python pytest hypothesis
	cd tests && OMP_NUM_THREADS=1 ../$(LOWEST)/bin/python -m pytest -q -p no:cacheprovider --rootdir . -c /dev/null \
	  -o pythonpath=helpers $(CORE_TESTS)

# After a change of dependencies in pyproject.toml.
lock: setup
	uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
	  --all-extras --custom-compile-command "make lock" pyproject.toml -o requirements.lock

clean:
	rm -rf book/_build results/local .snakemake
