#!/usr/bin/env bash
# Installs the packages in tools/requirements/NAME.txt into a Python environment, .tools/NAME: with uv, which takes
# seconds instead of minutes, and uv itself with pip.
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
# Wheels only: to build a package, a build system would be downloaded that no hash protects.
options=(--quiet --no-deps --only-binary :all: --require-hashes --requirement "tools/requirements/$name.txt")
if [ "$name" = uv ]; then
  python3 -m venv .tools/uv
  .tools/uv/bin/python -m pip --disable-pip-version-check install "${options[@]}"
else
  # Relocatable, so that the project's folder can be moved.
  .tools/uv/bin/uv venv --quiet --relocatable --python "$(command -v python3)" ".tools/$name"
  .tools/uv/bin/uv pip install --system-certs --python ".tools/$name" "${options[@]}"
fi
