/* A shared library for an executor to load. */
int answer = 42;

int library_answer(void)
{
    return answer;
}

/* Also defined by the host program, by modules and by libm, to see which one is found. */
int who_am_i(void)
{
    return 3;
}

double cbrt(double x)
{
    return -x;
}
