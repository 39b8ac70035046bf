/* std::call_once and std::async use thread_local variables of libstdc++. */
#include <future>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#define REQUIRE(condition) \
    do { \
        if (!(condition)) \
            return __LINE__; \
    } while (0)

static std::once_flag once;
static int once_count;

extern "C" int call_once()
{
    for (int i = 0; i < 3; i++)
        std::call_once(once, [] { once_count++; });
    REQUIRE(once_count == 1);
    return 0;
}

extern "C" int exceptions_in_threads()
{
    std::vector<std::future<int>> results;
    for (int i = 0; i < 4; i++)
        results.push_back(std::async(std::launch::async, [i]() -> int {
            if (i % 2 == 1)
                throw std::runtime_error("odd " + std::to_string(i));
            return i;
        }));
    int sum = 0, thrown = 0;
    for (auto &result : results) {
        try {
            sum += result.get();
        } catch (const std::runtime_error &error) {
            thrown += std::string(error.what()).substr(0, 4) == "odd ";
        }
    }
    REQUIRE(sum == 2);
    REQUIRE(thrown == 2);
    return 0;
}

