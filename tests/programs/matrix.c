#include <math.h>

enum { SIZE = 64 };

void multiply(const double *a, const double *b, double *c, long n)
{
    for (long i = 0; i < n; i++)
        for (long j = 0; j < n; j++) {
            double sum = 0;
            for (long k = 0; k < n; k++)
                sum += a[i * n + k] * b[k * n + j];
            c[i * n + j] = sum;
        }
}

/* A rotation times its inverse is the identity. */
int main(void)
{
    static double rotation[SIZE * SIZE], inverse[SIZE * SIZE], product[SIZE * SIZE];
    for (int i = 0; i < SIZE; i += 2) {
        rotation[i * SIZE + i] = rotation[(i + 1) * SIZE + i + 1] = cos(i);
        rotation[i * SIZE + i + 1] = -(rotation[(i + 1) * SIZE + i] = sin(i));
    }
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++)
            inverse[i * SIZE + j] = rotation[j * SIZE + i];
    multiply(rotation, inverse, product, SIZE);
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++)
            if (fabs(product[i * SIZE + j] - (i == j)) > 1e-12)
                return 1;
    return 0;
}
