// ir: pic.ll = singletons.cpp -std=c++17 -O1 -fPIC -DNAME=module
// ir: plain.ll = singletons.cpp -std=c++17 -O0 -DNAME=module
// so: libsingletons.so = singletons.cpp -std=c++17 -O1 -DNAME=library
// libs: -ldl
// flags: -rdynamic
// warm: no server

/* What is one in a program is one in compiled code as well, as in libraries that the system loads. This host has the
   definitions, singletons_of_a_library.c has not. */
#define NAME host
#include "../programs/singletons.cpp"

#include "check.h"

#include <dlfcn.h>
#include <string>

static const char *const SAME[] = { "variable", "local", "box", "function", "table", "type", "thread" };

/* What is hidden is a library's own, and a module's. What is only weak the system takes from the process: a module has
   its own. */
static const char *const OWN[] = { "hidden", "weak", "weak_code" };

typedef const void *(*tells)();

static const void *in_the_process(const char *what)
{
    tells function = (tells)dlsym(RTLD_DEFAULT, (std::string(what) + "_host").c_str());
    CHECK(function != NULL);
    return function();
}

static void a_library()
{
    void *library = dlopen(fixture("libsingletons.so"), RTLD_NOW | RTLD_LOCAL);
    CHECK(library != NULL);
    for (const char *what : SAME)
        CHECK(((tells)dlsym(library, (std::string(what) + "_library").c_str()))() == in_the_process(what));
    CHECK(((tells)dlsym(library, "hidden_library"))() != in_the_process("hidden"));
}

static void check_module(const char *file)
{
    mgenjit_executor *executor = new_executor(NULL);
    mgenjit_module *module = add_file(executor, file);
    for (const char *what : SAME) {
        tells function = FUNCTION(tells, executor, (std::string(what) + "_module").c_str());
        if (function() != in_the_process(what))
            check_failed(__FILE__, __LINE__, "%s: %s is not the process's", file, what);
    }
    for (const char *what : OWN) {
        tells function = FUNCTION(tells, executor, (std::string(what) + "_module").c_str());
        if (function() == in_the_process(what))
            check_failed(__FILE__, __LINE__, "%s: %s is the process's", file, what);
    }
    /* A look-up finds what is in use. */
    void *address = NULL;
    CHECK(find(executor, "inline_variable") == &inline_variable);
    CHECK_OK(mgenjit_module_lookup(module, "inline_variable", &address, &failure));
    CHECK(address == &inline_variable);
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
}

static void ir()
{
    check_module(fixture("pic.ll"));
    check_module(fixture("plain.ll"));
}

static void objects()
{
    for (const char *compiler : { "g++ -O2", "clang++-22 -O0" }) {
        const std::string object = fixture("singletons.o");
        const std::string command = std::string(compiler) + " -std=c++17 -fPIC -DNAME=module -c -o " + object + " "
                                    + program("singletons.cpp");
        CHECK_INT(0, system(command.c_str()));
        check_module(object.c_str());
    }
}

/* A strong definition in a module comes before the process's, as ever. */
static void strong_definitions()
{
    mgenjit_executor *executor = new_executor(NULL);
    add(executor, "@inline_variable = global i32 9\n");
    add(executor, "@inline_variable = linkonce_odr global i32 8\ndefine i32 @strong() {\n"
                  "  %v = load i32, ptr @inline_variable\n  ret i32 %v\n}\n");
    CHECK_INT(9, FUNCTION(int (*)(), executor, "strong")());
    mgenjit_executor_free(executor);
}

/* One that is defined by the user comes before all. */
static void defined_ones()
{
    static int defined = 10;
    mgenjit_executor *executor = new_executor(NULL);
    CHECK_OK(mgenjit_executor_define(executor, "inline_variable", &defined, &failure));
    add(executor, "@inline_variable = linkonce_odr global i32 8\ndefine i32 @user() {\n"
                  "  %v = load i32, ptr @inline_variable\n  ret i32 %v\n}\n");
    CHECK_INT(10, FUNCTION(int (*)(), executor, "user")());
    mgenjit_executor_free(executor);
}

/* A module that does not define it uses the same as one that waits with it and does. */
static void a_module_without_one()
{
    mgenjit_executor *executor = new_executor(NULL);
    add(executor, "@inline_variable = external global i32\ndefine ptr @uses() {\n  ret ptr @inline_variable\n}\n");
    add(executor, "@inline_variable = linkonce_odr global i32 8\n@kept = global ptr @inline_variable\n");
    CHECK(FUNCTION(void *(*)(), executor, "uses")() == &inline_variable);
    CHECK(*(void **)find(executor, "kept") == &inline_variable);
    mgenjit_executor_free(executor);
}

int main()
{
    static const check_case cases[] = {
        CASE(a_library), CASE(ir), CASE(objects), CASE(strong_definitions), CASE(defined_ones),
        CASE(a_module_without_one),
    };
    return RUN_CASES(cases);
}
