#!/usr/bin/env bash
# Create .venv with uv in .venv/uv, for the Python that is named, or otherwise for the best one that can be found.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "Error: $*" >&2; exit 1; }

chosen=${1:-}
case $PWD in *%*) fail "MLflow does not work in a path that contains a %. Move this checkout." ;; esac
if [ -n "$chosen" ]; then
  command -v "$chosen" >/dev/null || fail "PYTHON=$chosen is not installed."
  "$chosen" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' || fail \
    "PYTHON=$chosen is $("$chosen" --version 2>&1 | tail -n 1), but 3.11 to 3.14 are supported." \
    "Without PYTHON, make finds a supported one or downloads it."
fi

if [ ! -x .venv/uv/bin/uv ]; then
  echo "Installing uv."
  python=$(command -v "${chosen:-python3}" || command -v python) || fail "Python is not installed. Install Python 3.11, 3.12 or 3.13."
  # Installing pip here takes seconds; an existing pip (22.3 or newer) can install into the environment instead.
  options=() pip=(.venv/uv/bin/python -m pip)
  if "$python" -m pip --python "$python" --version >/dev/null 2>&1; then
    options=(--without-pip) pip=("$python" -m pip --python .venv/uv/bin/python)
  fi
  "$python" -m venv "${options[@]}" .venv/uv \
    || fail "$python cannot create environments. On Debian and Ubuntu: apt-get install python3-venv"
  awk '/^[^ ]/ { wanted = /^uv==/ } wanted' requirements/dev.txt >.venv/uv/uv.txt
  "${pip[@]}" --disable-pip-version-check --no-input -qq install --require-hashes -r .venv/uv/uv.txt \
    || fail "uv cannot be installed. It needs the package index, or pip's cache, and Python 3.8 or newer."
fi

create() { .venv/uv/bin/uv venv --quiet --allow-existing "$@" .venv; }
if [ -n "$chosen" ]; then
  create --python "$chosen"
# 3.14 is untested.
elif ! create --no-python-downloads --python '>=3.11,<3.14' 2>/dev/null \
  && ! create --no-python-downloads --python 3.14 2>/dev/null; then
  echo "No Python from 3.11 to 3.14 is installed. Downloading one."
  create --python 3.13 || fail "It cannot be downloaded. Install Python 3.11, 3.12 or 3.13, or set PYTHON to one, and try again."
fi
echo "Created .venv with $(.venv/bin/python --version)."
