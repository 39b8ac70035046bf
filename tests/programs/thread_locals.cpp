extern "C" void note(int what);

struct Guard {
    int touched = 0;
    Guard() { note('c'); }
    ~Guard() { note('d'); }
};

static thread_local int counter = 5;
static thread_local long zeroes[64];
static thread_local Guard guard;
extern "C" {
thread_local int exported = 7;
}

extern "C" int bump()
{
    zeroes[counter % 64]++;
    return ++counter;
}

extern "C" long sum_of_zeroes()
{
    long sum = 0;
    for (long zero : zeroes)
        sum += zero;
    return sum;
}

extern "C" int touch()
{
    return ++guard.touched;
}
