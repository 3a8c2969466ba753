#!/usr/bin/env bash
# Installs PostgreSQL and Redis, if they are missing. Tests start private ones; those of the system stay as they are.
set -euo pipefail

initdb=$(PATH="$PATH:$(printf '%s:' /usr/lib/postgresql/*/bin)" command -v initdb || true)
[ -n "$initdb" ] && command -v redis-server >/dev/null && exit 0
echo "servers: PostgreSQL and Redis (60 MB, about 1 minute)"
sudo=""
[ "$(id -u)" = 0 ] || sudo=sudo
if command -v apt-get >/dev/null && { [ -z "$sudo" ] || command -v sudo >/dev/null; }; then
    $sudo apt-get update -qq
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql redis-server >/dev/null
else
    echo "servers: install PostgreSQL and Redis and run make again
  macOS:   brew install postgresql redis
  Fedora:  sudo dnf install postgresql-server redis" >&2
    exit 2
fi
