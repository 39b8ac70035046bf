// runs: once
// bc: profiled.bc = profiled.c -O2 -Xclang -disable-llvm-passes
// bc: profiled_edited.bc = profiled.c -O2 -Xclang -disable-llvm-passes -DEDITED
// bc: profiled_values.bc = profiled_values.c -O2 -Xclang -disable-llvm-passes
// bc: profiled_other.bc = profiled_other.c -O2 -Xclang -disable-llvm-passes
// libs: -lpthread

/* Code that counts, the profiles that are made of its counters, and code that is optimised by them. */
#include "check.h"
#include "exporting.h"

#include <pthread.h>

typedef int (*int_to_int)(int);

/* The warnings of compiles. */
static char warnings[8192];
static int warning_count;

static void note_warning(const mgenjit_event *event, void *user)
{
    (void)user;
    if (event->kind != MGENJIT_EVENT_WARNING)
        return;
    warning_count++;
    snprintf(warnings + strlen(warnings), sizeof warnings - strlen(warnings), "%s\n", event->message);
}

static mgenjit_config *new_config(void)
{
    mgenjit_config *config = default_config();
    warnings[0] = '\0';
    warning_count = 0;
    CHECK_OK(mgenjit_config_set_event_hook(config, note_warning, NULL, NULL, &failure));
    return config;
}

static mgenjit_executor *new_counting(void)
{
    mgenjit_config *config = new_config();
    CHECK_OK(mgenjit_config_set_profile_generate(config, true, &failure));
    mgenjit_executor *executor = new_executor(config);
    mgenjit_config_free(config);
    return executor;
}

static mgenjit_executor *new_using(const void *profile, size_t size)
{
    mgenjit_config *config = new_config();
    CHECK_OK(mgenjit_config_set_profile_use(config, profile, size, &failure));
    mgenjit_executor *executor = new_executor(config);
    mgenjit_config_free(config);
    return executor;
}

static mgenjit_blob *profile_of(mgenjit_module *module)
{
    mgenjit_blob *profile = NULL;
    CHECK_OK(mgenjit_module_profile(module, &profile, &failure));
    CHECK(mgenjit_blob_size(profile) > 16 && memcmp(mgenjit_blob_data(profile), "\xfflprofi\x81", 8) == 0);
    return profile;
}

static mgenjit_blob *sum_of(const mgenjit_blob *one, const mgenjit_blob *other)
{
    mgenjit_blob *sum = NULL;
    CHECK_OK(mgenjit_profile_merge(NULL, mgenjit_blob_data(one), mgenjit_blob_size(one), mgenjit_blob_data(other),
                                   mgenjit_blob_size(other), &sum, &failure));
    return sum;
}

/* Counts `runs` times work(1000), in an executor of its own. */
static mgenjit_blob *counted(const char *file, int runs)
{
    mgenjit_executor *executor = new_counting();
    mgenjit_module *module = add_file(executor, fixture(file));
    int_to_int work = FUNCTION(int_to_int, executor, "work");
    for (int i = 0; i < runs; i++)
        work(1000);
    mgenjit_blob *profile = profile_of(module);
    CHECK_STRING("", warnings);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    return profile;
}

static void write_profile(const char *name, const mgenjit_blob *blob)
{
    FILE *file = fopen(in_folder(name), "wb");
    CHECK(file != NULL);
    CHECK(fwrite(mgenjit_blob_data(blob), 1, mgenjit_blob_size(blob), file) == mgenjit_blob_size(blob));
    CHECK(fclose(file) == 0);
}

/* What llvm-profdata says of a profile. */
static char *shown(const mgenjit_blob *profile)
{
    write_profile("shown.profdata", profile);
    return shell("llvm-profdata-22 show --all-functions --counts shown.profdata");
}

/* The count of a function's first block. A local function's name begins with its file's path. */
static long long count_of(const mgenjit_blob *profile, const char *function)
{
    char *text = shown(profile), *name = NULL, *at;
    long long count = -1;
    CHECK(asprintf(&name, "%s%s:\n", strchr(function, ';') != NULL ? "/" : "  ", function) > 0);
    at = strstr(text, name);
    if (at == NULL)
        at = strstr(text, name + 1);
    CHECK(at != NULL);
    at = strstr(at, "Block counts: [");
    CHECK(at != NULL);
    /* LLVM counts where it takes the fewest counters, which need not be the entry. */
    CHECK(sscanf(at, "Block counts: [%lld", &count) == 1);
    free(name);
    return count;
}

static int expected(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module_free(add_file(executor, fixture("profiled.bc")));
    int result = FUNCTION(int_to_int, executor, "work")(5000);
    mgenjit_executor_free(executor);
    return result;
}

static char *assembly_of(mgenjit_executor *executor)
{
    mgenjit_module *module = add_file(executor, fixture("profiled.bc"));
    mgenjit_blob *blob = export_blob(module, MGENJIT_EXPORT_ASSEMBLY, NULL);
    char *text = strndup((const char *)mgenjit_blob_data(blob), mgenjit_blob_size(blob));
    CHECK(text != NULL);
    CHECK_INT(expected(), FUNCTION(int_to_int, executor, "work")(5000));
    mgenjit_blob_free(blob);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    return text;
}

static void from_counters_to_code(void)
{
    mgenjit_blob *profile = counted("profiled.bc", 3);
    char *text = shown(profile);
    CHECK_CONTAINS("IR", text);
    CHECK_CONTAINS("  work:\n", text);
    CHECK_CONTAINS("profiled.c;rare:\n", text);
    CHECK_CONTAINS("profiled.c;usual:\n", text);
    CHECK_INT(3 * 999, count_of(profile, "profiled.c;usual"));

    char *plain = assembly_of(new_executor(NULL));
    CHECK(strstr(plain, ".text.unlikely.") == NULL && strstr(plain, ".text.hot.") == NULL);
    char *used = assembly_of(new_using(mgenjit_blob_data(profile), mgenjit_blob_size(profile)));
    CHECK_STRING("", warnings);
    CHECK_CONTAINS(".text.unlikely.", used);
    CHECK_CONTAINS(".text.hot.", used);
    char *counting = assembly_of(new_counting());
    CHECK_CONTAINS("__llvm_prf_cnts", counting);

    /* What llvm-profdata makes of it is used like it. */
    shell("llvm-profdata-22 merge shown.profdata -o merged.profdata");
    FILE *file = fopen(in_folder("merged.profdata"), "rb");
    char bytes[65536];
    CHECK(file != NULL);
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    char *again = assembly_of(new_using(bytes, size));
    CHECK_STRING("", warnings);
    CHECK_STRING(used, again);
    mgenjit_blob_free(profile);
    free(plain);
    free(used);
    free(counting);
    free(again);
}

static void profiles_are_summed(void)
{
    mgenjit_blob *one = counted("profiled.bc", 1), *two = counted("profiled.bc", 2);
    mgenjit_blob *sum = sum_of(one, two), *three = counted("profiled.bc", 3);
    CHECK(mgenjit_blob_size(sum) == mgenjit_blob_size(three));
    CHECK(memcmp(mgenjit_blob_data(sum), mgenjit_blob_data(three), mgenjit_blob_size(sum)) == 0);

    /* Of another module, and of one that counted nothing. */
    mgenjit_executor *executor = new_counting();
    mgenjit_module *other = add_file(executor, fixture("profiled_other.bc"));
    mgenjit_module *none = add(executor, "@x = global i32 1\n");
    FUNCTION(int_to_int, executor, "other_work")(500);
    mgenjit_blob *of_other = profile_of(other), *of_none = profile_of(none);
    mgenjit_blob *both = sum_of(sum, of_other), *same = sum_of(of_none, sum);
    CHECK_INT(count_of(sum, "work"), count_of(both, "work"));
    CHECK_INT(1, count_of(both, "profiled_other.c;usual"));
    CHECK_INT(count_of(sum, "work"), count_of(same, "work"));

    /* llvm-profdata comes to the same. */
    write_profile("sum.profdata", sum);
    write_profile("other.profdata", of_other);
    write_profile("both.profdata", both);
    shell("llvm-profdata-22 merge sum.profdata other.profdata -o theirs.profdata"
          " && llvm-profdata-22 show --all-functions --counts theirs.profdata > theirs"
          " && llvm-profdata-22 show --all-functions --counts both.profdata > ours && cmp ours theirs");

    mgenjit_blob *wrong = NULL;
    CHECK_STATUS(MGENJIT_STATUS_PARSE, mgenjit_profile_merge(NULL, "no profile", 10, mgenjit_blob_data(sum),
                                                             mgenjit_blob_size(sum), &wrong, &failure));
    CHECK_MESSAGE("the profile one cannot be read");
    CHECK_STATUS(MGENJIT_STATUS_PARSE, mgenjit_profile_merge(NULL, mgenjit_blob_data(sum), mgenjit_blob_size(sum),
                                                             mgenjit_blob_data(sum), 20, &wrong, &failure));
    CHECK_MESSAGE("the profile other cannot be read");
    mgenjit_blob_free(one);
    mgenjit_blob_free(two);
    mgenjit_blob_free(three);
    mgenjit_blob_free(sum);
    mgenjit_blob_free(of_other);
    mgenjit_blob_free(of_none);
    mgenjit_blob_free(both);
    mgenjit_blob_free(same);
    mgenjit_module_free(other);
    mgenjit_module_free(none);
    mgenjit_executor_free(executor);
}

/* Compiles with a profile, which changes no result. Returns whether there was a warning. */
static int use(const void *profile, size_t size)
{
    mgenjit_executor *executor = new_using(profile, size);
    mgenjit_module_free(add_file(executor, fixture("profiled.bc")));
    CHECK_INT(expected(), FUNCTION(int_to_int, executor, "work")(5000));
    mgenjit_executor_free(executor);
    return warning_count;
}

static void profiles_of_other_code(void)
{
    mgenjit_executor *executor = new_counting();
    mgenjit_module *module = add_file(executor, fixture("profiled_other.bc"));
    FUNCTION(int_to_int, executor, "other_work")(500);
    mgenjit_blob *foreign = profile_of(module);
    use(mgenjit_blob_data(foreign), mgenjit_blob_size(foreign));
    CHECK_CONTAINS("knows none of the functions", warnings);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    mgenjit_blob_free(foreign);

    /* Of what an edit added, nothing is known, and that is no reason for a warning. */
    mgenjit_blob *before = counted("profiled.bc", 1);
    executor = new_using(mgenjit_blob_data(before), mgenjit_blob_size(before));
    mgenjit_module_free(add_file(executor, fixture("profiled_edited.bc")));
    CHECK_INT(expected(), FUNCTION(int_to_int, executor, "edited")(5000));
    CHECK_STRING("", warnings);
    mgenjit_executor_free(executor);
    mgenjit_blob_free(before);

    /* The same names with other code. */
    executor = new_counting();
    module = add(executor, "define i32 @work(i32 %x) {\n  ret i32 %x\n}\ndefine i32 @never(i32 %x) {\n  ret i32 %x\n}\n");
    FUNCTION(int_to_int, executor, "work")(5);
    foreign = profile_of(module);
    use(mgenjit_blob_data(foreign), mgenjit_blob_size(foreign));
    CHECK_CONTAINS("does not match 1 function", warnings);
    CHECK_CONTAINS("optimised without it: work", warnings);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    mgenjit_blob_free(foreign);
}

static void profiles_that_are_damaged(void)
{
    mgenjit_blob *profile = counted("profiled.bc", 1);
    size_t size = mgenjit_blob_size(profile);
    char *bytes = (char *)malloc(size);
    int right = expected();
    CHECK(bytes != NULL);
    CHECK(use("no profile", 10));
    CHECK_CONTAINS("the profile is not used", warnings);
    for (size_t length = 8; length < size; length += 1 + size / 8)
        CHECK(use(mgenjit_blob_data(profile), length));
    /* Bytes that are wrong: a server may not survive LLVM's reader, which trusts them. */
    size_t step = getenv("CHECK_ALL_BYTES") != NULL ? 1 : 1 + size / 16;
    for (size_t place = 0; place < size; place += step) {
        memcpy(bytes, mgenjit_blob_data(profile), size);
        bytes[place] ^= 0xff;
        mgenjit_executor *executor = new_using(bytes, size);
        check_reset();
        mgenjit_status status = mgenjit_executor_compile_file(executor, fixture("profiled.bc"), NULL, &failure);
        if (status == MGENJIT_STATUS_OK) {
            CHECK_INT(right, FUNCTION(int_to_int, executor, "work")(5000));
        } else {
            fprintf(stderr, "byte %zu: %s\n", place, mgenjit_error_message(failure));
            CHECK_INT(MGENJIT_STATUS_SERVER_CRASHED, status);
            CHECK_MESSAGE("profile");
        }
        mgenjit_executor_free(executor);
    }
    mgenjit_config *config = new_config();
    CHECK_OK(mgenjit_config_set_profile_use(config, "x", 0, &failure));
    mgenjit_config_free(config);
    mgenjit_blob_free(profile);
    free(bytes);
}

static void what_counts_nothing(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = add_file(executor, fixture("profiled.bc"));
    mgenjit_blob *profile = NULL;
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_module_profile(module, &profile, &failure));
    CHECK_MESSAGE("mgenjit_config_set_profile_generate");
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);

    executor = new_counting();
    module = add_file(executor, fixture("profiled.bc"));
    CHECK_OK(mgenjit_module_remove(module, &failure));
    CHECK_STATUS(MGENJIT_STATUS_REMOVED, mgenjit_module_profile(module, &profile, &failure));
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

/* What one module counts is its own, whatever else counts. Inline functions are shared, and their counters are not. */
static void modules_count_for_themselves(void)
{
    static const char inlined[] = "$shared = comdat any\n"
                                  "define linkonce_odr i32 @shared(i32 %x) noinline comdat {\n  ret i32 %x\n}\n";
    char *ir[2];
    mgenjit_executor *executor = new_counting();
    mgenjit_module *modules[2];
    for (int i = 0; i < 2; i++) {
        CHECK(asprintf(&ir[i], "%sdefine i32 @f%d(i32 %%x) {\n  %%y = call i32 @shared(i32 %%x)\n  ret i32 %%y\n}\n", inlined,
                       i) > 0);
        modules[i] = add(executor, ir[i]);
    }
    FUNCTION(int_to_int, executor, "f0")(1);
    for (int i = 0; i < 5; i++)
        FUNCTION(int_to_int, executor, "f1")(1);
    mgenjit_blob *one = profile_of(modules[0]), *other = profile_of(modules[1]), *sum = sum_of(one, other);
    CHECK_INT(1, count_of(one, "f0"));
    CHECK_INT(5, count_of(other, "f1"));
    CHECK_INT(6, count_of(sum, "shared"));
    for (int i = 0; i < 2; i++) {
        mgenjit_module_free(modules[i]);
        free(ir[i]);
    }
    mgenjit_blob_free(one);
    mgenjit_blob_free(other);
    mgenjit_blob_free(sum);
    mgenjit_executor_free(executor);
}

static void keys(void)
{
    mgenjit_blob *one = counted("profiled.bc", 1), *two = counted("profiled.bc", 2);
    mgenjit_executor *executors[] = {
        new_executor(NULL),
        new_counting(),
        new_using(mgenjit_blob_data(one), mgenjit_blob_size(one)),
        new_using(mgenjit_blob_data(two), mgenjit_blob_size(two)),
    };
    enum { COUNT = sizeof executors / sizeof executors[0] };
    mgenjit_module *modules[COUNT];
    for (int i = 0; i < COUNT; i++) {
        modules[i] = add_file(executors[i], fixture("profiled.bc"));
        for (int j = 0; j < i; j++)
            CHECK(strcmp(mgenjit_module_key(modules[i]), mgenjit_module_key(modules[j])) != 0);
        mgenjit_module *again = add_file(executors[i], fixture("profiled.bc"));
        CHECK_INT(MGENJIT_ORIGIN_CACHE, mgenjit_module_origin(again));
        CHECK_STRING(mgenjit_module_key(modules[i]), mgenjit_module_key(again));
        mgenjit_module_free(again);
    }
    for (int i = 0; i < COUNT; i++) {
        mgenjit_module_free(modules[i]);
        mgenjit_executor_free(executors[i]);
    }
    mgenjit_blob_free(one);
    mgenjit_blob_free(two);
}

/* Several files in one module: local functions of one name keep their own files' names. It is cut in pieces, but not
 * while it counts. */
static mgenjit_module *add_both(mgenjit_executor *executor)
{
    mgenjit_source *source = NULL;
    mgenjit_module *module = NULL;
    CHECK_OK(mgenjit_source_new("both", &source, &failure));
    CHECK_OK(mgenjit_source_add_file(source, fixture("profiled.bc"), &failure));
    CHECK_OK(mgenjit_source_add_file(source, fixture("profiled_other.bc"), &failure));
    CHECK_OK(mgenjit_source_keep(source, "work", &failure));
    CHECK_OK(mgenjit_source_keep(source, "other_work", &failure));
    CHECK_OK(mgenjit_executor_compile_source(executor, source, &module, &failure));
    mgenjit_source_free(source);
    return module;
}

static void files_of_one_module(void)
{
    mgenjit_config *config = new_config();
    CHECK_OK(mgenjit_config_set_profile_generate(config, true, &failure));
    CHECK_OK(mgenjit_config_set_partition(config, 1, &failure));
    mgenjit_executor *executor = new_executor(config);
    mgenjit_module *module = add_both(executor);
    FUNCTION(int_to_int, executor, "work")(1000);
    FUNCTION(int_to_int, executor, "other_work")(500);
    mgenjit_blob *profile = profile_of(module);
    CHECK_INT(999, count_of(profile, "profiled.c;usual"));
    CHECK_INT(1, count_of(profile, "profiled_other.c;usual"));
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);

    CHECK_OK(mgenjit_config_set_profile_use(config, mgenjit_blob_data(profile), mgenjit_blob_size(profile), &failure));
    executor = new_executor(config);
    module = add_both(executor);
    CHECK_INT(expected(), FUNCTION(int_to_int, executor, "work")(5000));
    CHECK_STRING("", warnings);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
    mgenjit_blob_free(profile);
}

static int stopped;

static void *run_work(void *work)
{
    long runs = 0;
    while (!__atomic_load_n(&stopped, __ATOMIC_ACQUIRE)) {
        ((int_to_int)work)(1000);
        runs++;
    }
    return (void *)runs;
}

/* Profiles that are read while threads count are whole, and counts only grow. */
static void counters_are_read_while_threads_count(void)
{
    enum { THREADS = 3, READS = 8 };
    pthread_t threads[THREADS];
    mgenjit_executor *executor = new_counting();
    mgenjit_module *module = add_file(executor, fixture("profiled.bc"));
    void *work = find(executor, "work");
    long long before = 0;
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, run_work, work) == 0);
    for (int i = 0; i < READS; i++) {
        mgenjit_blob *profile = profile_of(module);
        long long now = count_of(profile, "profiled.c;usual");
        CHECK(now >= before || THREADS > 1);
        before = now;
        mgenjit_blob_free(profile);
    }
    __atomic_store_n(&stopped, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    mgenjit_blob *profile = profile_of(module);
    CHECK(count_of(profile, "profiled.c;usual") > 0);
    mgenjit_blob_free(profile);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

/* Counts in programs that are linked without us. */
static void exported_code_counts(void)
{
    mgenjit_executor *executor = new_counting();
    mgenjit_module *module = add_file(executor, fixture("profiled.bc"));
    mgenjit_module *other = add_file(executor, fixture("profiled_other.bc"));
    mgenjit_blob *object = export_blob(module, MGENJIT_EXPORT_OBJECT, NULL);
    mgenjit_blob *second = export_blob(other, MGENJIT_EXPORT_OBJECT, NULL);
    write_profile("counting.o", object);
    write_profile("counting_other.o", second);
    shell("cc counting.o counting_other.o -o alone && ./alone");
    shell("clang-22 -fprofile-generate counting.o counting_other.o -o writing"
          " && LLVM_PROFILE_FILE=counting.profraw ./writing && llvm-profdata-22 merge counting.profraw -o counting.profdata"
          " && llvm-profdata-22 show --all-functions counting.profdata > functions && grep -q 'profiled.c;usual' functions"
          " && grep -q 'profiled_other.c;usual' functions");
    mgenjit_blob_free(object);
    mgenjit_blob_free(second);
    mgenjit_module_free(other);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

/* What clang's instrumented program counts is used for the IR that clang makes of it. */
static void profiles_of_clang(void)
{
    shell("clang-22 -O2 -fprofile-generate -c '%s' -o clang.o && clang-22 -fprofile-generate clang.o -o clang"
          " && LLVM_PROFILE_FILE=clang.profraw ./clang && llvm-profdata-22 merge clang.profraw -o clang.profdata",
          program("profiled.c"));
    for (int raw = 0; raw < 2; raw++) {
        FILE *file = fopen(in_folder(raw ? "clang.profraw" : "clang.profdata"), "rb");
        char bytes[65536];
        CHECK(file != NULL);
        size_t size = fread(bytes, 1, sizeof bytes, file);
        fclose(file);
        char *text = assembly_of(new_using(bytes, size));
        CHECK_CONTAINS(".text.unlikely.", text);
        CHECK_STRING("", warnings);
        free(text);
    }
}

/* The values that code meets are counted as clang's program counts them, whose functions for this nobody has to link. */
static void values(void)
{
    mgenjit_executor *executor = new_counting();
    mgenjit_module *module = add_file(executor, fixture("profiled_values.bc"));
    ((int (*)(void))find(executor, "main"))();
    mgenjit_blob *profile = profile_of(module);
    write_profile("ours.profdata", profile);
    shell("clang-22 -O2 -fprofile-generate '%s' -o clang && LLVM_PROFILE_FILE=clang.profraw ./clang"
          " && llvm-profdata-22 merge clang.profraw -o clang.profdata"
          " && for name in ours clang; do llvm-profdata-22 show --all-functions --counts --ic-targets --memop-sizes"
          " $name.profdata | grep -v '^ *-*$' > $name.text; done"
          " && grep -q 'profiled_values.c;usual, *750' ours.text && diff ours.text clang.text",
          program("profiled_values.c"));
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);

    /* Calls become direct ones, for the usual target. */
    executor = new_using(mgenjit_blob_data(profile), mgenjit_blob_size(profile));
    module = add_file(executor, fixture("profiled_values.bc"));
    mgenjit_blob *ir = export_blob(module, MGENJIT_EXPORT_IR, NULL);
    char *text = strndup((const char *)mgenjit_blob_data(ir), mgenjit_blob_size(ir));
    CHECK(text != NULL);
    CHECK_CONTAINS(", @usual", text);
    CHECK_STRING("", warnings);
    free(text);
    mgenjit_blob_free(ir);
    mgenjit_blob_free(profile);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

/* Threads that meet a value first at the same moment each take room for it. LLVM takes no such profile. */
static void equal_values_of_a_place(void)
{
    static const char text[] = ":ir\nfoo\n1\n1\n5000\n1\n1\n1\n3\n4:3000\n4:1900\n2:100\n";
    mgenjit_blob *sum = NULL;
    CHECK_OK(mgenjit_profile_merge(NULL, text, strlen(text), text, strlen(text), &sum, &failure));
    write_profile("equal.profdata", sum);
    shell("llvm-profdata-22 show --all-functions --memop-sizes equal.profdata > equal.text && grep -q '4, *9800 ' equal.text"
          " && grep -q '2, *200 ' equal.text");
    mgenjit_blob_free(sum);
    use(text, strlen(text));
    CHECK_CONTAINS("knows none of the functions", warnings);
}

/* Results are the same, and there is nothing to say, at each level. */
static void levels(void)
{
    int right = expected();
    for (int level = MGENJIT_OPT_O0; level <= MGENJIT_OPT_OZ; level++) {
        mgenjit_config *config = new_config();
        CHECK_OK(mgenjit_config_set_opt_level(config, level, &failure));
        CHECK_OK(mgenjit_config_set_profile_generate(config, true, &failure));
        mgenjit_executor *executor = new_executor(config);
        mgenjit_module *module = add_file(executor, fixture("profiled.bc"));
        CHECK_INT(right, FUNCTION(int_to_int, executor, "work")(5000));
        mgenjit_blob *profile = profile_of(module);
        mgenjit_module_free(module);
        mgenjit_executor_free(executor);
        CHECK_OK(mgenjit_config_set_profile_use(config, mgenjit_blob_data(profile), mgenjit_blob_size(profile), &failure));
        executor = new_executor(config);
        mgenjit_module_free(add_file(executor, fixture("profiled.bc")));
        CHECK_INT(right, FUNCTION(int_to_int, executor, "work")(5000));
        CHECK_STRING("", warnings);
        mgenjit_executor_free(executor);
        mgenjit_blob_free(profile);
        mgenjit_config_free(config);
    }
}

int main(void)
{
    static const check_case cases[] = {
        CASE(from_counters_to_code),
        CASE(profiles_are_summed),
        CASE(profiles_of_other_code),
        CASE(profiles_that_are_damaged),
        CASE(what_counts_nothing),
        CASE(modules_count_for_themselves),
        CASE(keys),
        CASE(files_of_one_module),
        CASE(counters_are_read_while_threads_count),
        CASE(exported_code_counts),
        CASE(profiles_of_clang),
        CASE(values),
        CASE(equal_values_of_a_place),
        CASE(levels),
    };
    return RUN_CASES(cases);
}
