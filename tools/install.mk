# Installs the tools into .tools, each at a fixed version.

# Python packages, from the lists in tools/requirements.
.tools/%/installed: tools/requirements/%.txt
	@tools/pip-install.sh $*
	@touch $@

# Programs that are not on PyPI. The version is part of the path, so that a new version is installed.
CARGO_ABOUT := .tools/cargo-about-0.9.3/bin/cargo-about
CARGO_MUTANTS := .tools/cargo-mutants-27.1.0/bin/cargo-mutants
GECKODRIVER := .tools/geckodriver-0.37.1/bin/geckodriver

# Without optimisation, cargo-about would compare licence texts for five minutes instead of twenty seconds.
$(CARGO_ABOUT): export CARGO_PROFILE_RELEASE_LTO := off
$(CARGO_ABOUT): CARGO_INSTALL_OPTIONS := --features cli
$(GECKODRIVER): CARGO_INSTALL_OPTIONS := --debug
$(CARGO_ABOUT) $(CARGO_MUTANTS) $(GECKODRIVER): folder = $(patsubst %/bin/,%,$(dir $@))
$(CARGO_ABOUT) $(CARGO_MUTANTS) $(GECKODRIVER):
	@echo "== Installing $(@F) from crates.io, which takes a minute or two"
	@cargo install --quiet --locked --root $(folder) $(CARGO_INSTALL_OPTIONS) $(subst $(@F)-,$(@F)@,$(notdir $(folder)))

# Three browsers with their drivers, and the clients of tests/it/local.rs. Debian has no package of Firefox's driver.
BROWSER_PACKAGES := chromium chromium-driver firefox-esr webkit2gtk-driver xvfb xauth curl wget
BROWSER_PROGRAMS := chromium chromedriver firefox-esr WebKitWebDriver xvfb-run xauth curl wget

.PHONY: browsers
browsers:
	@missing() { for program in $(BROWSER_PROGRAMS); do command -v $$program >/dev/null || echo -n " $$program"; done; }; \
	if [ -n "$$(missing)" ]; then tools/apt-install.sh $(BROWSER_PACKAGES) || true; fi; \
	if [ -n "$$(missing)" ]; then echo "Not installed:$$(missing). The Debian packages are: $(BROWSER_PACKAGES)" >&2; fi
	@if command -v firefox-esr >/dev/null; then $(MAKE) --no-print-directory $(GECKODRIVER); fi

.PHONY: valgrind
valgrind:
	@command -v valgrind >/dev/null || tools/apt-install.sh valgrind || \
	  { echo "valgrind, which counts the instructions of a visit, is not installed." >&2; exit 1; }
