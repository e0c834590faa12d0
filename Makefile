# make run               install what the default run needs into .venv, then: nil run
# make run ARGS="..."    the same with options, e.g. ARGS="--skill trotting --steps 100000"
# make test              install everything into .venv, then run the tests

PYTHON ?= python3
# The version the project is tested with; any torch>=2.5 serves: make run TORCH=torch
TORCH ?= torch==2.13.0
ARGS ?=
PYTEST_ARGS ?=

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
RUN_PLUGINS := agents/sac encoders/hog generators/gait robots/a1 segmenters/sim_mask
PLUGIN_PROJECTS := $(wildcard plugins/*/*/pyproject.toml)
PROJECTS := pyproject.toml $(PLUGIN_PROJECTS)
EXTRAS := dev,diffusion,export,hosted,learning,vision,web,weights

.PHONY: run test install

run: .venv/run.stamp
	$(BIN)/nil run $(ARGS)

test: .venv/all.stamp
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

install: .venv/all.stamp

# torch comes first, so that everything after it finds its version settled; and setuptools, so that one build
# environment serves all projects. sam2 comes without its dependencies: it names torchvision, which tracking does not
# need and whose wheels do not fit every build of torch.
# Without --no-compile pip compiles 13,000 modules, of which a run imports a few; Python compiles those as it needs them.
# The tests start hundreds of processes: all.stamp compiles what run.stamp left out, in case Python may not write it later.
.venv/run.stamp: $(BIN)/python $(PROJECTS)
	$(PIP) install --no-compile "$(TORCH)" "setuptools>=77"
	$(PIP) install --no-compile --no-build-isolation -e ".[learning]" $(RUN_PLUGINS:%=-e ./plugins/%)
	$(BIN)/python .ci/check_gl.py
	@touch $@

.venv/all.stamp: $(BIN)/python $(PROJECTS)
	$(PIP) install "$(TORCH)" "setuptools>=77"
	$(PIP) install --no-build-isolation -e ".[$(EXTRAS)]" $(PLUGIN_PROJECTS:%/pyproject.toml=-e ./%)
	SAM2_BUILD_CUDA=0 $(PIP) install --no-build-isolation --no-deps "sam2>=1.1"
	$(BIN)/python -m compileall -qq -j 0 .venv/lib || true
	$(BIN)/python .ci/check_gl.py
	@touch $@ .venv/run.stamp

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "nil needs Python 3.11 or newer, $(PYTHON) is not: make PYTHON=/path/to/python3.11 ..." >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
		{ echo "$(PYTHON) cannot make environments. Debian, Ubuntu: apt-get install python3-venv" >&2; exit 2; }
	$(PYTHON) -m venv .venv
