#!/usr/bin/env bash
# Installs Debian packages. Fails where it may not.
set -euo pipefail

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  exit 1
fi
echo "== Installing $* with apt"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
