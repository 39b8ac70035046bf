// What C++ compilers put into objects, in one file.
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <typeinfo>
#include <vector>

#define JOIN(prefix, name) prefix##_##name
#define JOINED(prefix, name) JOIN(prefix, name)
#define NAME(name) JOINED(PREFIX, name)

// gcc marks these as unique in the whole process.
inline int shared_counter = 0;
template <typename T> struct Holder {
    static inline std::string name = typeid(T).name();
};

struct Base {
    virtual ~Base() {}
    virtual int value() const { return 1; }
};
struct Derived : Base {
    int value() const override { return 2; }
};

static std::map<std::string, int> table = { { "one", 1 }, { "two", 2 } };
static thread_local std::vector<int> mine = { 1, 2, 3 };

extern "C" int *NAME(counter)()
{
    return &shared_counter;
}

extern "C" const std::string *NAME(holder)()
{
    return &Holder<double>::name;
}

extern "C" int NAME(objects)()
{
    if (table.at("two") != 2)
        return 1;
    try {
        table.at("three");
        return 2;
    } catch (const std::out_of_range &) {
    }
    std::unique_ptr<Base> base = std::make_unique<Derived>();
    const Base &value = *base;
    if (base->value() != 2 || dynamic_cast<Derived *>(base.get()) == nullptr || typeid(value) != typeid(Derived))
        return 3;
    mine.push_back(4);
    size_t length = 0;
    std::thread([&] { length = mine.size(); }).join();
    if (length != 3 || mine.size() != 4)
        return 4;
    try {
        std::thread([] {
            try {
                throw std::string("thrown");
            } catch (const std::string &text) {
                if (text != "thrown")
                    throw;
            }
        }).join();
        throw Derived();
    } catch (const Base &caught) {
        return caught.value() == 2 ? 0 : 5;
    }
}
