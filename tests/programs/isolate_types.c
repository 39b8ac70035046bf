/* Functions that call the host with all types. */
#include <stdint.h>

static int64_t total;

double mixed(_Bool, int8_t, int16_t, int32_t, int64_t, float, double, const void *, int64_t, int64_t, float, double, double, double,
             double, double, double, double);
void notify(void);
uint8_t byte(uint8_t);
int8_t small(int8_t);
_Bool negate(_Bool);
float halve(float);
void *same(void *);

double ask_mixed(void)
{
    return mixed(1, -2, -3, -4, 5, 0.5F, 0.25, &total, 6, 7, 1.5F, 2, 3, 4, 5, 6, 7, 8);
}

int64_t ask_small(int64_t *pointer)
{
    notify();
    return byte(200) == 201 && small(-100) == -101 && negate(0) && !negate(1) && halve(3) == 1.5F && same(pointer) == pointer;
}
