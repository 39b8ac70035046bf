#!/bin/sh
# Runs all tests, whether or not some fail, and ends with a summary. The arguments are how to run cargo. As CI does, it
# checks format and style first, where cargo has what that needs.
#
# A test that cannot be made here appends a line to the file $MGENJIT_TESTS_SKIPPED: its name and why.

cd "$(dirname "$0")/.." || exit
mkdir -p "$CARGO_TARGET_DIR" || exit
log=$CARGO_TARGET_DIR/tests.log
python_log=$CARGO_TARGET_DIR/tests-python.log
export MGENJIT_TESTS_SKIPPED="$CARGO_TARGET_DIR/tests-skipped.log"
: >"$MGENJIT_TESTS_SKIPPED" || exit

# logged FILE COMMAND...: its output goes to the file, too, and its status to $status.
logged() {
    file=$1
    shift
    # The status, past `tee`.
    { { "$@" 2>&1; echo $? >&3; } | tee "$file" >&4; } 3>"$file.status" 4>&1
    read -r status <"$file.status" || status=1
    rm -f "$file.status"
}

if ! "$@" fmt --version >/dev/null 2>&1; then
    echo 'the format of the sources: there is no cargo fmt' >>"$MGENJIT_TESTS_SKIPPED"
    format=0
else
    "$@" fmt --check && "$@" fmt --check --manifest-path bindings/rust/Cargo.toml
    format=$?
fi

if ! "$@" clippy --version >/dev/null 2>&1; then
    echo 'the style of the sources: there is no cargo clippy' >>"$MGENJIT_TESTS_SKIPPED"
    style=0
else
    "$@" clippy --release --all-targets -- -D warnings &&
        CARGO_TARGET_DIR=$CARGO_TARGET_DIR/bindings/rust MGENJIT_LIB_DIR=$CARGO_TARGET_DIR/release \
            "$@" clippy --manifest-path bindings/rust/Cargo.toml --all-targets -- -D warnings
    style=$?
fi

logged "$python_log" bindings/python/tests/run.sh "$CARGO_TARGET_DIR"
python=$status
logged "$log" "$@" test --release --no-fail-fast

awk -v status="$status" -v format="$format" -v style="$style" -v python="$python" -v python_log="$python_log" \
    -v skipped_file="$MGENJIT_TESTS_SKIPPED" '
    # What pytest says. The tests that it skipped are in the file of those that were.
    FILENAME == python_log {
        if (/^With Python /) version = " (" $2 " " substr($3, 1, length($3) - 1) ")"
        if (/^(FAILED|ERROR) /) {
            sub(/^[A-Z]+ /, "")
            sub(/ - .*/, "")
            names[++n] = "bindings/python/" $0 version
            in_python++
        }
        if (/^=* ?[0-9]+ [a-z]+.* in [0-9.]+s/) for (i = 1; i < NF; i++) {
            if ($(i + 1) ~ /^passed,?$/) passed += $i
            if ($(i + 1) ~ /^(failed|errors?),?$/) failed += $i
        }
        next
    }
    # A program of tests that was begun must end with a result.
    function begin(name) { end(); program = name }
    function end() {
        if (program != "") { failed++; names[++n] = program ": it did not run to its end" }
        program = ""
    }
    /^ +Running .*\(.*\)$/ { begin($2 == "unittests" ? $3 : $2) }
    /^ +Doc-tests / { begin("doc-tests") }
    /^test .* \.\.\. ignored/ {
        reason = $0
        sub(/^.* \.\.\. ignored,? ?/, "", reason)
        skipped[++s] = $2 ": " (reason == "" ? "ignored" : reason)
    }
    # The names come last, after what the tests printed.
    /^failures:$/ { in_list = 1; count = 0; next }
    in_list && /^    [^ ]/ { list[++count] = $1; next }
    in_list && !/^$/ && !/^test result: / { in_list = 0 }
    /^test result: / {
        if ($3 == "FAILED.") for (i = 1; i <= count; i++) names[++n] = program ": " list[i]
        for (i = 1; i < NF; i++) {
            if ($(i + 1) == "passed;") passed += $i
            if ($(i + 1) == "failed;") failed += $i
        }
        in_list = count = 0
        program = ""
    }
    END {
        end()
        if (python != 0 && in_python == 0) { failed++; names[++n] = "bindings/python: its tests ended with status " python }
        if (format != 0) { failed++; names[++n] = "the format of the sources: run cargo fmt" }
        if (style != 0) { failed++; names[++n] = "the style of the sources: see what cargo clippy says above" }
        if (status != 0 && failed == 0) { failed++; names[++n] = "cargo test ended with status " status }
        while ((getline line < skipped_file) > 0) if (!(line in seen)) { seen[line] = 1; skipped[++s] = line }
        if (passed + failed == 0) { failed++; names[++n] = "no test was run" }
        print ""
        if (s) print "Skipped:"
        for (i = 1; i <= s; i++) print "  " skipped[i]
        if (n) print "Failed:"
        for (i = 1; i <= n; i++) print "  " names[i]
        print passed + 0 " passed, " failed + 0 " failed, " s + 0 " skipped"
        exit failed != 0
    }' "$python_log" "$log"
