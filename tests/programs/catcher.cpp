#include "exceptions.h"
#include <exception>
#include <stdexcept>

extern "C" void note(int what);
extern "C" void throw_int(int value);
extern "C" void throw_runtime_error(const char *text);
extern "C" void throw_failure(int code);

extern "C" int catch_int(int value)
{
    try {
        throw_int(value);
    } catch (int caught) {
        return caught;
    }
    return -1;
}

extern "C" int catch_standard(const char *text)
{
    try {
        throw_runtime_error(text);
    } catch (const std::exception &caught) {
        return std::string(caught.what()) == text;
    }
    return -1;
}

extern "C" int catch_failure(int code)
{
    try {
        throw_failure(code);
    } catch (const Failure &caught) {
        const bool derived = dynamic_cast<const DerivedFailure *>(&caught) != nullptr;
        return derived && std::string(caught.kind()) == "DerivedFailure" && !caught.reason.empty() ? caught.code : -2;
    }
    return -1;
}

extern "C" int catch_and_throw_again(int value)
{
    try {
        throw_int(value);
    } catch (...) {
        note('r');
        throw;
    }
    return -1;
}

extern "C" int catch_from_host(void (*callback)())
{
    try {
        callback();
    } catch (const Failure &caught) {
        return caught.code;
    } catch (...) {
        return -2;
    }
    return -1;
}
