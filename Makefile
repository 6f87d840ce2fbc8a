# Each target does its own set-up: a new machine needs only Python 3.11 or later and make.
PYTHON ?= python3
BIN := .venv/bin
DEMO := data/quickstart
N ?= 800
PYTEST := $(BIN)/python -m pytest -n 2 --dist worksteal

.PHONY: setup demo galaxy_zoo1 test soak notebooks coverage lint docs bench dist test-wheel test-lowest lock audit clean

setup: .venv/.installed

# Runs again only when requirements.lock changes. The lock is complete: with --no-deps, pip installs what it names
# and never looks for newer releases.
.venv/.installed: requirements.lock
	@echo "Installing about 8 GB of libraries into .venv; this takes a few minutes."
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

demo: setup
	$(BIN)/python -m data_prep simulate --out $(DEMO)_raw --n $(N) --seed 0 --overwrite
	$(BIN)/python -m data_prep extract --raw $(DEMO)_raw --out $(DEMO)_sample.csv --n all --overwrite
	$(BIN)/python -m data_prep preprocess --sample $(DEMO)_sample.csv --raw $(DEMO)_raw --out $(DEMO) --overwrite
	$(BIN)/python -m data_prep check $(DEMO)
	$(BIN)/python -m galaxy_lightning fit --config configs/quickstart.yaml
	@run="$$(ls -td runs/quickstart/version_* | head -1)"; \
	$(BIN)/python -m galaxy_lightning test --ckpt_path "$$run" && \
	$(BIN)/python -m baselines compare --data $(DEMO) --out "$$run/comparison" \
	    --models keras scratch majority --runs "$$run" && \
	printf '%s\n' '' "The run folder: $$run" "To view its losses, metrics and confusion matrices, run:" \
	    "  $(BIN)/tensorboard --logdir runs/quickstart" \
	    "After a short training on simulated galaxies, the figures do not show what the models can reach." \
	    "The comparison of all models (open it in a browser): $$run/comparison/report.html"

# Cross-validates and trains the model in the package again; with the same galaxies and libraries, and a processor
# of the same kind, the result is the same file. It takes half an hour. One thread, because sums depend on their number.
galaxy_zoo1: export OMP_NUM_THREADS = 1
galaxy_zoo1: setup
	@test -n "$(RAW)" || { echo "name the folder of the galaxies: make galaxy_zoo1 RAW=FOLDER"; exit 1; }
	$(BIN)/python -m data_prep extract --raw $(RAW) --out data/$@.csv --n all --label-rule flags --overwrite
	$(BIN)/python -m data_prep preprocess --sample data/$@.csv --raw $(RAW) --out data/$@ --overwrite
	$(BIN)/python -m galaxy_lightning crossval --data.arrays data/$@ --name $@ --seed_everything 1
	$(BIN)/python -m galaxy_lightning crossval --data.arrays data/$@ --name $@ --seed_everything 0 \
	    --card docs/$@.yaml --final galaxy_lightning/networks/$@.ckpt --overwrite

test: setup
	$(PYTEST)

# The long form of the tests that kill commands or read broken files: new moments and new files every time.
soak: setup
	GALAXY_SOAK=1 $(PYTEST) -m soak

# Executes the tutorials; about 5 minutes. The results are in build/tutorials.
notebooks: setup
	GALAXY_NOTEBOOKS=1 $(PYTEST) tests/test_notebooks.py

# Reports which lines and branches of the three packages the tests reach.
coverage: setup
	$(PYTEST) --cov --cov-report=term-missing:skip-covered

# Ratios of times; needs an otherwise idle machine, for about half an hour.
bench: setup
	$(BIN)/python -m benchmarks --out runs/benchmarks.json

lint: setup
	$(BIN)/pre-commit run --all-files

# The documentation site, in site/. Broken links, anchors and references are errors. The variable hides a notice
# that Material for MkDocs is maintained until May 2027.
docs: setup
	PYTHONPATH=. NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --config-file docs/site/mkdocs.yml
	@echo "Open site/index.html in a browser."

# The source distribution and, built from it, the wheel.
dist: setup
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist
	$(BIN)/twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl

# Tests the wheel outside the checkout, with the newest libraries: make test-wheel PYTHON=python3.13 TESTS=tests/data_prep
# Needs uv.
test-wheel: dist
	$(BIN)/python .ci/test_wheel.py --python $(PYTHON) -- $(TESTS)

# The same with the lowest versions in pyproject.toml, on the lowest version of Python.
test-lowest: dist
	$(BIN)/python .ci/test_wheel.py --python 3.11 --lowest -- $(TESTS)

# Needs uv. The lock names versions and hashes, but no package index. The extra "kaggle" is left out because
# no test needs it.
lock:
	uv pip compile --quiet pyproject.toml --extra keras --extra timm --extra explain --extra export --extra tune --extra loggers --extra docs --extra dev --extra dist --universal --generate-hashes --output-file requirements.lock

# Checks the locked versions for known vulnerabilities; a package unknown to the service is a failure. Needs uv.
audit:
	uv tool run pip-audit --strict --require-hashes --disable-pip --requirement requirements.lock

# Keeps data/ and runs/, which hold your own work.
clean:
	rm -rf .venv site .mypy_cache .ruff_cache .pytest_cache
