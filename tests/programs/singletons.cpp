/* Definitions of which a program has one, however many of its parts have them: NAME is put behind the functions that
   tell where they are. */
struct Shape {
    virtual ~Shape() {}
    virtual int sides() { return 0; }
};

template <typename T> struct Box {
    static T value;
};
template <typename T> T Box<T>::value = 3;

inline int inline_variable = 1;
inline thread_local int inline_thread_local = 4;
__attribute__((visibility("hidden"))) inline int hidden_variable = 5;
__attribute__((weak)) int weak_variable = 6;
__attribute__((weak)) int weak_function() { return 7; }

static int made = 0;

struct Made {
    int number;
    Made() : number(++made) {}
};

inline Made &local_static()
{
    static Made only;
    return only;
}

inline int inline_function(int x)
{
    return x + inline_variable;
}

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define TELLS(what, value) \
    extern "C" const void *JOIN(what##_, NAME)(); \
    extern "C" const void *JOIN(what##_, NAME)() { return (const void *)(value); }

TELLS(variable, &inline_variable)
TELLS(local, &local_static())
TELLS(box, &Box<long>::value)
TELLS(function, &inline_function)
TELLS(table, *(void **)new Shape())
TELLS(type, (*(void ***)new Shape())[-1])
TELLS(thread, &inline_thread_local)
TELLS(hidden, &hidden_variable)
TELLS(weak, &weak_variable)
TELLS(weak_code, &weak_function)
