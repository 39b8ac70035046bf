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
    # Until all users are known here.
    [ "$(id -u)" = 0 ] || read -r _ <&3
    exec 3<&-
    mount -t binfmt_misc none $table && echo "$entry" >$table/register || exit 125
    exec "$@"
fi
if [ "$(id -u)" = 0 ]; then
    # All users stay who they are, which only root can have. The process waits until they are.
    folder=$(mktemp -d) && mkfifo "$folder/pipe" || exit
    trap 'rm -rf "$folder"' EXIT
    # What a shell starts in the background has no input but this.
    exec 5<&0
    MGENJIT_WITHIN=namespace unshare --user --mount "$0" "$@" 3<"$folder/pipe" <&5 5<&- &
    process=$!
    exec 4>"$folder/pipe"
    here=$(readlink /proc/self/ns/user)
    while [ "$(readlink /proc/$process/ns/user)" = "$here" ]; do sleep 0.01; done
    for map in uid_map gid_map; do echo '0 0 4294967295' >/proc/$process/$map; done
    echo >&4
    exec 4>&-
    wait $process
    status=$?
    [ $status = 125 ] || exit $status
    [ -e $table/register ] || mount -t binfmt_misc none $table
    [ ! -e $table/mgenjit-aarch64 ] || echo -1 >$table/mgenjit-aarch64
    if echo "$entry" >$table/register; then
        trap 'rm -rf "$folder"; echo -1 >$table/mgenjit-aarch64' EXIT
        trap 'exit 130' INT TERM
        "$@"
        exit
    fi
elif MGENJIT_WITHIN=namespace unshare --user --map-root-user --mount "$0" true 2>/dev/null; then
    MGENJIT_WITHIN=namespace exec unshare --user --map-root-user --mount "$0" "$@"
fi
echo 'aarch64: nothing here can start AArch64 programs: that takes Linux 6.7 with user namespaces, or root' >&2
exit 125
