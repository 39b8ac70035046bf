/* What a C++ program needs of a loader, one function for each thing. It returns 0, or the line that failed. */
#include <atomic>
#include <cstdint>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <regex>
#include <sstream>
#include <string>
#include <thread>
#include <typeinfo>
#include <vector>

#define REQUIRE(condition) \
    do { \
        if (!(condition)) \
            return __LINE__; \
    } while (0)

namespace {
struct Shape {
    virtual ~Shape() = default;
    virtual double area() const = 0;
};

struct Square : Shape {
    double side;
    explicit Square(double side) : side(side) {}
    double area() const override { return side * side; }
};

struct Circle : Shape {
    double area() const override { return 3.0; }
};
}

extern "C" int virtual_calls()
{
    std::vector<std::unique_ptr<Shape>> shapes;
    shapes.push_back(std::make_unique<Square>(2.0));
    shapes.push_back(std::make_unique<Circle>());
    double sum = 0;
    int squares = 0;
    for (const auto &shape : shapes) {
        sum += shape->area();
        squares += dynamic_cast<const Square *>(shape.get()) != nullptr;
    }
    REQUIRE(sum == 7.0);
    REQUIRE(squares == 1);
    const Shape &first = *shapes[0];
    REQUIRE(typeid(first) == typeid(Square));
    return 0;
}

extern "C" int containers_and_streams()
{
    std::map<std::string, std::vector<int>> lines;
    std::istringstream text("one two three two one two");
    std::string word;
    for (int i = 0; text >> word; i++)
        lines[word].push_back(i);
    std::ostringstream out;
    for (const auto &[name, places] : lines)
        out << name << '=' << places.size() << ';';
    REQUIRE(out.str() == "one=2;three=1;two=3;");
    REQUIRE(std::regex_match(std::string("2026-11-22"), std::regex("\\d{4}-\\d\\d-\\d\\d")));
    std::cerr << "";
    return 0;
}

extern "C" int threads_and_atomics()
{
    std::atomic<int> count{0};
    int guarded = 0;
    std::mutex mutex;
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; i++)
        threads.emplace_back([&] {
            for (int n = 0; n < 1000; n++) {
                count++;
                std::lock_guard<std::mutex> lock(mutex);
                guarded++;
            }
        });
    for (auto &thread : threads)
        thread.join();
    REQUIRE(count == 8000);
    REQUIRE(guarded == 8000);
    return 0;
}

extern "C" int functions_as_values()
{
    std::function<int(int)> factorial = [&](int n) { return n < 2 ? 1 : n * factorial(n - 1); };
    REQUIRE(factorial(10) == 3628800);
    return 0;
}

extern "C" int exceptions_by_every_type()
{
    int caught = 0;
    for (int i = 0; i < 4; i++) {
        try {
            switch (i) {
            case 0: throw i;
            case 1: throw std::string("text");
            case 2: std::vector<int>().at(3); break;
            default: std::stoi("no number");
            }
        } catch (int) {
            caught |= 1;
        } catch (const std::string &) {
            caught |= 2;
        } catch (const std::out_of_range &) {
            caught |= 4;
        } catch (const std::exception &) {
            caught |= 8;
        }
    }
    REQUIRE(caught == 15);
    return 0;
}

/* 128 bits and more than what fits into registers. */
extern "C" int wide_arithmetic()
{
    volatile unsigned long long seven = 7;
    unsigned __int128 wide = static_cast<unsigned __int128>(seven) << 100;
    REQUIRE(static_cast<unsigned long long>(wide / (wide / seven)) == 7);
    REQUIRE(static_cast<unsigned long long>(wide % 1000000007u) ==
            static_cast<unsigned long long>(((static_cast<unsigned __int128>(7) << 100)) % 1000000007u));
    long double precise = seven;
    REQUIRE(precise / 2 == 3.5L);
    return 0;
}
