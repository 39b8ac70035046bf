/* Programs that use what the other files here define and print what comes of it: one for each macro. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void note(int what)
{
    printf("[%d]", what);
}

#define CALL(name) \
    int name(void); \
    printf(#name " %d\n", name());

#ifdef FLAVOURS
int host_number = 1000;
int host_function(int x) { return x + 7; }
int multiply(int, int), dispatch(int, int, int), table(int), through_stdio(char *, int), *address_of_host_number(void);
int (*address_of_host_function(void))(int);
const char *name_of(int);
double constants(double);
float floats(float);
FILE *stdout_of_module(void);
extern int own_number, *pointers[];

int main(void)
{
    char text[100];
    for (int i = 0; i < 9; i++)
        printf("%d %s\n", table(i), name_of(i));
    for (int i = 0; i < 3; i++)
        printf("%d\n", dispatch(i, 6, 7));
    printf("%d %s %.17g %g\n", through_stdio(text, 3), text, constants(2), floats(-2.5f));
    printf("%d %d %d %d\n", address_of_host_number() == &host_number, address_of_host_function() == host_function,
           stdout_of_module() == stdout, pointers[0] == &own_number);
    return multiply(6, 7);
}
#endif

#ifdef VARIADIC
int write_all(char *, const char *, ...), print_to(char *, const char *, ...);

int main(void)
{
    char text[100];
    write_all(text, "ilds", 1, 2L, 3.5, "four");
    puts(text);
    return print_to(text, "%s-%d-%g", "five", 6, 7.5);
}
#endif

#ifdef IFUNC
int dispatched(int), call_dispatched(int), sum_of(const int *, int);
extern int (*pointer_to_dispatched)(int);
unsigned features_of_cpu(void);

int main(void)
{
    const int values[] = { 1, 2, 3 };
    printf("%d %d %d %x\n", dispatched(1), call_dispatched(1), pointer_to_dispatched(1), features_of_cpu());
    return sum_of(values, 3);
}
#endif

#ifdef LIFECYCLE
int loaded(void);
void register_handlers(void), register_quick_handler(void);

int main(void)
{
    register_handlers();
    register_quick_handler();
    return loaded();
}
#endif

#ifdef TAGGED
int main(void)
{
    CALL(tagged_100)
    return 0;
}
#endif

#ifdef CALL_ONCE
int main(void)
{
    CALL(call_once)
    CALL(exceptions_in_threads)
    return 0;
}
#endif

#ifdef FEATURES
int main(void)
{
    CALL(virtual_calls)
    CALL(containers_and_streams)
    CALL(threads_and_atomics)
    CALL(functions_as_values)
    CALL(exceptions_by_every_type)
    CALL(wide_arithmetic)
    return 0;
}
#endif

#ifdef EXCEPTIONS
int catch_int(int), catch_standard(const char *), catch_failure(int), catch_inside(int);

int main(void)
{
    printf("%d %d %d\n", catch_int(5), catch_standard("text"), catch_failure(9));
    return catch_inside(7);
}
#endif

#ifdef INLINE_VARIABLES
int *counter_of_one(void), *counter_of_two(void), *local_of_one(void), *local_of_two(void);
long *holder_of_one(void), *holder_of_two(void);

int main(void)
{
    ++*counter_of_one();
    ++*local_of_two();
    ++*holder_of_one();
    printf("%d %d %ld\n", *counter_of_two(), *local_of_one(), *holder_of_two());
    return counter_of_one() == counter_of_two();
}
#endif

#ifdef STATIC_OBJECTS
int main(void)
{
    CALL(touch_local_static)
    CALL(touch_local_static)
    return 0;
}
#endif

#ifdef THREAD_LOCALS
int bump(void), touch(void);
long sum_of_zeroes(void);
extern __thread int exported;

static void *in_a_thread(void *result)
{
    *(int *)result = bump() + touch();
    return NULL;
}

int main(void)
{
    pthread_t thread;
    int result = 0, first = bump(), second = bump();
    printf("%d %d %ld %d\n", first, second, sum_of_zeroes(), exported);
    pthread_create(&thread, NULL, in_a_thread, &result);
    pthread_join(thread, NULL);
    return result;
}
#endif

#ifdef FORK_HANDLERS
int register_fork_handlers(void);

int main(void)
{
    pid_t child;
    printf("%d\n", register_fork_handlers());
    fflush(stdout);
    child = fork();
    if (child == 0) {
        fflush(stdout);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    return 0;
}
#endif

#ifdef BACKTRACE
void jit_outer(void);
void host_backtrace(void) { puts("reached"); }

int main(void)
{
    jit_outer();
    return 0;
}
#endif

#ifdef ANSWER
int library_answer(void), who_am_i(void);

int main(void)
{
    return library_answer() + who_am_i();
}
#endif

#ifdef CHURN
int64_t host_balance, work(int64_t);
void host_call(int64_t *place) { *place *= 2; }

int main(void)
{
    printf("%ld", (long)host_balance);
    printf(" %ld %ld\n", (long)work(3), (long)work(4));
    return 0;
}
#endif

#ifdef CALLS
int64_t i64_next(int64_t);
int8_t i8_next(int8_t);
float float_half(float);
double double_half(double), mixed(int, double, void *, float, int64_t, int8_t);
/* Their IR wants what is extended, which AArch64's C compilers do for int alone. */
int widen_signed8(int), widen_unsigned8(int), format_all(char *, int, int64_t, double, const char *, int);
__int128 takes_i128(__int128);

int main(void)
{
    char text[100];
    format_all(text, 1, 2, 3.5, "four", '5');
    printf("%ld %d %g %g %d %d %s\n", (long)i64_next(1), i8_next(-1), float_half(3), double_half(5), widen_signed8(-1),
           widen_unsigned8(255), text);
    return (int)takes_i128(77) + (mixed(1, 2, text, 3, 4, 5) != 0);
}
#endif
