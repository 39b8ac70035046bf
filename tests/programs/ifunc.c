/* Functions that are chosen when the module is loaded. */
static int chosen_one(int x)
{
    return x + 1;
}

static int chosen_two(int x)
{
    return x + 2;
}

#ifdef __aarch64__
/* Told of AT_HWCAP, whose second bit is for SIMD, which all have. */
static int (*resolve(unsigned long hwcap))(int)
{
    return (hwcap & 2) != 0 ? chosen_two : chosen_one;
}
#else
static int (*resolve(void))(int)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("sse2") ? chosen_two : chosen_one;
}
#endif

int dispatched(int x) __attribute__((ifunc("resolve")));

int call_dispatched(int x)
{
    return dispatched(x) * 10;
}

int (*pointer_to_dispatched)(int) = dispatched;

#ifdef __aarch64__
#define CLONES "sve2", "default"
#else
#define CLONES "avx2", "default"
#endif

__attribute__((target_clones(CLONES))) int sum_of(const int *values, int count)
{
    int sum = 0;
    for (int i = 0; i < count; i++)
        sum += values[i];
    return sum;
}

/* One bit for each feature that this CPU has. Of AArch64's, the lowest four are told in AT_HWCAP, the others in AT_HWCAP2. */
unsigned features_of_cpu(void)
{
    unsigned features = 0;
#ifdef __aarch64__
    const unsigned has[] = {
        __builtin_cpu_supports("fp"),   __builtin_cpu_supports("lse"),  __builtin_cpu_supports("sha3"),
        __builtin_cpu_supports("sve"),  __builtin_cpu_supports("sve2"), __builtin_cpu_supports("i8mm"),
        __builtin_cpu_supports("bf16"), __builtin_cpu_supports("bti"),
    };
#else
    const unsigned has[] = {
        __builtin_cpu_supports("sse2") != 0, __builtin_cpu_supports("avx") != 0, __builtin_cpu_supports("avx2") != 0,
        __builtin_cpu_supports("fma") != 0,  __builtin_cpu_supports("bmi2") != 0,
    };
#endif
    for (unsigned i = 0; i < sizeof has / sizeof *has; i++)
        features |= (has[i] != 0) << i;
    return features;
}
