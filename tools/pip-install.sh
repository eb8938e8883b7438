#!/usr/bin/env bash
# Installs the packages in tools/requirements/NAME.txt into a Python environment, .tools/NAME.
set -euo pipefail
cd "$(dirname "$0")/.."
name=$1
# Takes .tools out of PATH: the Python there is about to be deleted.
PATH=$(tr : '\n' <<< "$PATH" | grep -vF "$PWD/.tools/" | paste -sd :)

if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "The tools need Python 3.11 or later. This is $(python3 --version 2>&1)." >&2
  exit 1
fi
if ! python3 -c 'import ensurepip' 2>/dev/null && ! tools/apt-install.sh python3-venv; then
  echo "Python cannot create virtual environments. On Debian, install the package python3-venv." >&2
  exit 1
fi

echo "== Installing $name from PyPI into .tools/$name"
rm -rf ".tools/$name"
python3 -m venv ".tools/$name"
# Wheels only: to build a package, pip would download a build system that no hash protects.
".tools/$name/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile --no-deps \
  --only-binary :all: --require-hashes --requirement "tools/requirements/$name.txt"
