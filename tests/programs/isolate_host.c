/* Functions that a host calls in a process of their own, and that call the host. */
#include <pthread.h>
#include <stdint.h>
#include <unistd.h>

static int64_t total;

int64_t count(int64_t by)
{
    total += by;
    return total;
}

/* Of the host. */
int64_t of_host(int64_t);

int64_t ask(int64_t value)
{
    return of_host(value) + 1;
}

int64_t ask_often(int64_t times)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < times; i++)
        sum += of_host(i);
    return sum;
}

static int64_t from_thread;

static void *thread(void *argument)
{
    int64_t result = of_host((int64_t)(intptr_t)argument);
    __atomic_store_n(&from_thread, result, __ATOMIC_SEQ_CST);
    return NULL;
}

/* One that asks, perhaps when no call is made. */
int32_t begin_thread(int64_t value)
{
    pthread_t started;
    return pthread_create(&started, NULL, thread, (void *)(intptr_t)value);
}

int64_t threads_result(void)
{
    return __atomic_load_n(&from_thread, __ATOMIC_SEQ_CST);
}

int32_t ask_from_many(int64_t each)
{
    pthread_t threads[8];
    for (int i = 0; i < 8; i++)
        if (pthread_create(&threads[i], NULL, thread, (void *)(intptr_t)each) != 0)
            return 0;
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    return 8;
}
