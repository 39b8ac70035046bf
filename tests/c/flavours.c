// ir: default.ll = flavours.c
// ir: o0_no_pic.ll = flavours.c -O0 -fno-pic
// ir: o2_no_pic.ll = flavours.c -O2 -fno-pic
// ir: o2_pie.ll = flavours.c -O2 -fPIE
// ir: o2_pic.ll = flavours.c -O2 -fPIC
// ir: o3_pic_hidden.ll = flavours.c -O3 -fPIC -fno-semantic-interposition -fno-plt
// ir: debug.ll = flavours.c -O0 -g
// ir: debug_o2.ll = flavours.c -O2 -g -fPIC
// ir: dwarf4.ll = flavours.c -O1 -gdwarf-4 -fno-omit-frame-pointer
// ir: os.ll = flavours.c -Os -fno-asynchronous-unwind-tables
// ir: sections.ll = flavours.c -O1 -ffunction-sections -fdata-sections
// ir: large.ll = flavours.c -O1 x86-64:-mcmodel=medium aarch64:-mcmodel=large aarch64:-fno-pic
// ir: protector.ll = flavours.c -O2 -fstack-protector-all -D_FORTIFY_SOURCE=2
// ir: protected.ll = flavours.c -O2 x86-64:-fcf-protection=full aarch64:-mbranch-protection=standard
// ir: no_builtin.ll = flavours.c -O2 -fno-builtin -fno-jump-tables x86-64:-march=x86-64-v2 aarch64:-march=armv8.1-a
// ir: strict.ll = flavours.c -O2 -ftrapv -fwrapv -frounding-math
// ir: raw.ll = flavours.c -O1 -Xclang -disable-llvm-passes -Xclang -disable-lifetime-markers
// flags: -rdynamic
// warm: no server

/* The same C compiled to IR in the ways that people compile C. */
#include "check.h"

int host_number = 50;

int host_function(int x);
int host_function(int x)
{
    return x + 60;
}

static const char *flavour;
static int level;

static void check_flavour(void)
{
    mgenjit_config *config = default_config();
    mgenjit_executor *executor;
    char text[64] = "";
    int (*table)(int);
    CHECK_OK(mgenjit_config_set_opt_level(config, level, &failure));
    executor = new_executor(config);
    mgenjit_config_free(config);
    mgenjit_module_free(add_file(executor, fixture(flavour)));
    table = FUNCTION(int (*)(int), executor, "table");
    CHECK_INT(61, table(0));
    CHECK_INT(3, table(1));
    CHECK_INT(4, table(2));
    CHECK_INT(5, table(2));
    CHECK_INT(5, table(3));
    CHECK_INT(16, table(4));
    CHECK_INT(50, table(5));
    host_number = 51;
    CHECK_INT(51, table(5));
    CHECK_INT(1, table(6));
    CHECK_INT(9, table(7));
    CHECK_INT(-1, table(8));
    CHECK_INT(5, FUNCTION(int (*)(int, int, int), executor, "dispatch")(0, 2, 3));
    CHECK_INT(-1, FUNCTION(int (*)(int, int, int), executor, "dispatch")(1, 2, 3));
    CHECK_INT(6, FUNCTION(int (*)(int, int, int), executor, "dispatch")(2, 2, 3));
    CHECK(FUNCTION(double (*)(double), executor, "constants")(0) == 2.718281828459045);
    CHECK(FUNCTION(float (*)(float), executor, "floats")(2) == 3);
    CHECK_INT(strlen("two-2-2.7"), FUNCTION(int (*)(char *, int), executor, "through_stdio")(text, 2));
    CHECK_STRING("two-2-2.7", text);
    CHECK(FUNCTION(int *(*)(void), executor, "address_of_host_number")() == &host_number);
    CHECK(FUNCTION(void *(*)(void), executor, "address_of_host_function")() == (void *)host_function);
    CHECK(FUNCTION(FILE *(*)(void), executor, "stdout_of_module")() == stdout);
    mgenjit_executor_free(executor);
}

int main(void)
{
    static const char *const flavours[] = {
        "default.ll", "o0_no_pic.ll", "o2_no_pic.ll", "o2_pie.ll", "o2_pic.ll", "o3_pic_hidden.ll", "debug.ll",
        "debug_o2.ll", "dwarf4.ll", "os.ll", "sections.ll", "large.ll", "protector.ll", "protected.ll", "no_builtin.ll",
        "strict.ll", "raw.ll",
    };
    int failed = 0;
    for (size_t i = 0; i < sizeof flavours / sizeof *flavours; i++)
        for (level = MGENJIT_OPT_O0; level <= MGENJIT_OPT_OZ; level++) {
            char name[64];
            check_case one = { name, check_flavour };
            snprintf(name, sizeof name, "%s at level %d", flavours[i], level);
            flavour = flavours[i];
            failed |= check_cases(&one, 1);
        }
    return failed;
}
