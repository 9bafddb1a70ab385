# Every target works in .venv, which it makes itself and fills with what constraints.txt pins.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-full test-xrt lint bench constraints clean

PYTHON ?= python3.11 python3
BIN := .venv/bin
STAMPS := .venv/demo.stamp .venv/dev.stamp
CPP = $(wildcard $(foreach folder,quant/native hls/checks hls/include hls/kernels hls/tops hls/testbench \
	sim/harness sim/shell host/xrt,\
	$(folder)/*.cpp $(folder)/*.hpp))

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

demo: .venv/demo.stamp ## make a golden bundle of a real layer, verify and inspect it
	$(BIN)/transfab golden --out build/demo --force
	$(BIN)/transfab verify build/demo
	$(BIN)/transfab inspect build/demo

test: .venv/dev.stamp ## run the tests that take seconds
	$(BIN)/pytest -n 2 -m "not slow"

test-full: .venv/dev.stamp ## run all tests
	$(BIN)/pytest -n 2

test-xrt: .venv/dev.stamp ## install XRT in the cache and run its tests on emulated boards
	$(BIN)/python -m transfab.host.xrt.install
	$(BIN)/pytest -m xrt tests/host

lint: .venv/dev.stamp ## run ruff, mypy, clang-format, verilator, verible and the check of kernel code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m transfab.hls.checks.synthesizable
	$(BIN)/python -m transfab.sim.lint
	$(BIN)/clang-format --dry-run --Werror $(CPP)

bench: .venv/dev.stamp ## time the golden path, the kernels in C simulation, the RTL and the driver
	$(BIN)/transfab bench golden
	$(BIN)/transfab bench csim
	$(BIN)/transfab bench rtl
	$(BIN)/transfab bench host

# First in the list that runs and is new enough: a pyenv shim may exist and still not run.
define find_python
for p in $(PYTHON) ""; do \
	[ -z "$$p" ] || "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; \
done; \
if [ -z "$$p" ]; then \
	echo "transfab needs Python 3.11 or newer; none of these runs one: $(PYTHON) (try make PYTHON=...)" >&2; \
	exit 1; \
fi
endef

# .venv/incomplete stands while .venv changes; one that is left over means an interrupted install,
# whose packages pip cannot tell from whole ones.
define install
	@if [ -e .venv/incomplete ]; then echo "removing .venv: its last install was interrupted"; rm -rf .venv; fi
	@if [ ! -x $(BIN)/python ]; then \
		$(find_python); \
		echo "making .venv with $$($$p --version)"; \
		mkdir -p .venv && touch .venv/incomplete && "$$p" -m venv .venv; \
	fi
	@echo "installing transfab[$(EXTRAS)] into .venv, some minutes if it is new"
	@touch .venv/incomplete
	@$(BIN)/python -m pip install -qq -c constraints.txt -e '.[$(EXTRAS)]'
	@rm .venv/incomplete
endef

.venv/demo.stamp: EXTRAS := demo
.venv/demo.stamp: pyproject.toml constraints.txt
	$(install)
	@touch $@

.venv/dev.stamp: EXTRAS := demo,eval,csim,sim,board,dev
.venv/dev.stamp: pyproject.toml constraints.txt
	$(install)
	@touch $(STAMPS)

# A version without its local part (torch's "+cpu") also matches the builds of other indexes.
define WRITE_PINS
import json, sys
print("# Exact versions of all that the extras need, resolved together, with the CPU build of torch,")
print("# for Python 3.11 on Linux x86-64. Regenerate with: make constraints")
found = [item["metadata"] for item in json.load(open(sys.argv[1]))["install"]]
pins = {m["name"].lower().replace("_", "-"): m["version"].partition("+")[0] for m in found}
del pins["transfab"]
print(*(f"{name}=={version}" for name, version in sorted(pins.items())), sep="\n")
endef
export WRITE_PINS

constraints: ## resolve all extras anew and rewrite constraints.txt
	@rm -rf build/constraints && mkdir -p build/constraints
	@$(find_python); "$$p" -m venv build/constraints/venv
	@echo "resolving all extras, a minute or more"
	@build/constraints/venv/bin/pip install -qq --dry-run --ignore-installed \
		--report build/constraints/report.json '.[demo,eval,csim,sim,board,cluster,dev]'
	@build/constraints/venv/bin/python -c "$$WRITE_PINS" build/constraints/report.json \
		> build/constraints/pins && mv build/constraints/pins constraints.txt
	@echo "constraints.txt: $$(grep -c == constraints.txt) pins"

clean: ## remove what these targets made, .venv too
	rm -rf .venv build dist src/transfab.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name .git -prune -o -name __pycache__ -exec rm -rf {} +
