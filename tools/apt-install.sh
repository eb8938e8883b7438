#!/usr/bin/env bash
# Installs Debian packages. Fails unless it runs as root on a system with apt.
set -euo pipefail

[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 1
# One at a time: `make test` also installs in the background.
exec 9< "$0"
flock 9
echo "== Installing $* with apt"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
