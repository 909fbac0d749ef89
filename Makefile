# All commands of this project. `make` without a target lists them.
# Requires GNU make 3.81 or newer and python3. Everything is installed into .venv.

PYTHON3 ?= python3
VENV := .venv
PYTHON := $(VENV)/bin/python
AUDIT := .venv-audit
LINEAGE := .venv-lineage
# Scripts that only make and CI run. They import the library scripts/sparkify.
CHECK := PYTHONPATH=scripts $(PYTHON) scripts/checks

# Ask tools not to send usage statistics.
export DO_NOT_TRACK := 1
# Let uv use the system's certificates, which may include those of a company proxy.
export UV_SYSTEM_CERTS ?= 1
# Use pip's package index with uv too.
ifdef PIP_INDEX_URL
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
endif

# A virtual environment cannot be moved or copied. Rebuild it if its path has changed or
# its Python is missing.
ENVIRONMENT_IS_GOOD := $(shell test -x $(PYTHON) && \
	test "$$(cat $(VENV)/.made-in 2>/dev/null)" = "$$(pwd -P)" && echo yes)

# Make the path absolute, because tests change folders. It is empty without the folder.
ifdef REAL_DATA
REAL_DATA_FOLDER := $(shell cd "$(REAL_DATA)" 2>/dev/null && pwd -P)
endif

# Number of test processes: one more than processors, because some processes wait; at most
# four, because each may need 2 GB.
WORKERS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1); \
	echo $$((n > 3 ? 4 : n + 1)))

# The requirements file of the target's engine, if there is one with the target's name.
ENGINE := $(patsubst requirements/%.txt,$(VENV)/.%-installed,$(wildcard \
	$(filter-out requirements/duckdb.txt,$(TARGET:%=requirements/%.txt))))

# The word after `make explain` is a table: make must not build it as a target.
ifeq ($(firstword $(MAKECMDGOALS)),explain)
EXPLAINED := $(wordlist 2,9,$(MAKECMDGOALS))
.PHONY: $(EXPLAINED)
$(EXPLAINED): explain
	@:
endif

.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: help setup build analyses export explain expected published test test-all test-environment \
	run-tests changed diff law kill mutations reliability lint audit fix dashboard serve docs stop check-redshift \
	star engines check-design packages lock clean lint-python lint-sql lint-yaml \
	lint-infra metrics bench FORCE

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' Makefile

setup: $(VENV)/.installed dbt_packages/.installed profiles.yml ## make .venv, install dbt and its packages
	@:

build: setup $(ENGINE) ## load the raw JSON and build the models; DATA=folder or s3://..., TARGET=name
	@$(PYTHON) scripts/build.py $(if $(DATA),--data "$(DATA)") \
		$(if $(TARGET),--target "$(TARGET)") $(if $(LOG_DATA),--log-data "$(LOG_DATA)") \
		$(if $(SONG_DATA),--song-data "$(SONG_DATA)") \
		$(if $(MAX_REJECTS),--max-rejects "$(MAX_REJECTS)") \
		$(if $(MANIFEST),--manifest "$(MANIFEST)") $(if $(COMPACT),--compact "$(COMPACT)") \
		$(if $(TESTS),--tests "$(TESTS)")

analyses: setup $(ENGINE) ## answer the questions of analyses/; TARGET=, ONLY=name,name, CSV=folder, CHECK=1
	@$(PYTHON) scripts/analyses.py $(if $(TARGET),--target "$(TARGET)") \
		$(if $(ONLY),--only "$(ONLY)") $(if $(VARS),--vars "$$VARS") \
		$(if $(CSV),--csv "$(CSV)") $(if $(CHECK),--check) \
		$(if $(EXPECTED),--expected "$(EXPECTED)")

export: setup $(ENGINE) ## write the tables to files; OUT=folder, FORMAT=parquet or csv, TARGET=name
	@$(PYTHON) scripts/export.py --out "$(or $(OUT),data/export)" \
		$(if $(FORMAT),--format "$(FORMAT)") $(if $(TARGET),--target "$(TARGET)")

explain: setup $(ENGINE) ## say where a value comes from: songplays KEY=id, or METRIC=name DAY=date; TARGET=name
	@$(PYTHON) scripts/explain.py $(EXPLAINED) $(if $(KEY),--key "$(KEY)") \
		$(if $(METRIC),--metric "$(METRIC)") $(if $(DAY),--day "$(DAY)") \
		$(if $(TARGET),--target "$(TARGET)")

expected: setup $(VENV)/.test-installed ## write the expected answers; DATA=folder EXPECTED=folder for your data
	@PYTHONPATH=scripts:tests $(PYTHON) tests/support/expected_answers.py \
		$(if $(DATA),--data "$(DATA)") $(if $(EXPECTED),--out "$(EXPECTED)")

published: setup $(VENV)/.test-installed ## write docs/published.md from the course data; REAL_DATA=folder
	@WRITE_PUBLISHED=1 REAL_DATA="$(REAL_DATA_FOLDER)" $(PYTHON) -m pytest \
		tests/docs/test_published.py

test: test-environment ## lint and test in ten minutes; REAL_DATA=folder adds real data, WORKERS=n processes
	@$(if $(REAL_DATA),$(if $(REAL_DATA_FOLDER),,echo 'The folder $(REAL_DATA) does not exist. The tests on real data are skipped.'))
	@$(MAKE) --no-print-directory --jobs 2 lint run-tests

test-all: ## also run the long tests: kills, long histories, all faults, every README command
	@$(MAKE) --no-print-directory test LONG=--long

changed: setup $(ENGINE) ## build changed models into a schema of their own; TARGET=name
	@$(PYTHON) scripts/changed.py build $(if $(TARGET),--target "$(TARGET)")

diff: setup $(ENGINE) ## compare the tables of make changed with the last build; TARGET=name, MARKDOWN=1
	@$(PYTHON) scripts/changed.py diff $(if $(TARGET),--target "$(TARGET)") \
		$(if $(MARKDOWN),--markdown)

law: setup $(VENV)/.test-installed ## search for load orders that change the result; COURSES=n, WIDTH=n, SEED=n
	@RECORD_RUNS=1 LAW_COURSES=$(or $(COURSES),50) LAW_WIDTH=$(or $(WIDTH),200) \
		LAW_SEED=$(or $(SEED),1) $(PYTHON) -m pytest tests/rules/test_law.py -k 'history and duckdb'

kill: setup $(VENV)/.test-installed ## kill loads and builds at random moments; KILLS=n on each engine
	@RECORD_RUNS=1 KILLS=$(or $(KILLS),50) $(PYTHON) -m pytest --long tests/loaders/test_kill.py \
		tests/engines/test_spark_builds.py -k killed

mutations: setup $(VENV)/.test-installed ## break each rule of the models, check that a test fails
	@RECORD_RUNS=1 $(PYTHON) -m pytest tests/rules/test_mutations.py \
		tests/rules/test_incremental_mutations.py

reliability: ## run all tests, including long ones, and write docs/reliability.md
	@RECORD_RUNS=1 $(MAKE) --no-print-directory test-all
	@WRITE_RELIABILITY=1 $(PYTHON) -m pytest tests/docs/test_reliability.py

lint: lint-yaml lint-python lint-sql lint-infra ## check Python, SQL, YAML and templates

lint-python: $(VENV)/.test-installed
	@echo 'Checking Python (ruff, mypy)'
	@$(PYTHON) -m ruff check --quiet
	@$(PYTHON) -m ruff format --check --quiet || \
		{ echo 'Some Python is not formatted: make fix formats it.'; exit 1; }
	@$(PYTHON) -m mypy --strict --no-error-summary scripts tests benchmarks

lint-sql: setup $(VENV)/.test-installed
	@echo 'Checking SQL (sqlfluff)'
	@$(SQLFLUFF) lint --quiet $(SQL_FOLDERS)

lint-yaml: $(VENV)/.test-installed
	@echo 'Checking YAML (yamllint)'
	@$(PYTHON) -m yamllint --strict .

lint-infra: $(VENV)/.test-installed
	@echo 'Checking the CloudFormation templates (cfn-lint)'
	@$(VENV)/bin/cfn-lint infra/*.yaml

audit: $(AUDIT)/.installed ## check the locked packages for known vulnerabilities
	@echo 'Checking for known vulnerabilities (pip-audit)'
	@for lock in requirements/*.txt; do echo "$$lock:"; $(AUDIT)/bin/pip-audit --strict --disable-pip \
		--progress-spinner off --requirement $$lock || exit 1; done

fix: setup $(VENV)/.test-installed ## format the code and fix simple lint errors
	@echo 'Fixing Python (ruff) and SQL (sqlfluff)'
	@$(PYTHON) -m ruff check --quiet --fix --exit-zero
	@$(PYTHON) -m ruff format --quiet
	@$(SQLFLUFF) fix --quiet $(SQL_FOLDERS)

dashboard: setup $(VENV)/.charts-installed $(ENGINE) ## draw the dashboards as HTML and PNG; TARGET=name, OUT=folder
	@$(PYTHON) scripts/dashboard.py render $(if $(TARGET),--target "$(TARGET)") \
		$(if $(OUT),--out "$(OUT)")

serve: setup $(VENV)/.charts-installed $(ENGINE) ## serve the dashboards live, with filters; TARGET=name, PORT=n
	@$(PYTHON) scripts/dashboard.py serve $(if $(TARGET),--target "$(TARGET)") \
		$(if $(PORT),--port "$(PORT)")

docs: setup $(LINEAGE)/.installed $(ENGINE) ## write the dbt docs and the lineage of columns, an HTML file each; TARGET=name
	@echo 'Writing the docs site'
	@$(VENV)/bin/dbt --quiet docs generate --static $(if $(TARGET),--target "$(TARGET)")
	@DBT_COLIBRI_NO_VERSION_CHECK=1 $(LINEAGE)/bin/colibri generate --disable-telemetry \
		--light --output-dir target/lineage > target/lineage.log 2>&1 || \
		{ cat target/lineage.log; exit 1; }
	@! grep ERROR target/lineage.log
	@echo 'Docs: target/static_index.html. Lineage of columns: target/lineage/index.html.'
	@echo 'Open them in a browser, or run dbt docs serve.'

stop: setup $(VENV)/.postgres-installed ## stop the PostgreSQL server that TARGET=postgres started
	@$(CHECK)/stop_postgres.py

check-redshift: setup $(VENV)/.redshift-installed ## find SQL that Redshift rejects, without a cluster
	@echo 'Compiling the project for Redshift and checking its SQL'
	@$(CHECK)/redshift_sql.py

bench: setup $(VENV)/.postgres-installed ## measure run times; EVENTS=n, ONLY=name,name, RUNS=n, AGAIN=1
	@if $(CHECK)/java.py; then $(MAKE) --no-print-directory $(VENV)/.spark-installed; \
		else echo 'Spark cannot be measured. Name other measurements with ONLY=.'; fi
	@PYTHONPATH=scripts $(PYTHON) benchmarks/run.py $(if $(EVENTS),--events $(EVENTS)) \
		$(if $(ONLY),--only "$(ONLY)") $(if $(RUNS),--runs $(RUNS)) $(if $(AGAIN),--again)

star: setup ## update the diagram in README.md from the relationships tests
	@echo 'Drawing the star schema'
	@$(CHECK)/draw_star.py

engines: setup $(VENV)/.test-installed ## try dbt features on each engine, write docs/engines.md
	@if $(CHECK)/java.py; then $(MAKE) --no-print-directory $(VENV)/.spark-installed; \
		else echo 'The Spark column is not updated.'; fi
	@echo 'Trying dbt features on each engine'
	@WRITE_ENGINES=1 $(PYTHON) -m pytest --long tests/engines/test_engines.py

check-design: setup $(VENV)/.redshift-installed ## compare dist and sort keys on Redshift with the models; TARGET=name
	@$(CHECK)/physical_design.py --target "$(or $(TARGET),redshift)"

metrics: setup $(ENGINE) $(VENV)/.metrics-installed ## list or query the metrics; QUERY="--metrics plays", TARGET=name
	@$(if $(TARGET),DBT_TARGET="$(TARGET)") $(VENV)/bin/dbt --quiet parse
	@$(if $(QUERY),$(if $(TARGET),DBT_TARGET="$(TARGET)") $(VENV)/bin/mf query $(QUERY), \
		$(VENV)/bin/mf list metrics && echo && echo 'Example query:' && \
		echo '  make metrics QUERY="--metrics listeners --group-by metric_time__week --order metric_time__week"')

packages: $(VENV)/.installed ## fetch the dbt packages of packages.yml from the hub
	@echo 'Installing the dbt packages of packages.yml'
	@$(CHECK)/install_packages.py

lock: $(VENV)/.installed ## compile requirements/*.txt from *.in; UPGRADE=1 for newer versions
	@echo 'Locking requirements/*.txt'
	@$(FIND_UV); \
	lock() { name=$$1; shift; "$$uv" pip compile --quiet --universal --python-version 3.11 \
		--generate-hashes --annotation-style line --custom-compile-command 'make lock' \
		$(if $(UPGRADE),--upgrade) --overrides requirements/overrides.txt "$$@" \
		--output-file "requirements/$$name.txt" "requirements/$$name.in"; }; \
	for part in uv audit lineage test; do lock $$part || exit 1; done; \
	for part in duckdb charts metrics postgres redshift spark; do \
		lock $$part --constraints requirements/test.txt || exit 1; done

clean: ## delete generated files, but not data or databases
	@echo 'Deleting the environment, dbt packages, targets, logs and caches'
	@rm -rf $(VENV) $(AUDIT) $(LINEAGE) dbt_packages package-lock.yml target*/ logs .user.yml \
		.hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- Prerequisites of the commands, rebuilt when their sources change ---

SQL_FOLDERS = $(wildcard models tests analyses)
# sqlfluff only compiles, so an empty in-memory database is enough and is never locked.
SQLFLUFF = SPARKIFY_DUCKDB=:memory: $(PYTHON) -m sqlfluff

# Spark is tested only if Java is installed.
test-environment: setup $(VENV)/.test-installed
	@if $(CHECK)/java.py; then $(MAKE) --no-print-directory $(VENV)/.spark-installed; \
		else echo 'The tests on Spark are skipped.'; fi

# All temporary files of the tests go to one folder, which is deleted at the end.
run-tests:
	@echo 'Running the tests'
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
		TMPDIR="$$folder" PYTHONDONTWRITEBYTECODE= REAL_DATA="$(REAL_DATA_FOLDER)" \
		$(PYTHON) -m pytest --numprocesses $(WORKERS) --dist loadgroup \
		--no-loadscope-reorder $(LONG)

FIND_UV = uv=$$(command -v uv) || uv=$(VENV)/bin/uv; \
	[ -x "$$uv" ] || $(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps \
		--require-hashes --requirement requirements/uv.txt

# $(call install,FILE,ENVIRONMENT): install with uv (seconds), or else with pip (minutes).
define install
@echo 'Installing $(1) into $(2)'
@$(FIND_UV); \
"$$uv" pip install --quiet --python $(2)/bin/python --no-deps --require-hashes \
	--requirement $(1) || { \
	echo 'uv failed. Trying pip, which takes minutes.'; \
	$(2)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--require-hashes --requirement $(1); } || { \
	echo 'The packages could not be installed. Check that a Python package index is reachable.' >&2; exit 1; }
@touch $@
endef

ifneq ($(ENVIRONMENT_IS_GOOD),yes)
$(VENV)/.made-in: FORCE
endif
$(VENV)/.made-in:
	@command -v $(PYTHON3) >/dev/null || { \
		echo '$(PYTHON3) was not found. Install Python 3.11 or newer, or name one: make PYTHON3=/path/to/python3' >&2; exit 1; }
	@$(PYTHON3) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is required, but $(PYTHON3) is $$($(PYTHON3) -V 2>&1). Name a newer one: make PYTHON3=python3.12" >&2; exit 1; }
	@echo 'Creating a virtual environment in $(VENV)'
	@$(PYTHON3) -m venv --clear $(VENV) || { rm -rf $(VENV); \
		echo '$(PYTHON3) cannot create virtual environments. On Debian, run: apt install python3-venv' >&2; exit 1; }
	@pwd -P > $@

$(VENV)/.installed: requirements/duckdb.txt $(VENV)/.made-in
	$(call install,requirements/duckdb.txt,$(VENV))

$(VENV)/.charts-installed: requirements/charts.txt $(VENV)/.installed
	$(call install,requirements/charts.txt,$(VENV))

$(VENV)/.postgres-installed: requirements/postgres.txt $(VENV)/.installed
	$(call install,requirements/postgres.txt,$(VENV))

$(VENV)/.redshift-installed: requirements/redshift.txt $(VENV)/.installed
	$(call install,requirements/redshift.txt,$(VENV))

$(VENV)/.metrics-installed: requirements/metrics.txt $(VENV)/.installed
	$(call install,requirements/metrics.txt,$(VENV))

$(VENV)/.spark-installed: requirements/spark.txt $(VENV)/.installed
	@$(CHECK)/java.py
	$(call install,requirements/spark.txt,$(VENV))

$(VENV)/.test-installed: requirements/test.txt $(VENV)/.installed
	$(call install,requirements/test.txt,$(VENV))

$(LINEAGE)/.installed: requirements/lineage.txt $(VENV)/.installed
	@$(PYTHON) -m venv --clear $(LINEAGE)
	$(call install,requirements/lineage.txt,$(LINEAGE))

$(AUDIT)/.installed: requirements/audit.txt $(VENV)/.installed
	@$(PYTHON) -m venv --clear $(AUDIT)
	$(call install,requirements/audit.txt,$(AUDIT))

dbt_packages/.installed: packages.yml $(VENV)/.installed
	@echo 'Installing the dbt packages of packages.yml'
	@$(CHECK)/install_packages.py
	@touch $@

profiles.yml:
	@echo 'Copying profiles.example.yml to profiles.yml'
	@install -m 600 profiles.example.yml $@

FORCE:
