#!/usr/bin/env bash
# Creates .venv with the locked packages, and a Java runtime for Spark if there is none.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}

fail() { echo "install: $*" >&2; exit 2; }

"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    fail "$PYTHON is not Python 3.11 or newer; install one, or name it: make install PYTHON=python3.12"

java_version() { "${JAVA_HOME:+$JAVA_HOME/bin/}java" -version 2>&1 | sed -nE 's/.*version "([0-9]+).*/\1/p'; }

if [ "$(java_version || true)" -ge 17 ] 2>/dev/null; then :; else
    echo "install: no Java 17 or newer found"
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
uv=$(sed -nE 's/^(uv==[^ ;]+).*/\1/p' requirements.txt)
.venv/bin/python -m pip install --quiet --disable-pip-version-check "$uv"
echo "install: $(grep -cE '^[a-z0-9]' requirements.txt) packages into .venv"
.venv/bin/uv pip install --quiet --python .venv/bin/python --compile-bytecode -r requirements.txt
.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --editable .
echo "install: preparing Spark's class archive, which halves the start of every job"
.venv/bin/python scripts/class_archive.py
