# `make run` serves the page, and `make test` runs every test. Both need Rust, git, Python 3 and make, and install
# everything else into .tools.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
# Some tests measure, and the machine may have only two processors.
.NOTPARALLEL:

.PHONY: help
help: ## Show this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 22

include tools/install.mk

export PATH := $(CURDIR)/.tools/sam/bin:$(CURDIR)/.tools/cargo-lambda/bin:$(CURDIR)/$(dir $(CARGO_ABOUT)):$(PATH)
# The targets below expect to find what they build in target.
unexport CARGO_TARGET_DIR
export SAM_CLI_TELEMETRY := 0
export CARGO_LAMBDA_TELEMETRY := 0

PYTHON := .tools/sam/bin/python
# The program that is deployed.
BOOTSTRAP := target/lambda/page-visit-counter/bootstrap

export PORT ?= 9000

.PHONY: run
run: port .tools/cargo-lambda/installed ## Serve the page at http://localhost:9000 (PORT=9100 for another port)
	@echo "== Building the function"
	cargo build --locked
	@! grep '"ERROR".*COUNT_' <(target/debug/page-visit-counter 2>&1) # fails if the function rejects a setting, and prints why
	@echo "== The page is at http://localhost:$$PORT (Ctrl+C stops it)."
	@echo "   A few seconds after you save a file, a reload shows the change. If the page does not load, look here for errors."
	@trap 'exit 0' INT; \
	cargo lambda watch --disable-cors --invoke-address 127.0.0.1 --invoke-port $$PORT $(WATCH_OPTIONS) || true; \
	echo "cargo lambda watch has ended, and the page is no longer served. See its last lines above." >&2; exit 1

# On a port that it cannot use, cargo-lambda would end without a message and report success.
.PHONY: port
port:
	@if [[ ! $$PORT =~ ^[1-9][0-9]{0,4}$$ ]] || (( PORT > 65535 )); then \
	  echo "PORT must be a number from 1 to 65535, not \"$$PORT\"." >&2; exit 1; \
	fi
	@for address in 127.0.0.1 ::1; do \
	  if (: <> /dev/tcp/$$address/$$PORT) 2>/dev/null; then \
	    echo "Another program listens on port $$PORT. Stop it, or use another port: \`make run PORT=9100\`." >&2; exit 1; \
	  fi; \
	done

.PHONY: tools
tools: .tools/sam/installed .tools/cargo-lambda/installed ## Install the SAM CLI and cargo-lambda into .tools/sam/bin

.PHONY: test
test: check test-rust test-program test-browser test-deploy test-cost ## Run every test

.PHONY: check
check: .tools/sam/installed
	@echo "== Formatting, lints, documentation, licences, which takes a minute or two"
	cargo fmt --check
	cargo fmt --check --manifest-path tests/cost/Cargo.toml
	cargo fmt --check --manifest-path tests/fuzz/Cargo.toml
	cargo clippy --quiet --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --quiet --no-deps --locked
	cargo-deny --log-level error check licenses bans sources

.PHONY: test-rust
test-rust:
	@echo "== The tests that need only Rust"
	PROPTEST_CASES=1000 cargo test --locked

.PHONY: test-program
test-program: $(BOOTSTRAP)
	@echo "== The deployed program: behaviour, faults, 50,000 visits"
	BOOTSTRAP="$(CURDIR)/$(BOOTSTRAP)" cargo test --locked --test it -- program::
	BOOTSTRAP="$(CURDIR)/$(BOOTSTRAP)" cargo test --locked --test it -- --ignored program:: --test-threads=1 --nocapture

# CI needs all three browsers. Elsewhere, a browser that is not installed is skipped.
.PHONY: test-browser
test-browser: export PATH := $(CURDIR)/$(dir $(GECKODRIVER)):$(PATH)
test-browser: .tools/sam/installed browsers
	@echo "== make run and cargo lambda watch with curl, wget, Python and three browsers"
	@skip=; \
	export AXE_CORE="$$(echo $$PWD/.tools/sam/lib/python3*/site-packages/axe_playwright_python/axe.min.js)"; \
	for engine in chromium:chromedriver firefox:geckodriver webkit:WebKitWebDriver; do \
	  if [ -z "$${CI:-}" ] && ! command -v $${engine#*:} >/dev/null; then \
	    echo "NOT TESTED in $${engine%:*}: $${engine#*:} is not installed." >&2; skip="$$skip --skip $${engine%:*}::"; \
	  fi; \
	done; \
	cargo test --locked --test it -- --ignored local:: && cargo test --locked --test it -- --ignored browser:: $$skip

.PHONY: starter
starter: .tools/sam/installed .tools/stand-in/installed ## Make, test, deploy and delete a function from template/ (part of test-deploy)
	@echo "== The function that cargo lambda new makes from template/"
	$(PYTHON) -m pytest -rs tests/deploy/test_starter.py

.PHONY: test-deploy
test-deploy: .tools/sam/installed .tools/stand-in/installed .tools/checkov/installed $(CARGO_ABOUT)
	@echo "== The template: linted, built, deployed to a local stand-in for AWS, visited, deleted"
	sam validate --lint
	actionlint
	.tools/checkov/bin/checkov --config-file tests/deploy/checkov.yaml
	$(PYTHON) -m pytest tests/deploy

# CI needs valgrind. Elsewhere, this test is skipped if valgrind is not installed.
.PHONY: test-cost
test-cost: $(BOOTSTRAP) tests/cost/Cargo.lock
	@echo "== What a visit costs, against tests/cost/baseline.json"
	@if command -v valgrind >/dev/null || tools/apt-install.sh valgrind; then \
	  $(COST) cargo test --locked --test it -- --ignored cost::exact --nocapture; \
	else \
	  echo "NOT TESTED: what a visit costs. valgrind is not installed." >&2; [ -z "$${CI:-}" ]; \
	fi

.PHONY: bench
bench: $(BOOTSTRAP) tests/cost/Cargo.lock .tools/django/installed valgrind ## Compare the function with the alternatives
	$(COST) cargo test --locked --test it -- --ignored cost::table --nocapture

.PHONY: bench-accept
bench-accept: $(BOOTSTRAP) tests/cost/Cargo.lock valgrind ## Make today's costs the baseline of `make test-cost`
	$(COST) BASELINE=accept cargo test --locked --test it -- --ignored cost::exact --nocapture

.PHONY: bench-profile
bench-profile: valgrind ## Show where the instructions of a visit go, by function
	cargo build --release --locked --config profile.release.strip=false --target-dir target/symbols
	BOOTSTRAP=target/symbols/release/page-visit-counter cargo test --locked --test it -- --ignored cost::profile --nocapture

# The tests build the constant page with the function's flags.
COST = BOOTSTRAP=$(BOOTSTRAP) RELEASE_RUSTFLAGS="$(RELEASE_RUSTFLAGS)"

# They start from the versions of the function's dependencies; Cargo adds what they need besides.
tests/cost/Cargo.lock tests/fuzz/Cargo.lock: Cargo.lock
	cp $< $@

.PHONY: screenshots
screenshots: browsers ## Take the README's pictures of the page while `make run` runs in another terminal
	curl --silent --fail --header 'Cookie: count=11' --header 'X-Forwarded-Proto: https' http://localhost:$$PORT > target/page.html
	for scheme in 0-dark 1-light; do \
	  chromium --headless --no-sandbox --hide-scrollbars --window-size=1280,980 --blink-settings=preferredColorScheme=$${scheme%-*} \
	    --screenshot=docs/twelfth-visit-$${scheme#*-}.png file://$(CURDIR)/target/page.html; \
	done

.PHONY: load
load: $(BOOTSTRAP) ## Make a million visits one after another, and a million sixteen at a time
	VISITS=1000000 BOOTSTRAP="$(CURDIR)/$(BOOTSTRAP)" cargo test --locked --release --test it -- --ignored program:: --test-threads=1 --nocapture

# How many seconds `make fuzz` runs.
FUZZ_SECONDS ?= 600

.PHONY: fuzz
fuzz: .tools/sam/installed tests/fuzz/Cargo.lock ## Look for an event whose answer breaks a promise, for FUZZ_SECONDS=600
	mkdir -p tests/fuzz/corpus/event
	cargo-fuzz run --fuzz-dir tests/fuzz --sanitizer none --no-trace-compares event tests/fuzz/corpus/event events -- \
	  -max_total_time=$(FUZZ_SECONDS) -max_len=16384

.PHONY: mutants
mutants: $(CARGO_MUTANTS) ## Break src/ in every way that cargo-mutants knows: a test must fail each time
	nice $(CARGO_MUTANTS) mutants

# Without the path of Cargo's home, the program is the same on every machine. Without RUSTFLAGS, as in `sam build`,
# cargo-lambda chooses the processor itself: this is its choice.
TARGET_CPU := $(if $(filter aarch64,$(shell uname -m)),neoverse-n1,haswell)
RELEASE_RUSTFLAGS := --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=cargo -C target-cpu=$(TARGET_CPU)
$(BOOTSTRAP) test-deploy: export RUSTFLAGS := $(RELEASE_RUSTFLAGS)

$(BOOTSTRAP): .tools/sam/installed Cargo.toml Cargo.lock askama.toml build.rs $(wildcard src/*)
	@echo "== Building the program for deployment"
	cargo lambda build --release --locked

.PHONY: package
package: $(BOOTSTRAP) $(CARGO_ABOUT) ## Make a package in dist that can be deployed without Rust
	SOURCE_DATE_EPOCH="$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct)}" \
	  $(PYTHON) deploy/package.py $(BOOTSTRAP) dist
