# Installs the tools into .tools, each at a fixed version.

# Python packages, from the lists in tools/requirements. The first installs the others.
.tools/%/installed: tools/requirements/%.txt .tools/uv/installed
	@tools/install-python-packages.sh $*
	@touch $@

.tools/uv/installed: tools/requirements/uv.txt
	@tools/install-python-packages.sh uv
	@touch $@

# Programs that are not on PyPI. The version is part of the path, so that a new version is installed.
CARGO_MUTANTS := .tools/cargo-mutants-27.1.0/bin/cargo-mutants
GECKODRIVER := .tools/geckodriver-0.37.1/bin/geckodriver

$(GECKODRIVER): CARGO_INSTALL_OPTIONS := --debug --config profile.dev.debug=false
$(CARGO_MUTANTS) $(GECKODRIVER): folder = $(patsubst %/bin/,%,$(dir $@))
$(CARGO_MUTANTS) $(GECKODRIVER):
	@echo "== Installing $(@F) from crates.io, which takes a minute or two"
	@env -u CARGO_TARGET_DIR cargo install --quiet --locked --root $(folder) $(CARGO_INSTALL_OPTIONS) \
	  $(subst $(@F)-,$(@F)@,$(notdir $(folder)))

# Three browsers with their drivers. Debian has no package of Firefox's driver.
BROWSER_PACKAGES := chromium chromium-driver firefox-esr webkit2gtk-driver xvfb xauth
BROWSER_PROGRAMS := chromium chromedriver firefox-esr WebKitWebDriver xvfb-run xauth

browsers:
	@missing() { for program in $(BROWSER_PROGRAMS); do command -v $$program >/dev/null || echo -n " $$program"; done; }; \
	if [ -n "$$(missing)" ]; then tools/apt-install.sh $(BROWSER_PACKAGES) || true; fi; \
	if [ -n "$$(missing)" ]; then echo "Not installed:$$(missing). The Debian packages are: $(BROWSER_PACKAGES)" >&2; fi
	@if command -v firefox-esr >/dev/null; then $(MAKE) --no-print-directory $(GECKODRIVER); fi
