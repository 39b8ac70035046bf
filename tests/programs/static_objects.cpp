extern "C" void note(int what);

struct Object {
    int name;
    explicit Object(int name) : name(name) { note(name); }
    ~Object() { note(name + ('a' - 'A')); }
};

static Object first('F');
Object second('S');

extern "C" int touch_local_static()
{
    static Object local('L');
    return local.name;
}
