# Everything happens in .venv. It is made once from $(PYTHON), and brought up to date when pyproject.toml changes.
#
#   make test PYTHON=python3.13 VENV=.venv-3.13                 another Python
#   make test VENV=.venv-minimal EXTRAS=test-minimal            only numpy, cython, setuptools, hypothesis, pytest
#   make test PYTEST_ARGS="-x tests/test_backend.py"            arguments for pytest
#   MINIGRAD_CORE=numpy make test                               without a C compiler, on the slow NumPy core
# setup.py lists the variables that change how the core is built.

PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= test
PYTEST_ARGS ?=
BIN := $(VENV)/bin

# More BLAS threads than idle cores stall small products, and the last bits depend on their number.
export OPENBLAS_NUM_THREADS ?= 1

# The tests that call the core most; and what `make sanitize` builds it with.
KERNELS := $(patsubst %,tests/test_%.py,core core_arguments core_epoch math engines positions losses optimizers layers \
	training many lanes bad_input)
SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -g -O1 -fno-omit-frame-pointer

FIGURES := outer_product zigzag decomposition
CORE := $(if $(filter numpy,$(MINIGRAD_CORE)),,$(VENV)/.core)

.DEFAULT_GOAL := help
.PHONY: help report play test proofs oracles fuzz mutants sanitize checked levels soak bench figures theory-figures lint build dist clean FORCE
.NOTPARALLEL:
.DELETE_ON_ERROR:

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

report: $(VENV)/.extras-report,theory $(CORE) ## measure every claim and write report/
	$(BIN)/minigrad report --out report

play: $(VENV)/.extras-play $(CORE) ## open the playground in the browser; Ctrl-C ends it
	@$(BIN)/minigrad play

test: $(VENV)/.extras-$(EXTRAS) $(CORE) ## run the tests
	$(BIN)/python -m pytest $(PYTEST_ARGS)

proofs: $(VENV)/.extras-$(EXTRAS) $(CORE) ## prove the sign rules for all floats, by solver and by exhaustion (minutes)
	$(BIN)/python -m pytest -m proofs $(PYTEST_ARGS)

oracles: ## compare with PyTorch, JAX and scikit-learn on 2,500 random nets, and try the bridges to them, in an environment of its own (minutes)
	MINIGRAD_ORACLE_CASES=$${MINIGRAD_ORACLE_CASES:-2500} \
	$(MAKE) test VENV=$(VENV)-oracles EXTRAS=test,oracles PYTEST_ARGS="tests/external tests/bridges $(PYTEST_ARGS)"

fuzz: $(VENV)/.extras-$(EXTRAS) $(CORE) ## a million random arguments, files and command lines (half an hour)
	MINIGRAD_FUZZ_CASES=$${MINIGRAD_FUZZ_CASES:-1000000} $(BIN)/python -m pytest tests/fuzz $(PYTEST_ARGS)

# Without worker processes: ASan's allocator may deadlock in a child that is forked while another thread allocates.
sanitize: $(VENV)/.extras-$(EXTRAS) ## run the core's tests under AddressSanitizer and UBSan, with gcc (minutes)
	$(call in_a_copy,CFLAGS="$(SANITIZERS)" LDFLAGS="$(SANITIZERS)",\
	LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" \
	ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc,\
	-s -p no:cacheprovider -k "not worker_processes" $(KERNELS) tests/trust/test_threads_and_workers.py tests/fuzz)

checked: $(VENV)/.extras-$(EXTRAS) ## run all tests with every check that Cython has in the core (minutes)
	$(call in_a_copy,MINIGRAD_CHECKED=1)

levels: level-baseline level-x86-64-v2 level-x86-64-v3 ## run the core's tests with the core built for older CPUs (minutes)

level-%: $(VENV)/.extras-$(EXTRAS)
	$(call in_a_copy,MINIGRAD_ARCH=$*,,$(KERNELS))

soak: $(VENV)/.extras-$(EXTRAS) $(CORE) ## kill training runs at a hundred moments, and look for leaks in a million steps (minutes)
	MINIGRAD_KILLS=$${MINIGRAD_KILLS:-100} MINIGRAD_LEAK_STEPS=$${MINIGRAD_LEAK_STEPS:-1000000} \
	$(BIN)/python -m pytest tests/trust -rP $(PYTEST_ARGS)

mutants: ## break the Python in 4,100 ways and the core in 300, and count what the tests notice (hours, own environment)
	$(MAKE) $(VENV)-mutants/.extras-test,mutants $(VENV)-mutants/.core VENV=$(VENV)-mutants
	$(VENV)-mutants/bin/python tests/mutation/python_mutants.py
	$(VENV)-mutants/bin/python tests/mutation/core_mutants.py mutants/core.log --sample 300

bench: ## time a training step, a whole run and backprop against other frameworks (half an hour, own environment)
	$(MAKE) $(VENV)-bench/.extras-report,oracles $(VENV)-bench/.core VENV=$(VENV)-bench
	$(VENV)-bench/bin/python benchmarks/run_all.py $(BENCH_ARGS)

theory-figures: $(VENV)/.extras-$(EXTRAS) $(CORE) ## print the simulated figures of docs/theory.md, with seeds and ranges (minutes)
	$(BIN)/python docs/theory_figures.py $(FIGURE_ARGS)

figures: $(VENV)/.extras-report,theory $(CORE) ## draw the pictures in docs/img/ again
	$(BIN)/minigrad report --only Q1,Q7 --out build/figures
	cp $(FIGURES:%=build/figures/%.png) docs/img/

# cython-lint starts pycodestyle, by its name.
lint: $(VENV)/.extras-dev ## check style (ruff, cython-lint), format (ruff) and types (mypy)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PATH="$(abspath $(BIN)):$$PATH" cython-lint minigrad/*.pyx minigrad/kernels/*.pxd
	$(BIN)/mypy

build: $(VENV)/.extras-report,theory $(CORE) ## install minigrad into .venv, editable, with its core built in place

dist: $(VENV)/.extras-dev ## make the sdist, and the wheel from the sdist, in dist/
	rm -rf dist
	MINIGRAD_CORE=compiled $(BIN)/python -m build

clean: ## remove .venv and all that make and the build wrote
	rm -rf $(VENV) build dist report mutants *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage htmlcov
	rm -f minigrad/_core.level minigrad/_core*.so minigrad/_core.c
	find minigrad tests examples benchmarks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# ---- making .venv -------------------------------------------------------------------------------------------

say = { echo "make: $(1)" >&2; exit 1; }

# The environment, with what pyproject.toml's [build-system] asks for, so that the builds below need not fetch it.
$(VENV)/.made:
	@command -v $(PYTHON) > /dev/null || $(call say,there is no $(PYTHON): install Python 3.11 or newer$(comma) or name one with PYTHON=...)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || $(call say,$(PYTHON) is older than Python 3.11: name another with PYTHON=...)
	@$(PYTHON) -c 'import ensurepip$(comma) venv' 2> /dev/null || $(call say,$(PYTHON) cannot make environments: install the Debian package python3-venv)
	@echo "making $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' > $(VENV)/build-requires.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check -r $(VENV)/build-requires.txt
	@touch $@

# minigrad itself, editable, with some of its extras. The core is left out here and built by the rule after next.
$(VENV)/.extras-%: $(VENV)/.made pyproject.toml
	@echo "installing minigrad[$*] into $(VENV)"
	@MINIGRAD_CORE=numpy $(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation -e '.[$*]'
	@touch $@

# What the core was built with; touched only when it changes.
$(VENV)/.switches: FORCE | $(VENV)/.made
	@echo "$$MINIGRAD_ARCH|$$MINIGRAD_CHECKED|$$CC|$$CFLAGS|$$LDFLAGS" > $@.new
	@if cmp -s $@ $@.new; then rm $@.new; else mv $@.new $@; fi

$(VENV)/.core: $(VENV)/.made $(VENV)/.switches minigrad/_core.pyx $(wildcard minigrad/kernels/*.px[di]) minigrad/kernels/cpu.py setup.py pyproject.toml
	@cc=$${CC:-$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_config_var("CC") or "cc")')}; \
	command -v $${cc%% *} > /dev/null || $(call say,no C compiler ($${cc%% *}): install one (Debian package build-essential$(comma) or gcc). $(slow))
	@test -f "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" || \
	$(call say,no Python.h$(comma) which the core is compiled with: install the Debian package python3-dev. $(slow))
	@echo "building the core"
	@MINIGRAD_CORE=compiled $(BIN)/python setup.py -q build_ext --inplace
	@touch $@

# in_a_copy(variables of the build, variables of the tests, arguments for pytest): in a copy of the tree, because the
# core that is built there must not stay beside the source.
define in_a_copy
	@rm -rf build/$@
	@mkdir -p build/$@
	@cp -R CHANGELOG.md CONTRIBUTING.md LICENSE Makefile README.md SECURITY.md benchmarks docs examples minigrad pyproject.toml setup.py tests build/$@
	@rm -f build/$@/minigrad/_core.level build/$@/minigrad/_core*.so
	cd build/$@ && MINIGRAD_CORE=compiled $(1) $(abspath $(BIN))/python setup.py -q build_ext --inplace
	cd build/$@ && MINIGRAD_CORE=compiled $(2) $(abspath $(BIN))/python -m pytest $(3) $(PYTEST_ARGS)
endef

slow := Or go on without, on the slow NumPy core: MINIGRAD_CORE=numpy make ...
comma := ,
FORCE:
