#!/bin/sh
# Tests the package in a venv that it makes of the package registry: tests/run.sh TARGET_FOLDER
#
# Where the registry cannot be reached, the tests are skipped, by a line in the file $MGENJIT_TESTS_SKIPPED.

cd "$(dirname "$0")/.." || exit
venv=$1/python-venv
needed='pytest numpy cffi pycparser llvmlite mypy ruff auditwheel ipython'
if [ ! -e "$venv/ready" ] || [ "$(cat "$venv/ready")" != "$needed" ]; then
    rm -rf "$venv"
    if ! { python3 -m venv "$venv" && "$venv/bin/pip" install -q --disable-pip-version-check --retries 1 $needed; }; then
        message='the Python package: its tests need packages, and the registry cannot be reached'
        echo "skipped: $message"
        [ -z "$MGENJIT_TESTS_SKIPPED" ] || echo "$message" >>"$MGENJIT_TESTS_SKIPPED"
        rm -rf "$venv"
        exit 0
    fi
    echo "$needed" >"$venv/ready"
fi
PYTHONDONTWRITEBYTECODE=1 exec "$venv/bin/python" -m pytest -rs
