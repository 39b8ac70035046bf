#!/bin/sh
# Prints a large module: many.sh COUNT. It has COUNT copies of quicksort.ll, each with names of its own, and a main that runs
# every tenth. The copies sort few numbers, so what takes time is to compile it.
set -e
cd "$(dirname "$0")"
echo 'declare i32 @"printf"(i8* %".1", ...)'
echo 'declare i8* @"malloc"(i64 %".1")'
echo 'declare void @"free"(i8* %".1")'
number=0
while [ "$number" -lt "$1" ]; do
    sed -e '/^;/d; /^target/d; /^declare/d' -e 's/ret i64 50000$/ret i64 100/' \
        -e "s/@\"\\([a-z_]*\\)\"/@\"\\1_$number\"/g" -e "s/@\"\\(printf\\|malloc\\|free\\)_$number\"/@\"\\1\"/g" quicksort.ll
    number=$((number + 1))
done
echo 'define i32 @"main"() {'
number=0
while [ "$number" -lt "$1" ]; do
    echo "  call i32 @\"main_$number\"()"
    number=$((number + 10))
done
echo '  ret i32 0'
echo '}'
