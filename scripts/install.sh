#!/usr/bin/env bash
# Creates .venv with the locked packages for development, and installs a Java runtime for Spark if there is none.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}

fail() { echo "install: $*" >&2; exit 2; }
step() { echo "install: step $1 of 4: $2"; }

"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    fail "$PYTHON is not Python 3.11 or newer; install one, or name it: make install PYTHON=python3.12"

java_version() { "${JAVA_HOME:+$JAVA_HOME/bin/}java" -version 2>&1 | sed -nE 's/.*version "([0-9]+).*/\1/p'; }

if [ "$(java_version || true)" -ge 17 ] 2>/dev/null; then
    step 1 "Java $(java_version) is there already"
else
    step 1 "OpenJDK 17, since no Java 17 or newer is installed (200 MB, about 1 minute)"
    sudo=""
    [ "$(id -u)" = 0 ] || sudo=sudo
    if command -v apt-get >/dev/null && { [ -z "$sudo" ] || command -v sudo >/dev/null; }; then
        $sudo apt-get update -qq
        $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq openjdk-17-jre-headless >/dev/null ||
            $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq default-jre-headless >/dev/null
    else
        fail "Spark needs Java 17 or newer. Install it and run make again:
  macOS:   brew install openjdk@17
  Fedora:  sudo dnf install java-17-openjdk-headless
  Debian:  sudo apt-get install openjdk-17-jre-headless"
    fi
    [ "$(java_version || true)" -ge 17 ] || fail "the Java found is older than 17; set JAVA_HOME to a newer one"
fi

if [ ! -x .venv/bin/python ]; then
    "$PYTHON" -m venv .venv || fail "$PYTHON cannot create virtual environments; on Debian: apt-get install python3-venv"
fi
.venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip >/dev/null
uv=$(sed -nE 's/^(uv==[^ ;]+).*/\1/p' requirements-dev.txt)
step 2 "the installer, $uv (20 MB)"
sed -n '/^uv==/,/^    #/p' requirements-dev.txt | .venv/bin/python -m pip install --quiet --disable-pip-version-check \
    --require-hashes -r /dev/stdin

packages=$(cat requirements.txt requirements-dev.txt | sed -nE 's/^([a-z0-9][a-z0-9._-]*).*/\1/p' | sort -u | wc -l)
step 3 "$packages packages into .venv (1 GB to download, 2 GB on disk; 2 to 5 minutes the first time, seconds afterwards)"
.venv/bin/uv pip install --python .venv/bin/python --compile-bytecode --require-hashes \
    -r requirements.txt -r requirements-dev.txt 2>&1 | { grep --line-buffered -vE '^ [+~-] ' || true; } | sed -u 's/^/  /'
# Built by the hatchling that is installed: nothing comes from the index without its hash.
.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .

step 4 "Spark's class archive, which halves the start of every job (30 seconds)"
.venv/bin/python scripts/class_archive.py
echo "install: done in $((SECONDS / 60)) min $((SECONDS % 60)) s"
