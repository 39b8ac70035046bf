/* A second file with a local function of the same name, to be linked to the first one. */
static __attribute__((noinline)) int usual(int n)
{
    return n - 5;
}

int other_work(int n)
{
    int sum = 0;
    for (int i = 0; i < n; i++)
        sum += i % 500 == 499 ? usual(i) : i;
    return sum;
}
