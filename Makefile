# `make run` serves the page, and `make test` runs every test. Both need Rust, git, Python 3 and make, and install
# everything else into .tools.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
# One thing at a time: the machine may have only two processors, and tests have time limits.
.NOTPARALLEL:
.PHONY: help run port tools test test-rust test-lint test-program test-deploy test-cost test-browser browser-programs
.PHONY: browsers screenshots fuzz mutants package

help: ## Show this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 22

include tools/install.mk

export PATH := $(CURDIR)/.tools/sam/bin:$(CURDIR)/.tools/cargo-lambda/bin:$(CURDIR)/$(dir $(GECKODRIVER)):$(PATH)
# One folder for all that Cargo builds, also for the crates in tests.
export CARGO_TARGET_DIR := $(CURDIR)/target
export SAM_CLI_TELEMETRY := 0
export CARGO_LAMBDA_TELEMETRY := 0

PYTHON := .tools/sam/bin/python
IN_TESTS := --manifest-path tests/Cargo.toml --locked
# The program that is deployed, and the smallest possible function, with which its costs are compared.
BOOTSTRAP := $(CURDIR)/target/lambda/page-visit-counter/bootstrap
CONSTANT_PAGE := $(CURDIR)/target/lambda-cost/constant_page/bootstrap
test-program test-cost: export BOOTSTRAP := $(BOOTSTRAP)
test-cost: export CONSTANT_PAGE := $(CONSTANT_PAGE)

export PORT ?= 9000

run: port .tools/cargo-lambda/installed ## Serve the page at http://localhost:9000 (PORT=9100 for another port)
	@echo "== Building the function"
	cargo build --locked
	@! grep -E '"(ERROR|WARN)".*COUNT_' <(target/debug/page-visit-counter 2>&1) # fails if the function rejects a setting, and prints why
	@echo "== The page is at http://localhost:$$PORT (Ctrl+C stops it)."
	@echo "   A few seconds after you save a file, a reload shows the change. If the page does not load, look here for errors."
	@trap 'exit 0' INT; \
	cargo lambda watch --disable-cors --invoke-address 127.0.0.1 --invoke-port $$PORT $(WATCH_OPTIONS) || true; \
	echo "cargo lambda watch has ended, and the page is no longer served. See its last lines above." >&2; exit 1

# On a port that it cannot use, cargo-lambda would end without a message and report success.
port:
	@if [[ ! $$PORT =~ ^[1-9][0-9]{0,4}$$ ]] || (( PORT > 65535 )); then \
	  echo "PORT must be a number from 1 to 65535, not \"$$PORT\"." >&2; exit 1; \
	fi
	@for address in 127.0.0.1 ::1; do \
	  if (: <> /dev/tcp/$$address/$$PORT) 2>/dev/null; then \
	    echo "Another program listens on port $$PORT. Stop it, or use another port: \`make run PORT=9100\`." >&2; exit 1; \
	  fi; \
	done

tools: .tools/sam/installed .tools/cargo-lambda/installed ## Install the SAM CLI and cargo-lambda into .tools/sam/bin

# The cheapest come first. The middle ones mostly need one processor; the other one compiles for the browser tests.
test: test-rust .tools/uv/installed ## Run every test
	@$(MAKE) --no-print-directory browser-programs & trap "kill $$! 2>/dev/null || true" EXIT; \
	$(MAKE) --no-print-directory test-lint test-program test-deploy test-cost; wait $$!
	@$(MAKE) --no-print-directory test-browser

test-rust:
	@echo "== The tests that need only Rust"
	cargo fmt --check
	cargo clippy --quiet --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --quiet --no-deps --locked
	PROPTEST_CASES=1000 cargo test --quiet --locked

test-lint: .tools/sam/installed
	@echo "== Licences, the template, the workflows, the crates in tests"
	cargo-deny --log-level error check licenses bans sources
	sam validate --lint
	actionlint
	zizmor --offline --quiet .github
	cargo fmt --check --all --manifest-path tests/Cargo.toml
	cargo clippy --quiet $(IN_TESTS) --workspace --all-targets --no-default-features -- -D warnings

# A filter that matches no test would be a success.
MUST_RUN := | awk '{ print; fflush() } / [1-9][0-9]* passed/ { ran = 1 } END { exit !ran }'

test-program: $(BOOTSTRAP)
	@echo "== The deployed program: behaviour, log, 30,000 visits"
	cargo test --locked --test it -- --include-ignored program:: --test-threads=1 --nocapture $(MUST_RUN)

test-deploy: .tools/sam/installed .tools/stand-in/installed
	@echo "== The template: built, deployed to a local stand-in for AWS, visited, deleted"
	@command -v curl >/dev/null || tools/apt-install.sh curl || { echo "Not installed: curl" >&2; exit 1; }
	$(PYTHON) -m pytest tests/deploy

# CI needs valgrind. Elsewhere, this test is skipped if valgrind is not installed.
test-cost: $(BOOTSTRAP)
	@echo "== What a visit costs, compared with the smallest possible function"
	@if command -v valgrind >/dev/null || tools/apt-install.sh valgrind; then \
	  $(MAKE) --no-print-directory $(CONSTANT_PAGE); \
	  cargo test --locked --test it -- --ignored cost:: --nocapture $(MUST_RUN); \
	else \
	  echo "NOT TESTED: what a visit costs. valgrind is not installed." >&2; [ -z "$${CI:-}" ]; \
	fi

browser-programs: .tools/cargo-lambda/installed browsers
	cargo test --quiet $(IN_TESTS) --package browser-tests --no-run

# CI needs all three browsers. Elsewhere, a browser that is not installed is skipped.
test-browser: .tools/sam/installed browser-programs
	@echo "== make run and cargo lambda watch, and the page in three browsers"
	@skip=; \
	export AXE_CORE="$$(echo $$PWD/.tools/sam/lib/python3*/site-packages/axe_playwright_python/axe.min.js)"; \
	for engine in chromium:chromedriver firefox:geckodriver webkit:WebKitWebDriver; do \
	  if [ -z "$${CI:-}" ] && ! command -v $${engine#*:} >/dev/null; then \
	    echo "NOT TESTED in $${engine%:*}: $${engine#*:} is not installed." >&2; skip="$$skip --skip $${engine%:*}::"; \
	  fi; \
	done; \
	cargo test $(IN_TESTS) --package browser-tests -- $$skip

screenshots: .tools/cargo-lambda/installed browsers ## Take the README's pictures of the page in Chromium
	command -v img2webp >/dev/null || tools/apt-install.sh webp
	rm -rf target/pictures
	cargo test $(IN_TESTS) --package browser-tests -- --ignored pictures
	for theme in light dark; do \
	  img2webp -loop 0 -lossless -d 1400 target/pictures/$$theme-[0-9]*.png -o docs/visits-$$theme.webp; \
	  cwebp -quiet -lossless target/pictures/$$theme-twelfth-visit.png -o docs/twelfth-visit-$$theme.webp; \
	done

FUZZ_SECONDS ?= 600

fuzz: .tools/sam/installed ## Look for an event whose answer breaks a promise, for FUZZ_SECONDS=600
	mkdir -p target/corpus
	CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
	  cargo-fuzz run --fuzz-dir tests/fuzz --sanitizer none --no-trace-compares event target/corpus events -- \
	  -max_total_time=$(FUZZ_SECONDS) -max_len=16384

mutants: $(CARGO_MUTANTS) ## Break src/ in every way that cargo-mutants knows: a test must fail each time
	nice env -u CARGO_TARGET_DIR $(CARGO_MUTANTS) mutants # builds in its own copy

# The first flag keeps the path of Cargo's home out of the program, so that it is the same on every machine. The second
# flag repeats the processor that cargo-lambda chooses when RUSTFLAGS is not set, as in `sam build`.
$(BOOTSTRAP) $(CONSTANT_PAGE) test-deploy package: export RUSTFLAGS := \
  --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=cargo \
  -C target-cpu=$(if $(filter aarch64,$(shell uname -m)),neoverse-n1,haswell)

$(BOOTSTRAP): .tools/sam/installed Cargo.toml Cargo.lock askama.toml build.rs $(wildcard src/* src/*/*)
	@echo "== Building the program for deployment"
	cargo lambda build --release --locked

$(CONSTANT_PAGE): .tools/sam/installed tests/Cargo.toml tests/Cargo.lock $(wildcard tests/cost/* tests/cost/src/*)
	cargo lambda build --release $(IN_TESTS) --package constant_page --lambda-dir target/lambda-cost

package: .tools/sam/installed ## Build a package in dist that can be deployed without Rust
	sam build --build-dir target/package --parameter-overrides Architecture=$(if $(filter aarch64,$(shell uname -m)),arm64,x86_64)
	SOURCE_DATE_EPOCH="$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct)}" \
	  $(PYTHON) package/package.py target/package dist
