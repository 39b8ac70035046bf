/* What differs between the ways that C is compiled: data, constants, jump tables, strings, functions' addresses. */
#include <stdio.h>
#include <string.h>

extern int host_number;
int host_function(int x);
extern char **environ;

int own_number = 3;
static int hidden_number = 4;
static const char *const names[] = { "zero", "one", "two", "three", "four", "five" };

static int add(int a, int b) { return a + b; }
static int subtract(int a, int b) { return a - b; }
int multiply(int a, int b) { return a * b; }

static int (*const operations[])(int, int) = { add, subtract, multiply };
int *pointers[] = { &own_number, &hidden_number };

int dispatch(int operation, int a, int b)
{
    return operations[operation](a, b);
}

const char *name_of(int x)
{
    return x >= 0 && x < 6 ? names[x] : "many";
}

/* A jump table. */
int table(int x)
{
    switch (x) {
    case 0: return host_function(1);
    case 1: return own_number;
    case 2: return hidden_number++;
    case 3: return (int)strlen(name_of(3));
    case 4: return multiply(x, x);
    case 5: return host_number;
    case 6: return environ != NULL;
    case 7: return *pointers[0] + *pointers[1];
    default: return -1;
    }
}

double constants(double x)
{
    return x * 3.141592653589793 + 2.718281828459045;
}

float floats(float x)
{
    return x < 0 ? -x : x * 1.5f;
}

int through_stdio(char *into, int x)
{
    return sprintf(into, "%s-%d-%.1f", name_of(x), x, constants(0));
}

int *address_of_host_number(void)
{
    return &host_number;
}

int (*address_of_host_function(void))(int)
{
    return host_function;
}

FILE *stdout_of_module(void)
{
    return stdout;
}
