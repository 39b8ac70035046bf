// libs: -ldl

/*
 * What LLVM calls functions for that the processor cannot do: in memory, in a library and in a program the same comes
 * out, and nobody has to name a library for it.
 */
#include "exporting.h"

#include <dlfcn.h>
#include <float.h>
#include <math.h>
#include <stdint.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Code for the least of CPUs, which can do none of it. */
static mgenjit_executor *new_modest_executor(void)
{
    mgenjit_config *config = default_config();
    mgenjit_executor *executor;
    CHECK_OK(mgenjit_config_set_cpu(config, OLDEST_CPU, &failure));
    executor = new_executor(config);
    mgenjit_config_free(config);
    return executor;
}

typedef struct floating {
    const char *type, *suffix;
    int bits;
} floating;

static const floating floats[] = { { "half", "f16", 16 },     { "bfloat", "bf16", 16 },  { "float", "f32", 32 },
                                   { "double", "f64", 64 },   { "fp128", "f128", 128 },
#ifndef __aarch64__
                                   { "x86_fp80", "f80", 80 },
#endif
};

/* C's `long double`. */
#ifdef __aarch64__
#define LONG_DOUBLE "fp128"
#else
#define LONG_DOUBLE "x86_fp80"
#endif

/* Text that grows. The functions in it are t0, t1 and so on: they read two operands and write a result. */
static char *text;
static size_t text_length;
static int functions;

/* `operation` has %a and %b, of `from`; its result is %r, of `to`. */
__attribute__((format(printf, 4, 5))) static void operate(FILE *ir, const char *from, const char *to,
                                                          const char *operation, ...)
{
    va_list arguments;
    fprintf(ir,
            "define void @t%d(ptr %%in, ptr %%out) {\n  %%second = getelementptr i8, ptr %%in, i64 16\n"
            "  %%a = load %s, ptr %%in, align 16\n  %%b = load %s, ptr %%second, align 16\n  %%n = load i32, ptr %%second\n",
            functions++, from, from);
    va_start(arguments, operation);
    vfprintf(ir, operation, arguments);
    va_end(arguments);
    fprintf(ir, "\n  store %s %%r, ptr %%out, align 16\n  ret void\n}\n", to);
}

/* Whether LLVM 22 has no code to make one of the other on this machine. */
static int lacks_code(const char *from, const char *to)
{
#ifdef __aarch64__
    return (strcmp(from, "bfloat") == 0 && strcmp(to, "fp128") == 0)
        || (strcmp(from, "i128") == 0 && strcmp(to, "bfloat") == 0);
#else
    (void)from, (void)to;
    return 0;
#endif
}

static void operate_on_floats(FILE *ir, const floating *one)
{
    static const char *const integers[] = { "i32", "i64", "i128" };
    static const char *const binary[] = { "fadd", "fdiv", "frem" };
    static const char *const unary[] = { "sqrt", "sin", "cos", "tan",   "exp",   "exp2", "log",
                                         "log2", "log10", "floor", "round", "rint", "atan" };
    const char *type = one->type;
    for (size_t i = 0; i < COUNT(floats); i++) {
        const floating *other = &floats[i];
        if (lacks_code(type, other->type))
            continue;
        if (one->bits < other->bits)
            operate(ir, type, other->type, "  %%r = fpext %s %%a to %s", type, other->type);
        else if (one->bits > other->bits)
            operate(ir, type, other->type, "  %%r = fptrunc %s %%a to %s", type, other->type);
    }
    for (size_t i = 0; i < COUNT(integers); i++) {
        fprintf(ir, "declare %s @llvm.fptosi.sat.%s.%s(%s)\n", integers[i], integers[i], one->suffix, type);
        operate(ir, type, integers[i], "  %%r = call %s @llvm.fptosi.sat.%s.%s(%s %%a)", integers[i], integers[i],
                one->suffix, type);
        if (lacks_code(integers[i], type))
            continue;
        operate(ir, integers[i], type, "  %%r = sitofp %s %%a to %s", integers[i], type);
        operate(ir, integers[i], type, "  %%r = uitofp %s %%a to %s", integers[i], type);
    }
    for (size_t i = 0; i < COUNT(binary); i++)
        operate(ir, type, type, "  %%r = %s %s %%a, %%b", binary[i], type);
    operate(ir, type, "i1", "  %%r = fcmp olt %s %%a, %%b", type);
    for (size_t i = 0; i < COUNT(unary); i++) {
        fprintf(ir, "declare %s @llvm.%s.%s(%s)\n", type, unary[i], one->suffix, type);
        operate(ir, type, type, "  %%r = call %s @llvm.%s.%s(%s %%a)", type, unary[i], one->suffix, type);
    }
    fprintf(ir, "declare %s @llvm.pow.%s(%s, %s)\ndeclare %s @llvm.fma.%s(%s, %s, %s)\ndeclare %s @llvm.powi.%s.i32(%s, i32)\n",
            type, one->suffix, type, type, type, one->suffix, type, type, type, type, one->suffix, type);
    operate(ir, type, type, "  %%r = call %s @llvm.pow.%s(%s %%a, %s %%b)", type, one->suffix, type, type);
    operate(ir, type, type, "  %%r = call %s @llvm.fma.%s(%s %%a, %s %%b, %s %%a)", type, one->suffix, type, type, type);
    operate(ir, type, type, "  %%m = and i32 %%n, 7\n  %%r = call %s @llvm.powi.%s.i32(%s %%a, i32 %%m)", type,
            one->suffix, type);
}


/* main prints what each function makes of each seed. */
static void add_main(FILE *ir)
{
    fprintf(ir, "declare i32 @printf(ptr, ...)\n@line = private constant [12 x i8] c\"%%d %%lx %%lx\\0A\\00\"\n"
                "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)\n@table = constant [%d x ptr] [", functions);
    for (int i = 0; i < functions; i++)
        fprintf(ir, "%sptr @t%d", i > 0 ? ", " : "", i);
    fprintf(ir, "]\ndefine i32 @main() {\nentry:\n  %%out = alloca [2 x i64], align 16\n  %%high = getelementptr i64, "
                "ptr %%out, i64 1\n  br label %%loop\nloop:\n  %%i = phi i64 [ 0, %%entry ], [ %%i2, %%inner.end ]\n"
                "  %%place = getelementptr ptr, ptr @table, i64 %%i\n  %%f = load ptr, ptr %%place\n  br label %%inner\n"
                "inner:\n  %%j = phi i64 [ 0, %%loop ], [ %%j2, %%inner ]\n"
                "  %%in = getelementptr [32 x i8], ptr @inputs, i64 %%j\n"
                "  call void @llvm.memset.p0.i64(ptr %%out, i8 0, i64 16, i1 false)\n  call void %%f(ptr %%in, ptr %%out)\n"
                "  %%a = load i64, ptr %%out\n  %%b = load i64, ptr %%high\n  %%n = trunc i64 %%i to i32\n"
                "  call i32 (ptr, ...) @printf(ptr @line, i32 %%n, i64 %%a, i64 %%b)\n  %%j2 = add i64 %%j, 1\n"
                "  %%more = icmp ult i64 %%j2, 24\n  br i1 %%more, label %%inner, label %%inner.end\ninner.end:\n"
                "  %%i2 = add i64 %%i, 1\n  %%again = icmp ult i64 %%i2, %d\n"
                "  br i1 %%again, label %%loop, label %%end\nend:\n  ret i32 0\n}\n", functions);
    /* As integers, and as floating-point numbers of each size, they are all sorts of numbers. */
    fprintf(ir, "@inputs = constant [24 x [32 x i8]] [");
    uint32_t random = 5;
    for (int i = 0; i < 24; i++) {
        fprintf(ir, "%s[32 x i8] c\"", i > 0 ? ", " : "");
        for (int k = 0; k < 32; k++) {
            random = random * 1664525 + 1013904223;
            /* No NaN: which one comes out is nobody's promise. */
            fprintf(ir, "\\%02X", k % 2 == 1 ? 0x3fU + (unsigned)i % 3 : random >> 24);
        }
        fprintf(ir, "\"");
    }
    fprintf(ir, "], align 16\n");
}

/* The same is printed in memory, by a program, and by a program that loads a library. */
static void same_everywhere(const char *name, void (*fill)(FILE *ir))
{
    mgenjit_executor *executor = new_modest_executor();
    mgenjit_module *module;
    const char *const argv[] = { name, NULL };
    char *path, *in_program, *library, *output_name;
    int status = -1, saved, file;
    FILE *ir;
    outcome outcome;
    functions = 0;
    ir = open_memstream(&text, &text_length);
    CHECK(ir != NULL);
    fill(ir);
    add_main(ir);
    CHECK(fclose(ir) == 0);
    module = add(executor, text);
    free(text);

    CHECK(asprintf(&output_name, "%s.memory", name) > 0);
    path = in_folder(output_name);
    fflush(NULL);
    saved = dup(1);
    file = open(path, O_CREAT | O_TRUNC | O_RDWR, 0600);
    CHECK(saved >= 0 && file >= 0 && dup2(file, 1) == 1);
    CHECK_OK(mgenjit_executor_run_main(executor, 1, argv, &status, &failure));
    fflush(NULL);
    CHECK(dup2(saved, 1) == 1);
    close(saved);
    close(file);
    CHECK_INT(0, status);

    CHECK(asprintf(&output_name, "%s.program", name) > 0);
    in_program = export_file(module, MGENJIT_EXPORT_EXECUTABLE, output_name, NULL);
    shell("'%s' > %s.out && cmp %s.out %s.memory", in_program, name, name, name);
    CHECK(asprintf(&output_name, "lib%s.so", name) > 0);
    library = export_file(module, MGENJIT_EXPORT_SHARED_LIBRARY, output_name, NULL);
    {
        const char *const arguments[] = { "/proc/self/exe", "load", library, NULL };
        outcome = run_at("/proc/self/exe", arguments);
    }
    CHECK_INT(0, outcome.status);
    shell("cmp %s.memory lib%s.so.out", name, name);
    /* As clang's users link what clang compiles. */
    CHECK(asprintf(&output_name, "%s.a", name) > 0);
    export_file(module, MGENJIT_EXPORT_ARCHIVE, output_name, NULL);
    shell("cc -o %s.linked -Wl,--whole-archive %s.a -Wl,--no-whole-archive -lm -Wl,--as-needed -latomic && "
          "./%s.linked > %s.out && cmp %s.out %s.memory", name, name, name, name, name, name);
    CHECK(asprintf(&output_name, "%s.o", name) > 0);
    export_file(module, MGENJIT_EXPORT_OBJECT, output_name, NULL);
    shell("cc -o %s.linked %s.o -lm -Wl,--as-needed -latomic && ./%s.linked > %s.out && cmp %s.out %s.memory", name, name,
          name, name, name, name);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

/* In a process of its own: prints what the library's main does to a file beside it. */
static int load(const char *path)
{
    void *library = dlopen(path, RTLD_NOW);
    int (*entry)(void);
    char *output;
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    *(void **)&entry = dlsym(library, "main");
    if (entry == NULL || asprintf(&output, "%s.out", path) < 0 || freopen(output, "w", stdout) == NULL)
        return 1;
    return entry() != 0 || fflush(stdout) != 0;
}

static void fill_floats(FILE *ir)
{
    for (size_t i = 0; i < COUNT(floats); i++)
        operate_on_floats(ir, &floats[i]);
}

static void floating_point(void)
{
    same_everywhere("floats", fill_floats);
}

static void fill_integers(FILE *ir)
{
    static const char *const operations[] = { "mul", "sdiv", "udiv", "srem", "urem" };
    for (size_t i = 0; i < COUNT(operations); i++) {
        operate(ir, "i128", "i128", "  %%r = %s i128 %%a, %%b", operations[i]);
        operate(ir, "i64", "i64", "  %%r = %s i64 %%a, %%b", operations[i]);
    }
    fprintf(ir, "declare { i128, i1 } @llvm.smul.with.overflow.i128(i128, i128)\n");
    operate(ir, "i128", "i1",
            "  %%both = call { i128, i1 } @llvm.smul.with.overflow.i128(i128 %%a, i128 %%b)\n"
            "  %%r = extractvalue { i128, i1 } %%both, 1");
}

static void integers(void)
{
    same_everywhere("integers", fill_integers);
}

static void fill_atomics(FILE *ir)
{
    operate(ir, "i128", "i128",
            "  %%p = alloca i128, align 16\n  store atomic i128 %%a, ptr %%p seq_cst, align 16\n"
            "  %%old = atomicrmw add ptr %%p, i128 %%b seq_cst, align 16\n"
            "  %%r = load atomic i128, ptr %%p seq_cst, align 16");
    operate(ir, "i64", "i64",
            "  %%p = alloca [2 x i64]\n  %%q = getelementptr i8, ptr %%p, i64 1\n"
            "  store atomic i64 %%a, ptr %%q seq_cst, align 1\n  %%r = load atomic i64, ptr %%q seq_cst, align 1");
}

static void atomics(void)
{
    if (dlopen("libatomic.so.1", RTLD_NOW) == NULL) {
        printf("atomics: skipped, there is no libatomic\n");
        return;
    }
    same_everywhere("atomics", fill_atomics);
}

/* Nothing that is not needed becomes needed. */
static void nothing_needless(void)
{
    mgenjit_executor *executor = new_modest_executor();
    mgenjit_module *module = add(executor, "define bfloat @f(float %x) {\n  %r = fptrunc float %x to bfloat\n"
                                           "  ret bfloat %r\n}\ndefine i32 @main() {\n  ret i32 0\n}\n");
    export_file(module, MGENJIT_EXPORT_EXECUTABLE, "plain", NULL);
    export_file(module, MGENJIT_EXPORT_SHARED_LIBRARY, "libplain.so", NULL);
    CHECK_STRING("", shell("readelf -d plain libplain.so | grep -E 'lib(m|gcc_s|atomic)\\.' || true"));
    CHECK_STRING("", shell("nm -D plain libplain.so | grep bf2 || true"));
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

static void check_rounding(uint16_t (*from_single)(float), uint16_t (*from_double)(double),
                           uint16_t (*from_extended)(long double), double value, double below, unsigned expected)
{
    const double exact = value + below;
    CHECK_INT(expected, from_double(exact));
    CHECK_INT(expected, from_extended((long double)value + (long double)below));
    if ((double)(float)exact == exact)
        CHECK_INT(expected, from_single((float)exact));
}

/* To the nearest, ties to even, and once. */
static void bfloats_round_once(void)
{
    mgenjit_executor *executor = new_modest_executor();
    uint16_t (*single)(float), (*doubled)(double), (*extended)(long double);
    mgenjit_module_free(add(executor,
                            "define i16 @s(float %x) {\n  %r = fptrunc float %x to bfloat\n  %b = bitcast bfloat %r to i16\n"
                            "  ret i16 %b\n}\n"
                            "define i16 @d(double %x) {\n  %r = fptrunc double %x to bfloat\n  %b = bitcast bfloat %r to i16\n"
                            "  ret i16 %b\n}\n"
                            "define i16 @e(" LONG_DOUBLE " %x) {\n  %r = fptrunc " LONG_DOUBLE " %x to bfloat\n"
                            "  %b = bitcast bfloat %r to i16\n  ret i16 %b\n}\n"
                            "define i16 @q(fp128 %x) {\n  %r = fptrunc fp128 %x to bfloat\n  %b = bitcast bfloat %r to i16\n"
                            "  ret i16 %b\n}\n"));
    single = FUNCTION(uint16_t (*)(float), executor, "s");
    doubled = FUNCTION(uint16_t (*)(double), executor, "d");
    extended = FUNCTION(uint16_t (*)(long double), executor, "e");
#define ROUNDS(expected, value, below) check_rounding(single, doubled, extended, value, below, expected)
    ROUNDS(0x0000, 0.0, 0.0);
    ROUNDS(0x8000, -0.0, -0.0);
    ROUNDS(0x3f80, 1.0, 0.0);
    ROUNDS(0x3f81, 1.0, 1.0 / 128);
    /* Half way between two: to the even one. */
    ROUNDS(0x3f80, 1.0, 1.0 / 256);
    ROUNDS(0x3f82, 1.0, 3.0 / 256);
    /* Just beside half way, by less than a float can tell. */
    ROUNDS(0x3f81, 1.0 + 1.0 / 256, 1e-12);
    ROUNDS(0x3f80, 1.0 + 1.0 / 256, -1e-12);
    ROUNDS(0xbf81, -(1.0 + 1.0 / 256), -1e-12);
    ROUNDS(0x3f81, 1.0 + 3.0 / 256, -1e-12);
    ROUNDS(0x7f80, (double)INFINITY, 0.0);
    ROUNDS(0x7f80, (double)FLT_MAX, 0.0);
    ROUNDS(0x7f80, 1e300, 0.0);
    ROUNDS(0x0000, 1e-300, 0.0);
    ROUNDS(0x8000, -1e-300, 0.0);
    ROUNDS(0x0001, 9.2e-41, 0.0);
    /* By less than a double can tell. */
    CHECK_INT(0x3f81, extended(1.0L + 1.0L / 256 + 1e-18L));
    CHECK_INT(0x3f80, extended(1.0L + 1.0L / 256 - 1e-18L));
    CHECK((doubled((double)NAN) & 0x7fff) > 0x7f80 && (single(NAN) & 0x7fff) > 0x7f80
          && (extended((long double)NAN) & 0x7fff) > 0x7f80);
    mgenjit_executor_free(executor);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = { CASE(floating_point), CASE(integers), CASE(atomics), CASE(nothing_needless),
                                        CASE(bfloats_round_once) };
    if (argc == 3 && strcmp(argv[1], "load") == 0)
        return load(argv[2]);
    return check_cases(cases, COUNT(cases));
}
