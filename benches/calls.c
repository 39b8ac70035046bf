/*
 * What a call of add costs: by address, checked and raw; against the same function in a shared library that
 * was loaded with dlopen, and against libffi, which calls the address that the executor gave. Prints the
 * medians in nanoseconds, in the order of `enum kind`.
 *
 * calls CACHE_DIR FILE LIBRARY
 */

#include <dlfcn.h>
#include <ffi.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/measure.h"
#include "mgenjit.h"

enum kind { BY_ADDRESS, BY_ADDRESS_OF_LIBRARY, CHECKED, RAW, FFI, KINDS };
enum { BLOCKS = 61, CALLS = 200000 };

typedef int64_t (*add_function)(int64_t, int64_t);

struct callee {
    add_function jit;
    add_function library;
    mgenjit_function *function;
    ffi_cif cif;
};

static int64_t call_by_address(add_function add)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < CALLS; i++)
        sum = add(sum, i);
    return sum;
}

static int64_t call_checked(mgenjit_function *add)
{
    mgenjit_value result = mgenjit_i64(0);
    for (int64_t i = 0; i < CALLS; i++) {
        mgenjit_value arguments[] = {result, mgenjit_i64(i)};
        if (mgenjit_function_call(add, arguments, 2, &result, NULL) != MGENJIT_STATUS_OK)
            abort();
    }
    return result.of.integer;
}

static int64_t call_raw(mgenjit_function *add)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < CALLS; i++) {
        const void *arguments[] = {&sum, &i};
        if (mgenjit_function_call_raw(add, arguments, 2, &sum, sizeof sum, NULL) != MGENJIT_STATUS_OK)
            abort();
    }
    return sum;
}

static int64_t call_ffi(ffi_cif *cif, add_function add)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < CALLS; i++) {
        void *arguments[] = {&sum, &i};
        ffi_call(cif, FFI_FN(add), &sum, arguments);
    }
    return sum;
}

/* Returns the nanoseconds of one call. */
static double measure(struct callee *callee, int kind)
{
    int64_t sum;
    double start = clock_milliseconds();
    switch (kind) {
    /* One call site for both, so that its alignment is the same. */
    case BY_ADDRESS:
    case BY_ADDRESS_OF_LIBRARY: sum = call_by_address(kind == BY_ADDRESS ? callee->jit : callee->library); break;
    case CHECKED: sum = call_checked(callee->function); break;
    case RAW: sum = call_raw(callee->function); break;
    default: sum = call_ffi(&callee->cif, callee->jit);
    }
    double milliseconds = clock_milliseconds() - start;
    if (sum != (int64_t)CALLS * (CALLS - 1) / 2)
        abort();
    return milliseconds * 1e6 / CALLS;
}

int main(int argc, char **argv)
{
    static double nanoseconds[KINDS][BLOCKS];
    static ffi_type *types[] = {&ffi_type_sint64, &ffi_type_sint64};
    struct callee callee;
    mgenjit_config *config = NULL;
    mgenjit_executor *executor = NULL;
    mgenjit_error *error = NULL;

    if (argc != 4)
        return 64;
    if (mgenjit_config_new(&config, &error) != MGENJIT_STATUS_OK
        || mgenjit_config_set_cache_dir(config, argv[1], &error) != MGENJIT_STATUS_OK
        || mgenjit_executor_new(config, &executor, &error) != MGENJIT_STATUS_OK
        || mgenjit_executor_compile_file(executor, argv[2], NULL, &error) != MGENJIT_STATUS_OK
        || mgenjit_executor_lookup_function(executor, "add", &callee.function, &error) != MGENJIT_STATUS_OK
        || mgenjit_function_address(callee.function, (void **)&callee.jit, &error) != MGENJIT_STATUS_OK) {
        fprintf(stderr, "calls: %s\n", mgenjit_error_message(error));
        return 1;
    }
    void *library = dlopen(argv[3], RTLD_NOW);
    *(void **)&callee.library = library == NULL ? NULL : dlsym(library, "add");
    if (callee.library == NULL) {
        fprintf(stderr, "calls: %s\n", dlerror());
        return 1;
    }
    ffi_prep_cif(&callee.cif, FFI_DEFAULT_ABI, 2, &ffi_type_sint64, types);

    for (int i = 0; i < BLOCKS; i++)
        for (int kind = 0; kind < KINDS; kind++)
            nanoseconds[kind][i] = measure(&callee, kind);
    for (int kind = 0; kind < KINDS; kind++)
        printf("%f%c", median(nanoseconds[kind], BLOCKS), kind + 1 < KINDS ? ' ' : '\n');
    return 0;
}
