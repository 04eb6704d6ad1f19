# make setup: the locked environment   make book: study and rendered book   make test: every check
# make check-book: every page in a browser   make test-lowest: the wheel, with the oldest versions that it declares
# make check RUN=results/STUDY/RUN: a run made anew   make pdf: the book as a file   make release-check: before a release
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := 0.13.9
CORES ?= all
PLAN ?= study/plans/quick.yaml
PROFILE ?= default
GPU :=
OUTER := $(PATH)
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DELETE_ON_ERROR:
.PHONY: setup book check check-book pdf release-check study status test test-lowest lint lock clean

setup: $(VENV)/.complete

# The environment is made anew when the lock changes: beside the old one, under a name of its own, and $(VENV) is a link that
# leads to the new one when that is complete. What is interrupted or fails leaves the old one as it was.
# The interpreter is the one that is named, or the first on the path of whoever called make: never the old environment's own.
$(VENV)/.complete: requirements.lock pyproject.toml
	@set -e; PATH="$(OUTER)"; export PATH; \
	python=$$(command -v "$(PYTHON)") || { echo "no interpreter '$(PYTHON)'; name another one: make PYTHON=python3.12" >&2; exit 1; }; \
	"$$python" -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "cvig needs Python 3.11 or newer; %s is %s. Name another one: make PYTHON=python3.12" % (sys.executable, sys.version.split()[0]))'; \
	python=$$("$$python" -c 'import sys; print(sys._base_executable)'); \
	new=$(VENV)-$$(cat requirements.lock pyproject.toml | "$$python" -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read() + sys.version.encode()).hexdigest()[:12])'); \
	if [ ! -e $$new/.complete ]; then \
	  echo "the environment in $(VENV), some gigabytes"; \
	  rm -rf $$new; \
	  "$$python" -m venv $$new; \
	  $$new/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV); \
	  $$new/bin/uv pip install --quiet --compile-bytecode --python $$new/bin/python --require-hashes -r requirements.lock; \
	  $$new/bin/uv pip install --quiet --python $$new/bin/python --no-deps --no-build-isolation -e .; \
	fi; \
	touch $$new/.complete; \
	before=$(VENV)-before-$$$$; link=$(VENV)-link-$$$$; hex='[0-9a-f][0-9a-f][0-9a-f][0-9a-f]'; \
	ln -s $$new $$link; \
	if [ -d $(VENV) ] && [ ! -L $(VENV) ]; then mv $(VENV) $$before; fi; \
	"$$python" -c 'import os, sys; os.replace(sys.argv[1], sys.argv[2])' $$link $(VENV) \
	  || { if [ -e $$before ]; then mv $$before $(VENV); fi; exit 1; }; \
	for old in $(VENV)-before-* $(VENV)-link-* $(VENV)-$$hex$$hex$$hex; do if [ $$old != $$new ]; then rm -rf $$old; fi; done

book: setup
	@snakemake --cores $(CORES) book --quiet all
	@echo "the book is there: open $(CURDIR)/book/_build/html/index.html"

# The book as one PDF file, printed by Chromium (Debian: chromium chromium-driver).
pdf: book
	@python book/pdf.py book/_build/html book/_build/book.pdf

# Every page of the built book by axe-core, fetched by npm, in headless Chromium: minutes, and not part of make test.
AXE := build/axe/node_modules/axe-core/axe.min.js
$(AXE):
	@npm install --silent --no-audit --no-fund --prefix build/axe axe-core@4
check-book: book $(AXE)
	@python book/axe.py book/_build/html $(AXE)

# The runs of a study, here or on a cluster: make study PLAN=study/plans/apart.yaml PROFILE=slurm GPU=1
study: setup
	@snakemake --profile profiles/$(PROFILE) --cores $(CORES) study --config study=$(PLAN) $(if $(GPU),gpu=$(GPU))

# Where a study stands, a line a run: make status PLAN=study/plans/apart.yaml
status: setup
	@python -m study.status $(PLAN)

# A committed run made anew from its commit, and whether it agrees: make check RUN=results/apart/resnet50-modern-0
check: setup
	@python -m study.repeat $(or $(RUN),$(error name a run: make check RUN=results/quick/vgg16))

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
CORE_TESTS := wheel.py $(patsubst %,cvig/test_%.py,ranking metrics inference comparison theorems collapse conventions score)
test-lowest: setup
	rm -rf $(LOWEST) build/wheel build/lib build/bdist*
	uv build --quiet --wheel --no-build-isolation --python $(BIN)/python --out-dir build/wheel .
	uv venv --quiet --python $(BIN)/python $(LOWEST)
	uv pip install --quiet --python $(LOWEST)/bin/python --resolution lowest-direct -r pyproject.toml $(addprefix --extra ,$(EXTRA))
	uv pip install --quiet --python $(LOWEST)/bin/python --no-deps build/wheel/*.whl
	uv pip install --quiet --python $(LOWEST)/bin/python pytest hypothesis
	cd tests && OMP_NUM_THREADS=1 ../$(LOWEST)/bin/python -m pytest -q -p no:cacheprovider --rootdir . -c /dev/null \
	  -o pythonpath=$(CURDIR)/tests/helpers $(CORE_TESTS)

# Before a release: the wheel and what it says of itself, the citation, and the book with its links; of a committed tree.
release-check: book test-lowest
	@OMP_NUM_THREADS=1 python -m pytest -q -p no:cacheprovider tests/release.py

# After a change of dependencies in pyproject.toml.
lock: setup
	uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
	  --all-extras --custom-compile-command "make lock" pyproject.toml -o requirements.lock

clean:
	rm -rf book/_build results/local .snakemake
