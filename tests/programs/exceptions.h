/* A type that two modules and the host throw to each other. */
#pragma once
#include <string>

struct Failure {
    int code;
    std::string reason;
    virtual const char *kind() const { return "Failure"; }
    virtual ~Failure() = default;
};

struct DerivedFailure : Failure {
    const char *kind() const override { return "DerivedFailure"; }
};
