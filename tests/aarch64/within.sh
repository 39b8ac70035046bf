#!/bin/sh
# Runs a command where AArch64 programs can be started as any other: within.sh COMMAND [ARGUMENT...].
#
# The kernel does that (binfmt_misc). Since Linux 6.7 a user namespace has a table of its own, so nobody else sees what is
# registered in it. On older kernels, root registers it for the whole system, for as long as the command runs.

cd "$(dirname "$0")/../.." || exit
table=/proc/sys/fs/binfmt_misc
emulator=$PWD/target/aarch64/emulator
# The magic number and the machine of an ELF file. P: with its first argument. O: even what cannot be opened by its path.
# C: with the rights of the program.
entry=':mgenjit-aarch64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:'$emulator':POC'

if [ "$MGENJIT_WITHIN" = namespace ]; then
    unset MGENJIT_WITHIN
    mount -t binfmt_misc none $table && echo "$entry" >$table/register || exit 125
    exec "$@"
fi
if MGENJIT_WITHIN=namespace unshare --user --map-root-user --mount "$0" true 2>/dev/null; then
    MGENJIT_WITHIN=namespace exec unshare --user --map-root-user --mount "$0" "$@"
fi
if [ "$(id -u)" = 0 ]; then
    [ -e $table/register ] || mount -t binfmt_misc none $table
    [ ! -e $table/mgenjit-aarch64 ] || echo -1 >$table/mgenjit-aarch64
    if echo "$entry" >$table/register; then
        trap 'echo -1 >$table/mgenjit-aarch64' EXIT
        trap 'exit 130' INT TERM
        "$@"
        exit
    fi
fi
echo 'aarch64: nothing here can start AArch64 programs: that takes Linux 6.7 with user namespaces, or root' >&2
exit 125
