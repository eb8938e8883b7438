# The two commands that do everything: `make run` serves the page, `make test` passes every test.
# What they need beside Rust, git, Python 3 and make they install into .tools, at fixed versions.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
# The tests measure, and share two processors at best.
.NOTPARALLEL:

export PATH := $(CURDIR)/.tools/sam/bin:$(PATH)
export SAM_CLI_TELEMETRY := 0
export CARGO_LAMBDA_TELEMETRY := 0
export AXE_CORE = $(CURDIR)/$(AXE)

PYTHON := .tools/sam/bin/python
# The program as it is deployed, for the tests that are about it.
BOOTSTRAP := target/lambda/page-visit-counter/bootstrap
# Builds what it compares, and compares it.
BENCH := cargo run --quiet --locked --manifest-path benches/Cargo.toml --target-dir target/bench --package process --
# Their versions are in their paths, so that a new one is installed where an old one was.
CARGO_DENY_VERSION := 0.20.2
CARGO_DENY := .tools/cargo-deny-$(CARGO_DENY_VERSION)/bin/cargo-deny
CARGO_FUZZ_VERSION := 0.13.2
CARGO_FUZZ := .tools/cargo-fuzz-$(CARGO_FUZZ_VERSION)/bin/cargo-fuzz
AXE_VERSION := 0.1.8
AXE := .tools/axe-$(AXE_VERSION)/axe_playwright_python/axe.min.js

.PHONY: help
help: ## Show this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

.PHONY: run
run: .tools/sam/installed ## Serve the page at http://localhost:9000
	@echo "The page will be at http://localhost:9000 once the function is built (Ctrl+C ends it)."
	cargo lambda watch --invoke-address 127.0.0.1

.PHONY: test
test: check test-rust test-program test-browser test-deploy test-cost ## Run every test

.PHONY: check
check: $(CARGO_DENY)
	@echo "== Format, lints, documentation, licences"
	cargo fmt --check
	cargo fmt --check --all --manifest-path benches/Cargo.toml
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	cargo clippy --quiet --all-targets --locked -- -D warnings
	cargo clippy --quiet --all-targets --locked --manifest-path benches/Cargo.toml --target-dir target/bench -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --quiet --no-deps --locked
	$(CARGO_DENY) --log-level error check licenses bans sources

.PHONY: test-rust
test-rust:
	@echo "== The tests that need nothing but Rust"
	PROPTEST_CASES=4000 cargo test --locked

.PHONY: test-program
test-program: $(BOOTSTRAP)
	@echo "== The program as it is deployed: behaviour, faults, 50,000 visits"
	BOOTSTRAP="$(CURDIR)/$(BOOTSTRAP)" cargo test --locked --test binary --test faults
	BOOTSTRAP="$(CURDIR)/$(BOOTSTRAP)" cargo test --locked --test load -- --ignored --test-threads=1 --nocapture

.PHONY: test-browser
test-browser: .tools/sam/installed $(AXE) chromium
	@echo "== cargo lambda watch with real clients, and with Chromium"
	cargo test --locked --test local --test browser -- --ignored

.PHONY: test-deploy
test-deploy: .tools/sam/installed .tools/stand-in/installed .tools/checkov/installed chromium
	@echo "== The template: linted, built, deployed to a local stand-in for AWS, visited, deleted"
	$(PYTHON) -m pytest -rs tests/deploy
	$(PYTHON) tests/deploy/mutations.py "AuthType is an intrinsic function"

.PHONY: test-cost
test-cost:
	@echo "== What a visit costs, against benches/baseline.json"
	$(BENCH) --check

.PHONY: bench
bench: .tools/sam/installed ## Measure the function beside the alternatives
	$(BENCH)
	cargo bench --locked --bench functions

.PHONY: bench-record
bench-record: .tools/sam/installed ## The same, and keep the figures in benches/results.json
	$(BENCH) --record

.PHONY: bench-accept
bench-accept: ## Make today's exact figures the baseline of the tests
	$(BENCH) --accept

.PHONY: bench-profile
bench-profile: ## Say which functions the instructions of a visit are spent in
	$(BENCH) --profile

.PHONY: screenshots
screenshots: .tools/sam/installed chromium ## Take the README's pictures of the page anew
	SCREENSHOTS=docs cargo test --locked --test browser -- --ignored screenshots

.PHONY: load
load: $(BOOTSTRAP) ## Make a million visits one after another, and a million sixteen at a time
	VISITS=1000000 BOOTSTRAP="$(CURDIR)/$(BOOTSTRAP)" cargo test --locked --release --test load -- --ignored --test-threads=1 --nocapture

# How long `make fuzz` looks for what nobody thought of.
FUZZ_SECONDS ?= 600

.PHONY: fuzz
fuzz: $(CARGO_FUZZ) ## Fuzz the way from raw event to raw answer for FUZZ_SECONDS (600)
	mkdir -p fuzz/corpus/event
	$(CARGO_FUZZ) run --sanitizer none --no-trace-compares event fuzz/corpus/event events -- \
	  -max_total_time=$(FUZZ_SECONDS) -max_len=16384 -dict=fuzz/event.dict

.PHONY: mutations
mutations: .tools/sam/installed .tools/stand-in/installed chromium ## Break the template in 14 ways; the deployment tests must notice each
	$(PYTHON) tests/deploy/mutations.py

.PHONY: dashboard
dashboard: .tools/sam/installed ## Draw docs/dashboard.svg anew from template.yaml
	$(PYTHON) tests/deploy/draw_dashboard.py

# As `sam build` makes it.
$(BOOTSTRAP): .tools/sam/installed Cargo.toml Cargo.lock askama.toml build.rs $(wildcard src/*)
	@echo "== Building the program for deployment"
	cargo lambda build --release --locked

.PHONY: chromium
chromium:
	@for program in chromium chromedriver curl wget; do \
	  command -v $$program >/dev/null && continue; \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "== Installing Chromium, its driver, curl and wget with apt"; \
	    apt-get update -qq; \
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium chromium-driver curl wget >/dev/null; \
	    break; \
	  fi; \
	  echo "The browser tests need $$program: on Debian, install the packages chromium, chromium-driver, curl and wget." >&2; \
	  exit 1; \
	done

.tools/%/installed: tests/deploy/requirements/%.txt
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "The tools need Python 3.11 or later; python3 is $$(python3 --version)." >&2; exit 1; }
	@if ! python3 -c 'import ensurepip' 2>/dev/null; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "== Installing python3-venv with apt"; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null; \
	  else \
	    echo "Python lacks its venv module: on Debian, install the package python3-venv." >&2; exit 1; \
	  fi; \
	fi
	@echo "== Installing the $* tools from PyPI into .tools/$*"
	rm -rf .tools/$*
	python3 -m venv .tools/$*
	.tools/$*/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

# The one file that the browser tests inject; --no-deps leaves Playwright out.
$(AXE): .tools/sam/installed
	@echo "== Installing axe-core from PyPI"
	rm -rf .tools/axe-$(AXE_VERSION)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --target .tools/axe-$(AXE_VERSION) axe-playwright-python==$(AXE_VERSION)
	@touch $@

$(CARGO_FUZZ):
	@echo "== Installing cargo-fuzz from crates.io"
	cargo install --quiet --locked --root .tools/cargo-fuzz-$(CARGO_FUZZ_VERSION) cargo-fuzz@$(CARGO_FUZZ_VERSION)

# Unoptimised, because it builds in a third of the time and runs for a second.
$(CARGO_DENY):
	@echo "== Installing cargo-deny from crates.io, which takes two minutes"
	cargo install --quiet --locked --debug --root .tools/cargo-deny-$(CARGO_DENY_VERSION) cargo-deny@$(CARGO_DENY_VERSION)
