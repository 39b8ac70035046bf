/* Throws and catches: compiled to the module of throws.c. */

__attribute__((noinline)) static void fail(long number)
{
    if (number >= 0)
        throw number;
}

extern "C" long throws(long count)
{
    long caught = 0;
    for (long i = 0; i < count; i++) {
        try {
            fail(i);
        } catch (long) {
            caught++;
        }
    }
    return caught;
}
