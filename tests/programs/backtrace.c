void host_backtrace(void);

__attribute__((noinline)) void jit_inner(int depth)
{
    volatile char room[64];
    room[depth % 64] = 1;
    if (depth == 0)
        host_backtrace();
    else
        jit_inner(depth - 1);
    room[depth % 64] = 2;
}

__attribute__((noinline)) void jit_outer(void)
{
    volatile int after = 0;
    jit_inner(3);
    after = 1;
    (void)after;
}
