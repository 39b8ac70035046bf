/* Systems on which calls fail, by filters. */
#ifndef REFUSALS_H
#define REFUSALS_H

#include "check.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#ifdef __aarch64__
#define THIS_MACHINE AUDIT_ARCH_AARCH64
#else
#define THIS_MACHINE AUDIT_ARCH_X86_64
#endif

typedef struct refusal {
    int call;
    int error;
    /* An argument that must have this bit, if it is not 0. */
    int argument;
    unsigned bit;
} refusal;

/* From now on, in this process and all that it starts, this call fails. Returns 0 if there are no filters here. */
static inline int refuse(refusal which)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, THIS_MACHINE, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 2),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = { sizeof code / sizeof code[0], code };
    code[3].k = (unsigned)which.call;
    if (which.bit != 0) {
        code[4].k = (unsigned)(offsetof(struct seccomp_data, args) + 8 * (size_t)which.argument);
        code[5].k = which.bit;
    } else {
        code[4].k = offsetof(struct seccomp_data, nr);
        code[5].code = BPF_JMP | BPF_JA;
        code[5].k = 1;
        code[5].jt = 0;
    }
    code[7].k = SECCOMP_RET_ERRNO | (unsigned)which.error;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0)
        return 1;
    SKIP("calls cannot be filtered here: %s", strerror(errno));
    return 0;
}

#endif
