# The commands of this project. `make` alone lists them.

.DEFAULT_GOAL := help
.PHONY: help demo test fuzz soak e2e bench lint generate clean-tools

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## show a canary release on this machine, and serve until Ctrl-C (python3; DEMO_ONCE=1 ends by itself)
	@command -v python3 >/dev/null || { echo "make demo needs python3; on Debian: apt-get install python3" >&2; exit 1; }
	@python3 examples/demo.py

# A python3 of a version manager is a script that takes longer to start than the servers of the tests: the program behind it is.
test: ## unit tests, and tests against a real API server (no root, no containers)
	@bin=$$(tests/tools/build.sh test) && \
	  python=$$(python3 -c 'import os, sys; print(os.path.dirname(sys.executable))') && \
	  PATH=$$python:$$PATH CUTWATER_TOOLS_BIN=$$bin RUST_TEST_THREADS=$${RUST_TEST_THREADS:-4} cargo test --locked --lib --bins --test it $(ARGS)

soak: ## kill publishers, deleters and git servers at 1,000 random moments (MOMENTS=n), and serve 1,000 changes under load
	CUTWATER_CRASHES=$(or $(MOMENTS),1000) cargo test --locked --test it remotes::crashes -- --nocapture
	CUTWATER_CHANGES=$(or $(MOMENTS),1000) cargo test --locked --test it serve::load -- --nocapture

fuzz: ## fuzz repository reading, app.yaml and version words, each for SECONDS=60 (a C++ compiler)
	@fuzz/run.sh $(or $(SECONDS),60) $(TARGETS)

e2e: ## tests with real pods and a real gateway, in a network namespace (root; FILTER=name for some)
	@tests/e2e/run.sh $(FILTER)

bench: ## the figures of docs/benchmarks.md, measured on this machine (root for all; PARTS="plan store serve lab release")
	@tests/bench/run.sh $(PARTS)

lint: ## formatting, clippy, dependency rules, shellcheck
	@tests/tools/lint.sh

generate: ## write the files that are generated from the code: crds/, docs/schemas/, docs/cli.md
	@cargo run --quiet --locked -- crd --output crds
	@cargo run --quiet --locked -- schema output --write docs/schemas
	@cargo run --quiet --locked -- man --markdown --output docs

clean-tools: ## remove the programs that the tests built
	@dir="$${CUTWATER_TOOLS:-$${XDG_CACHE_HOME:-$$HOME/.cache}/cutwater/tools}" && rm -rf "$$dir" && echo "removed $$dir"
