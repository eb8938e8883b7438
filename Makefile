# The two commands that do everything: `make run` serves the page, `make test` passes every test.
# What they need beside Rust, git, Python 3 and make they install into .tools, at fixed versions.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
# The tests measure, and share two processors at best.
.NOTPARALLEL:

# A version in a path has a new one installed where an old one was.
CARGO_ABOUT_VERSION := 0.9.3
CARGO_ABOUT := .tools/cargo-about-$(CARGO_ABOUT_VERSION)/bin/cargo-about
export PATH := $(CURDIR)/.tools/sam/bin:$(CURDIR)/.tools/cargo-lambda/bin:$(CURDIR)/$(dir $(CARGO_ABOUT)):$(PATH)
# What is built is found below target, also for those who have their builds elsewhere.
unexport CARGO_TARGET_DIR
export SAM_CLI_TELEMETRY := 0
export CARGO_LAMBDA_TELEMETRY := 0
export AXE_CORE = $(CURDIR)/$(AXE)

PYTHON := .tools/sam/bin/python
# The program as it is deployed, for the tests that are about it.
BOOTSTRAP := target/lambda/page-visit-counter/bootstrap
# Builds what it compares, and compares it.
BENCH := cargo test --quiet --locked --bench process --
CARGO_MUTANTS_VERSION := 27.1.0
CARGO_MUTANTS := .tools/cargo-mutants-$(CARGO_MUTANTS_VERSION)/bin/cargo-mutants
AXE_VERSION := 0.1.8
AXE := .tools/axe-$(AXE_VERSION)/axe_playwright_python/axe.min.js
GECKODRIVER_VERSION := 0.37.1
GECKODRIVER := .tools/geckodriver-$(GECKODRIVER_VERSION)/bin/geckodriver

.PHONY: help
help: ## Show this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

# Where `make run` serves the page.
export PORT ?= 9000

.PHONY: run
run: port .tools/cargo-lambda/installed ## Serve the page at http://localhost:9000 (PORT=9100: there)
	@echo "== Building the function"
	cargo build --locked
	@! grep COUNT_ <(target/debug/page-visit-counter 2>&1) # the settings that the function refuses
	@echo "== The page is at http://localhost:$$PORT (Ctrl+C ends it)."
	@echo "   Edit a file, and reload. If the page keeps loading, look here: this is where a change that does not compile is reported."
	cargo lambda watch --disable-cors --invoke-address 127.0.0.1 --invoke-port $$PORT $(WATCH_OPTIONS)
	@echo "cargo lambda watch has ended, so the page is no longer served; what it printed last says why." >&2; exit 1

# cargo-lambda itself would end without a reason and as a success.
.PHONY: port
port:
	@if [[ ! $$PORT =~ ^[1-9][0-9]{0,4}$$ ]] || (( PORT > 65535 )); then \
	  echo "PORT is a number from 1 to 65535, not \"$$PORT\"." >&2; exit 1; \
	fi
	@for address in 127.0.0.1 ::1; do \
	  if (: <> /dev/tcp/$$address/$$PORT) 2>/dev/null; then \
	    echo "Another program listens on port $$PORT: end it, or use another port, as in \`make run PORT=9100\`." >&2; exit 1; \
	  fi; \
	done

.PHONY: tools
tools: .tools/sam/installed .tools/cargo-lambda/installed ## Install SAM, cargo-lambda and its linker into .tools/sam/bin

.PHONY: test
test: check test-rust test-program test-browser test-deploy test-cost ## Run every test

.PHONY: check
check: .tools/sam/installed
	@echo "== Format, lints, documentation, licences"
	cargo fmt --check
	cargo fmt --check --all --manifest-path benches/contenders/Cargo.toml
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	cargo clippy --quiet --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --quiet --no-deps --locked
	cargo-deny --log-level error check licenses bans sources

.PHONY: test-rust
test-rust:
	@echo "== The tests that need nothing but Rust"
	PROPTEST_CASES=4000 cargo test --locked

.PHONY: test-program
test-program: $(BOOTSTRAP)
	@echo "== The program as it is deployed: behaviour, faults, 50,000 visits"
	BOOTSTRAP="$(CURDIR)/$(BOOTSTRAP)" cargo test --locked --test binary --test faults
	BOOTSTRAP="$(CURDIR)/$(BOOTSTRAP)" cargo test --locked --test load -- --ignored --test-threads=1 --nocapture

# A machine that cannot have an engine tests the others; CI has all three.
.PHONY: test-browser
test-browser: export PATH := $(CURDIR)/$(dir $(GECKODRIVER)):$(PATH)
test-browser: .tools/sam/installed $(AXE) browsers
	@echo "== make run and cargo lambda watch with real clients, and with browsers"
	@skip=; \
	for engine in chromium:chromedriver firefox:geckodriver webkit:WebKitWebDriver; do \
	  if [ -z "$${CI:-}" ] && ! command -v $${engine#*:} >/dev/null; then \
	    echo "NOT TESTED in $${engine%:*}: $${engine#*:} is not installed." >&2; skip="$$skip --skip $${engine%:*}::"; \
	  fi; \
	done; \
	cargo test --locked --test local --test browser -- --ignored $$skip

.PHONY: starter
starter: .tools/sam/installed .tools/stand-in/installed ## Make, test, deploy and delete a function from template/ (part of test-deploy)
	@echo "== The function that cargo lambda new makes of template/"
	$(PYTHON) -m pytest -rs tests/deploy/test_starter.py

.PHONY: test-deploy
test-deploy: .tools/sam/installed .tools/stand-in/installed .tools/checkov/installed $(CARGO_ABOUT) browsers
	@echo "== The template: linted, built, deployed to a local stand-in for AWS, visited, deleted"
	$(PYTHON) -m pytest -rs tests/deploy

.PHONY: test-cost
test-cost: benches/contenders/Cargo.lock
	@echo "== What a visit costs, against benches/baseline.json"
	$(BENCH)

.PHONY: bench
bench: benches/contenders/Cargo.lock ## Measure the function beside the alternatives
	cargo bench --locked

.PHONY: bench-accept
bench-accept: benches/contenders/Cargo.lock ## Make today's exact figures the baseline of the tests
	$(BENCH) --accept

.PHONY: bench-profile
bench-profile: ## Say which functions the instructions of a visit are spent in
	$(BENCH) --profile

# What is compared or fuzzed has the function's own versions, and what Cargo adds to them.
benches/contenders/Cargo.lock fuzz/Cargo.lock: Cargo.lock
	cp $< $@

.PHONY: screenshots
screenshots: browsers ## Take the README's pictures of the page anew, while `make run` runs in another terminal
	curl --silent --fail --header 'Cookie: count=11' --header 'X-Forwarded-Proto: https' http://localhost:$$PORT > target/page.html
	for scheme in 0-dark 1-light; do \
	  chromium --headless --no-sandbox --hide-scrollbars --window-size=1280,980 --blink-settings=preferredColorScheme=$${scheme%-*} \
	    --screenshot=docs/twelfth-visit-$${scheme#*-}.png file://$(CURDIR)/target/page.html; \
	done

.PHONY: load
load: $(BOOTSTRAP) ## Make a million visits one after another, and a million sixteen at a time
	VISITS=1000000 BOOTSTRAP="$(CURDIR)/$(BOOTSTRAP)" cargo test --locked --release --test load -- --ignored --test-threads=1 --nocapture

# How long `make fuzz` looks for what nobody thought of.
FUZZ_SECONDS ?= 600

.PHONY: fuzz
fuzz: .tools/sam/installed fuzz/Cargo.lock ## Fuzz the way from raw event to raw answer for FUZZ_SECONDS (600)
	mkdir -p fuzz/corpus/event
	cargo-fuzz run --sanitizer none --no-trace-compares event fuzz/corpus/event events -- \
	  -max_total_time=$(FUZZ_SECONDS) -max_len=16384

.PHONY: mutants
mutants: $(CARGO_MUTANTS) ## Break src/ in every way that cargo-mutants knows; the tests must notice each
	nice $(CARGO_MUTANTS) mutants

.PHONY: dashboard
dashboard: .tools/sam/installed .tools/dashboard/installed ## Draw docs/dashboard.svg anew from template.yaml
	$(PYTHON) tests/deploy/template.py | .tools/dashboard/bin/python tests/deploy/draw_dashboard.py docs/dashboard.svg

# The bootstrap holds the names of the libraries' files, in a folder that every machine has elsewhere.
$(BOOTSTRAP) test-deploy: export RUSTFLAGS := --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=cargo

# As `sam build` makes it.
$(BOOTSTRAP): .tools/sam/installed Cargo.toml Cargo.lock askama.toml build.rs $(wildcard src/*)
	@echo "== Building the program for deployment"
	cargo lambda build --release --locked

.PHONY: package
package: $(BOOTSTRAP) $(CARGO_ABOUT) ## Pack the function in dist, to be deployed without Rust
	SOURCE_DATE_EPOCH="$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct)}" \
	  $(PYTHON) packaging/package.py $(BOOTSTRAP) dist

# Three engines, each with its driver, and the clients of tests/local.rs. What a machine cannot have is
# named here, and the tests of the other engines still run.
BROWSER_PACKAGES := chromium chromium-driver firefox-esr webkit2gtk-driver xvfb curl wget
BROWSER_PROGRAMS := chromium chromedriver firefox-esr WebKitWebDriver Xvfb curl wget

.PHONY: browsers
browsers:
	@missing() { for program in $(BROWSER_PROGRAMS); do command -v $$program >/dev/null || echo $$program; done; }; \
	if [ -n "$$(missing)" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "== Installing browsers, their drivers, curl and wget with apt"; \
	  apt-get update -qq; \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(BROWSER_PACKAGES) >/dev/null; \
	fi; \
	for program in $$(missing); do \
	  echo "Not installed: $$program. (Debian's packages for the browser tests: $(BROWSER_PACKAGES))" >&2; \
	done
	@if command -v firefox-esr >/dev/null; then $(MAKE) --no-print-directory $(GECKODRIVER); fi

# Optimised: unoptimised it compares texts for five minutes, not twenty seconds.
$(CARGO_ABOUT): export CARGO_PROFILE_RELEASE_LTO := off
$(CARGO_ABOUT):
	@echo "== Installing cargo-about from crates.io, which takes a minute or two"
	cargo install --quiet --locked --root .tools/cargo-about-$(CARGO_ABOUT_VERSION) --features cli cargo-about@$(CARGO_ABOUT_VERSION)

# Debian has Firefox without its driver.
$(GECKODRIVER):
	@echo "== Installing geckodriver from crates.io, which takes a minute or two"
	cargo install --quiet --locked --debug --root .tools/geckodriver-$(GECKODRIVER_VERSION) geckodriver@$(GECKODRIVER_VERSION)

# pip writes the folder's path into the first line of each script. This finds Python beside the script
# instead, so that a clone can be moved and copied.
define SCRIPT_HEAD
#!/bin/sh
'''exec' "$$(dirname "$$(realpath "$$0")")/python" "$$0" "$$@"
' '''
endef
export SCRIPT_HEAD

# All of a list in tests/deploy/requirements, or the lines of it that start with a word.
define install
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
	@echo "== Installing $* from PyPI into .tools/$*"
	@rm -rf .tools/$*
	@python3 -m venv .tools/$*
	@grep '^$(1)' $< | .tools/$*/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --requirement /dev/stdin
	@perl -0777 -i -pe 's/\A#!\N*python\N*/$$ENV{SCRIPT_HEAD}/' $$(grep -lI '^#!.*python' .tools/$*/bin/*)
	@touch $@
endef

# The one tool that `make run` needs, a twentieth of what deploying needs.
.tools/cargo-lambda/installed: .tools/%/installed: tests/deploy/requirements/sam.txt
	$(call install,cargo-lambda==)

.tools/%/installed: tests/deploy/requirements/%.txt
	$(call install)

# The one file that the browser tests inject; --no-deps leaves Playwright out.
$(AXE): .tools/sam/installed
	@echo "== Installing axe-core from PyPI"
	rm -rf .tools/axe-$(AXE_VERSION)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --target .tools/axe-$(AXE_VERSION) axe-playwright-python==$(AXE_VERSION)
	@touch $@

$(CARGO_MUTANTS):
	@echo "== Installing cargo-mutants from crates.io"
	cargo install --quiet --locked --root .tools/cargo-mutants-$(CARGO_MUTANTS_VERSION) cargo-mutants@$(CARGO_MUTANTS_VERSION)
