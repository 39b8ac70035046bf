#!/bin/sh
# Tests the package: tests/run.sh TARGET_FOLDER
#
# The tests run in a venv that is made of the package registry; those that need nothing else run with the oldest and the
# newest other Python that is here, too. What cannot be tested is a line in the file $MGENJIT_TESTS_SKIPPED.

cd "$(dirname "$0")/.." || exit
target=$1
export PYTHONDONTWRITEBYTECODE=1

skip() {
    echo "skipped: $1"
    [ -z "$MGENJIT_TESTS_SKIPPED" ] || echo "$1" >>"$MGENJIT_TESTS_SKIPPED"
}

# make_venv PYTHON FOLDER PACKAGE...: fails if pip can install nothing, as without the registry.
make_venv() {
    python=$1 venv=$2
    shift 2
    needed="$("$python" --version) $*"
    if [ "$(cat "$venv/ready" 2>/dev/null)" != "$needed" ]; then
        rm -rf "$venv"
        if ! { "$python" -m venv "$venv" &&
            "$venv/bin/python" -m pip install -q --disable-pip-version-check --retries 1 --timeout 60 "$@"; }; then
            rm -rf "$venv"
            return 1
        fi
        echo "$needed" >"$venv/ready"
    fi
}

# Prints the interpreters of other versions that are here, oldest first.
others() {
    ours=$(python3 -c 'import sys; print(sys.version_info[1])')
    minor=9
    while [ "$minor" -lt 20 ]; do
        for python in "python3.$minor" "${PYENV_ROOT:-$HOME/.pyenv}/versions/3.$minor."*/bin/python3; do
            [ "$minor" = "$ours" ] && break
            if "$python" -c 'import ctypes, ensurepip, venv' >/dev/null 2>&1; then
                echo "$python"
                break
            fi
        done
        minor=$((minor + 1))
    done
}

if ! make_venv python3 "$target/python-venv" pytest numpy cffi pycparser llvmlite mypy ruff vermin auditwheel ipython \
    hatchling build; then
    skip 'the Python package: pip could not install what its tests need. Is the package registry there?'
    exit 0
fi
"$target/python-venv/bin/python" -m pytest -rs
status=$?

found=$(others | sed -n '1p;$p' | uniq)
[ -n "$found" ] || skip "the Python package with other versions of Python: there is only $(python3 --version)"
for python in $found; do
    name=$("$python" --version)
    echo "With $name:"
    if make_venv "$python" "$target/python-venv-${name##* }" pytest numpy; then
        "$target/python-venv-${name##* }/bin/python" -m pytest -m 'not once' || status=1
    else
        skip "the Python package with $name: pip could not install what its tests need. Is the package registry there?"
    fi
done
exit $status
