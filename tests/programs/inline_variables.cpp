/* The same inline variable, function-local static and template in two modules: NAME tells these apart. */
inline int shared_counter = 100;

inline int *local_static()
{
    static int value = 5;
    return &value;
}

template <typename T> struct Holder {
    static T value;
};
template <typename T> T Holder<T>::value = 3;

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

extern "C" int *JOIN(counter_of_, NAME)()
{
    return &shared_counter;
}

extern "C" int *JOIN(local_of_, NAME)()
{
    return local_static();
}

extern "C" long *JOIN(holder_of_, NAME)()
{
    return &Holder<long>::value;
}
