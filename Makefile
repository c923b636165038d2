# Everything that a person or CI does here. Needs Python 3.11 or newer, git and make; brings the rest itself, into .venv.
# `make` lists the targets. ARGS goes through to the command: make test ARGS="-k quota".

.DEFAULT_GOAL := help
BIN := .venv/bin
PY := $(BIN)/python
LOCK := requirements/dev.lock
READY := .venv/.ready

# The Python that .venv is made from; `make setup PYTHON=python3.13` chooses another. Looked up only where it is used.
PYTHON = $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.version_info >= (3, 11) and print(sys.executable)' 2>/dev/null; done | head -n 1)

# The uv on PATH, else the one that requirements/bootstrap.lock pins.
UV := $(shell uv --version >/dev/null 2>&1 && echo uv || echo .uv/bin/uv)
export UV_PYTHON_DOWNLOADS := never

# uv reads only its own variables: a mirror that was set for pip, by variable or by file, serves it too.
UV_WITH_PIP_SETTINGS = \
	index="$${UV_DEFAULT_INDEX:-$${UV_INDEX_URL:-$${PIP_INDEX_URL:-$$($(PYTHON) -m pip config get global.index-url 2>/dev/null)}}}"; \
	links="$${UV_FIND_LINKS:-$$(echo $$PIP_FIND_LINKS | tr ' ' ',')}"; \
	[ -z "$$index" ] || export UV_DEFAULT_INDEX="$$index"; \
	[ -z "$$links" ] || export UV_FIND_LINKS="$$links"; \
	[ -z "$$PIP_CERT" ] || export SSL_CERT_FILE="$${SSL_CERT_FILE:-$$PIP_CERT}"; \
	$(UV)

.PHONY: help setup protos fmt check static lint types imports contract test demo run eval train waste bench lock clean always

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## Install everything into .venv; does nothing when nothing changed
	@:

protos: setup ## Generate services/pointsman/v1 from protos/
	@rm -f $(OUT)/pointsman/v1/*_pb2*
	@$(PY) -m grpc_tools.protoc --proto_path=protos \
		--plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy --plugin=protoc-gen-mypy_grpc=$(BIN)/protoc-gen-mypy_grpc \
		--python_out=$(OUT) --grpc_python_out=$(OUT) --mypy_out=quiet:$(OUT) --mypy_grpc_out=quiet:$(OUT) \
		protos/pointsman/v1/*.proto
protos: OUT = services

fmt: setup ## Format Python and protos; apply the fixes that are safe
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format .
	@$(BIN)/buf format --write protos

check: static test ## Everything that CI checks: lint, types, imports, contract, then the tests

static: lint types imports contract

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: setup
	@$(BIN)/mypy

imports: setup
	@$(BIN)/lint-imports

# Compared with where this branch left main; on main, with the state before the last change of the contract.
# A shallow clone may have neither.
contract: setup
	@$(BIN)/buf lint protos
	@$(BIN)/buf format --diff --exit-code protos
	@head=$$(git rev-parse -q --verify HEAD); \
	main=$$(git rev-parse -q --verify origin/main || git rev-parse -q --verify main); \
	base=$$(git merge-base HEAD "$$main" 2>/dev/null); \
	if [ -n "$$base" ] && [ "$$base" != "$$head" ]; then :; \
	elif ! git diff --quiet HEAD -- protos 2>/dev/null; then base=$$head; \
	else base=$$(git rev-parse -q --verify "$$(git rev-list -n 1 HEAD -- protos)~1"); fi; \
	if [ -z "$$base" ] || ! git cat-file -e "$$base:protos/buf.yaml" 2>/dev/null; then \
		echo "contract: breaking changes NOT checked: this checkout has no earlier contract to compare with"; exit 0; fi; \
	before=$$(mktemp -d) && trap 'rm -rf "$$before"' EXIT && git archive "$$base" protos | tar -x -C "$$before" && \
	echo "contract: comparing with $$(git log -1 --format='%h %s' "$$base")" && \
	$(BIN)/buf breaking protos --against "$$before/protos"

# What starts many processes at once, or measures, has the machine to itself, after all the rest on two cores.
ALONE := tests/bench tests/chaos tests/soak
test: setup ## Run the tests; those whose tool is missing are skipped with a reason (POINTSMAN_NO_SKIP=1: fail)
ifeq ($(ARGS),)
	@$(PY) -m pytest --numprocesses 2 --dist worksteal $(ALONE:%=--ignore=%)
	@$(PY) -m pytest $(ALONE)
else
	@$(PY) -m pytest $(ARGS)
endif

.PHONY: fuzz fuzz-atheris audit sbom
fuzz: setup ## The property tests with a hundred times the inputs; some minutes, ARGS="-k settings" one target
	@$(PY) -m pytest tests/fuzz --hypothesis-profile=fuzz $(ARGS)

# Not in the lock: it has files for Linux, and for few versions of macOS and Python.
fuzz-atheris: setup ## One target guided by coverage until Ctrl-C: make fuzz-atheris TARGET=events; fetches atheris
	@$(UV_WITH_PIP_SETTINGS) pip install --quiet --python $(PY) atheris
	@$(PY) -m tests.fuzz $(TARGET) $(ARGS)

audit: setup ## Known weaknesses of the locked packages, asked of osv.dev; NEEDS NETWORK
	@$(UV_WITH_PIP_SETTINGS) tool run --quiet --python "$(PYTHON)" pip-audit@2.10.1 --disable-pip --require-hashes \
		--vulnerability-service osv --requirement $(LOCK) $(ARGS) \
		|| { echo "audit: weaknesses were found, or osv.dev could not be asked: this needs the network" >&2; exit 1; }

sbom: setup ## The lock as a CycloneDX bill of materials, dist/sbom.json; needs no network
	@mkdir -p dist && $(PY) requirements/sbom.py > dist/sbom.json && echo "sbom: dist/sbom.json"

demo: setup ## No keys, no Ollama: the whole stack with simulated providers, and the before/after table
	@$(BIN)/pointsman demo $(ARGS)

run: setup ## The real stack, from deploy/pointsman.toml
	@$(BIN)/pointsman up $(ARGS)

eval: setup ## Accuracy and calibration of the classifier
	@$(PY) -m tests.eval.embedded $(ARGS)

train: setup ## Rebuild the embedded classifier's weights from its corpus, byte for byte
	@$(PY) -m tests.eval.train $(ARGS)

waste: setup ## Wasted calls: every traffic under every limit, and a month beside sequential fallback; 20 minutes
	@$(PY) -m tests.waste.report $(ARGS)

# In a virtual environment of its own: what peers need is nothing that Pointsman should be installed with.
# Without dependencies, because the lock has them all and departs from one bound (requirements/peers.override).
PEERS := .venv-peers
PEERS_LOCK := requirements/peers.lock
.PHONY: waste-peers lock-peers
waste-peers: setup $(PEERS)/.ready ## Wasted calls on the wire in real time, beside LiteLLM; six minutes, ARGS=--quick: one
	@$(PY) -m tests.waste.peers $(ARGS)

$(PEERS)/.ready: $(PEERS_LOCK) | $(filter .uv/bin/uv,$(UV))
	@echo "peers: installing what $(PEERS_LOCK) pins into $(PEERS), hashes checked"
	@$(UV) venv --quiet --clear --python "$(PYTHON)" $(PEERS)
	@$(UV_WITH_PIP_SETTINGS) pip install --quiet --python $(PEERS)/bin/python --no-deps --require-hashes \
		--compile-bytecode --requirement $(PEERS_LOCK)
	@touch $@

lock-peers: $(filter .uv/bin/uv,$(UV)) ## Rebuild the locks of the peers; ARGS=--upgrade takes the newest
	@echo "lock-peers: $(PEERS_LOCK)"
	@$(UV_WITH_PIP_SETTINGS) pip compile --quiet $(subst make lock,make lock-peers,$(LOCK_FLAGS)) $(ARGS) \
		--output-file $(PEERS_LOCK) --override requirements/peers.override requirements/peers.in
	@echo "lock-peers: $(TENSORZERO_LOCK)"
	@$(UV_WITH_PIP_SETTINGS) pip compile --quiet $(subst make lock,make lock-peers,$(LOCK_FLAGS)) $(ARGS) \
		--output-file $(TENSORZERO_LOCK) requirements/tensorzero.in
	@echo "lock-peers: $(PORTKEY_LOCK)"
	@cd $(dir $(PORTKEY_LOCK)) && npm $(if $(ARGS),update,install) --package-lock-only $(NPM_FLAGS)

# The gateways beside which speed is measured. Portkey needs Node and npm, and is left out where they are not.
TENSORZERO := .venv-tensorzero
TENSORZERO_LOCK := requirements/tensorzero.lock
PORTKEY := .npm-peers
PORTKEY_LOCK := requirements/portkey/package-lock.json
# Without the addresses of downloads, which bind a lock to one registry.
NPM_FLAGS := --silent --omit=dev --ignore-scripts --no-audit --no-fund --omit-lockfile-registry-resolved=true
.PHONY: bench-peers
bench-peers: setup $(PEERS)/.ready $(TENSORZERO)/.ready $(PORTKEY)/.ready ## Speed beside LiteLLM, Portkey and TensorZero; five minutes, ARGS=--readme: into the README
	@$(PY) -m tests.bench.peers $(ARGS)

$(TENSORZERO)/.ready: $(TENSORZERO_LOCK) | $(filter .uv/bin/uv,$(UV))
	@echo "bench-peers: installing what $(TENSORZERO_LOCK) pins into $(TENSORZERO), hashes checked"
	@$(UV) venv --quiet --clear --python "$(PYTHON)" $(TENSORZERO)
	@$(UV_WITH_PIP_SETTINGS) pip install --quiet --python $(TENSORZERO)/bin/python --no-deps --require-hashes \
		--requirement $(TENSORZERO_LOCK)
	@touch $@

$(PORTKEY)/.ready: $(PORTKEY_LOCK)
	@if command -v npm >/dev/null; then \
		echo "bench-peers: installing what $(PORTKEY_LOCK) pins into $(PORTKEY), hashes checked"; \
		rm -rf $(PORTKEY) && mkdir $(PORTKEY) && cp requirements/portkey/*.json $(PORTKEY) && \
		cd $(PORTKEY) && npm ci $(NPM_FLAGS) && touch .ready; \
	else echo "bench-peers: no npm on PATH, so Portkey is left out; on Debian and Ubuntu: apt-get install npm"; fi

# A tracing backend that nobody here wrote, in a virtual environment of its own too: the traces of a test are read back
# from it. As ready as .venv-backend is there; the test is skipped where it is not.
BACKEND := .venv-backend
BACKEND_LOCK := requirements/backend.lock
.PHONY: backend trace-shot lock-backend
backend: $(BACKEND)/.ready ## Install the tracing backend Arize Phoenix, for the test that reads a trace back from it; 600 MB
	@:

trace-shot: setup backend ## Draw deploy/dashboards/trace.png anew: one request's trace, in the tracing backend; a minute
	@$(PY) -m tests.trace_shot $(ARGS)

$(BACKEND)/.ready: $(BACKEND_LOCK) | $(filter .uv/bin/uv,$(UV))
	@echo "backend: installing what $(BACKEND_LOCK) pins into $(BACKEND), hashes checked"
	@$(UV) venv --quiet --clear --python "$(PYTHON)" $(BACKEND)
	@$(UV_WITH_PIP_SETTINGS) pip install --quiet --python $(BACKEND)/bin/python --no-deps --require-hashes \
		--compile-bytecode --requirement $(BACKEND_LOCK)
	@touch $@

lock-backend: $(filter .uv/bin/uv,$(UV)) ## Rebuild requirements/backend.lock; ARGS=--upgrade takes the newest backend
	@echo "lock-backend: $(BACKEND_LOCK)"
	@$(UV_WITH_PIP_SETTINGS) pip compile --quiet $(subst make lock,make lock-backend,$(LOCK_FLAGS)) $(ARGS) \
		--output-file $(BACKEND_LOCK) requirements/backend.in

.PHONY: chaos soak
chaos: setup ## The real stack while its parts are killed, stopped and cut off; 3 min, ARGS="--minutes 20 --seed 7"
	@$(PY) -m tests.chaos $(ARGS)

MINUTES = 10
soak: setup ## Steady load for MINUTES=10: memory, descriptors and p99 stay flat; ARGS="--picture soak.svg"
	@$(PY) -m tests.soak --minutes $(MINUTES) $(ARGS)

bench: setup ## What Pointsman itself adds to a call and to a stream; ARGS="--only ledger"
	@$(PY) -m tests.bench $(ARGS)

lock: $(filter .uv/bin/uv,$(UV)) ## Rebuild requirements/*.lock; ARGS=--upgrade takes newer versions
	@echo "lock: requirements/bootstrap.lock"
	@echo uv | { $(UV_WITH_PIP_SETTINGS) pip compile --quiet $(LOCK_FLAGS) $(ARGS) --output-file requirements/bootstrap.lock -; }
	@echo "lock: $(LOCK)"
	@$(UV_WITH_PIP_SETTINGS) pip compile --quiet $(LOCK_FLAGS) $(ARGS) --output-file $(LOCK) --all-extras --group dev \
		--no-emit-package pointsman --no-emit-package pointsman-client pyproject.toml clients/python/pyproject.toml
# For every platform and Python we support; hashes, and no trace of where this machine downloads from.
LOCK_FLAGS = --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	--custom-compile-command "make lock"

clean: ## Remove everything that make made, .venv too
	@rm -rf .venv .venv-peers .venv-tensorzero .npm-peers .venv-backend .uv .fuzz dist tests/*/results .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	@find services clients tests -type d -name __pycache__ -prune -exec rm -rf {} +

# The stamp holds the folder it was made in: a .venv that was copied along with its tree would run the old tree's code.
ifneq ($(shell cat $(READY) 2>/dev/null),$(CURDIR))
$(READY): always
endif
$(READY): $(LOCK) pyproject.toml clients/python/pyproject.toml | $(filter .uv/bin/uv,$(UV))
	@[ -n "$(PYTHON)" ] || { $(NO_PYTHON); }
	@[ ! -f $@ ] || [ "$$(cat $@)" = "$(CURDIR)" ] || { echo "setup: .venv was copied from $$(cat $@), making a new one"; rm -rf .venv; }
	@[ -x $(PY) ] || { echo "setup: making .venv with $$($(PYTHON) --version)"; $(UV) venv --quiet --python "$(PYTHON)" .venv; }
	@echo "setup: installing what $(LOCK) pins, hashes checked"
	@$(UV_WITH_PIP_SETTINGS) pip install --quiet --python $(PY) --require-hashes --requirement $(LOCK)
	@echo "setup: installing pointsman and pointsman-client from this folder"
	@$(UV) pip install --quiet --python $(PY) --offline --no-deps --no-build-isolation --editable . --editable clients/python
	@echo "$(CURDIR)" > $@
	@echo "setup: ready"

.uv/bin/uv: requirements/bootstrap.lock
	@[ -n "$(PYTHON)" ] || { $(NO_PYTHON); }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "setup: $(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "setup: fetching the installer uv into .uv, version and hash from $<"
	@$(PYTHON) -m venv --clear .uv
	@.uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

NO_PYTHON = echo "setup: Pointsman needs Python 3.11 or newer. Found: $$(python3 --version 2>&1 || true)." >&2; \
	echo "setup: install one, or name it: make setup PYTHON=path/to/python3.11" >&2; exit 1
