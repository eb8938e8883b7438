#!/usr/bin/env bash
# Installs Debian packages. Fails unless it runs as root on a system with apt.
set -euo pipefail

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  exit 1
fi
echo "== Installing $* with apt"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
