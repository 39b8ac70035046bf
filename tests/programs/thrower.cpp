#include "exceptions.h"
#include <stdexcept>

extern "C" void note(int what);

namespace {
struct Guard {
    ~Guard() { note('g'); }
};
}

extern "C" void throw_int(int value)
{
    Guard guard;
    throw value;
}

extern "C" void throw_runtime_error(const char *text)
{
    Guard guard;
    throw std::runtime_error(text);
}

extern "C" void throw_failure(int code)
{
    DerivedFailure failure;
    failure.code = code;
    failure.reason = "a reason that is longer than what a string keeps inside itself";
    throw failure;
}

extern "C" int catch_inside(int value)
{
    try {
        throw_int(value);
    } catch (int caught) {
        return caught + 1;
    }
    return -1;
}

/* An exception passes through: one of the host's, from a function of the host's. */
extern "C" int pass_through(int (*callback)(int), int value)
{
    Guard guard;
    return callback(value) + 1;
}

extern "C" int throw_if_negative(int value)
{
    if (value < 0)
        throw std::out_of_range("negative");
    return value * 2;
}
