// What debuggers are shown of C++.
#include <cstdio>

struct Shape {
    virtual ~Shape() {}
    virtual int area() const = 0;
};

struct Square : Shape {
    int side;
    explicit Square(int side) : side(side) {}
    int area() const override
    {
        return side * side;
    }
};

static int total(const Shape *shape)
{
    return shape->area() + 1;
}

static void refuse(int area)
{
    if (area > 5)
        throw area;
}

int main()
{
    Square square(3);
    try {
        refuse(total(&square));
    } catch (int area) {
        std::printf("%d\n", area);
    }
    return 0;
}
