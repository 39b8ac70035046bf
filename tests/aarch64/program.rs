//! Programs that are made up from a number: what they print depends on nothing but that.

use std::fmt::Write as _;

/// xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % end
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }
}

/// The widths are the same on all machines. Plain `char` is not signed everywhere.
const INTEGERS: [&str; 8] = [
    "signed char",
    "unsigned char",
    "short",
    "unsigned short",
    "int",
    "unsigned",
    "long",
    "unsigned long",
];

const HEAD: &str = r#"
extern "C" int printf(const char *, ...);
extern "C" int pthread_create(unsigned long *, const void *, void *(*)(void *), void *);
extern "C" int pthread_join(unsigned long, void **);
static unsigned long sum = 1469598103934665603UL;
static void add(unsigned long x) { sum = (sum ^ x) * 1099511628211UL; }
static void add(double x) { unsigned long bits; __builtin_memcpy(&bits, &x, sizeof bits); add(bits); }
struct Counted { int *count; Counted(int *c) : count(c) { ++*count; } ~Counted() { *count += 100; } };
"#;

/// A program in C++, without headers, whose arithmetic is defined everywhere.
pub fn write(number: u64) -> String {
    let mut random = Random(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut text = HEAD.to_owned();
    let parts: [fn(&mut String, &mut Random, u64); 6] = [
        integers,
        floats,
        structs,
        variadic,
        exceptions,
        thread_locals,
    ];
    for part in 0..8 {
        let write = match part {
            0..6 => parts[part as usize],
            _ => random.pick(&parts),
        };
        write(&mut text, &mut random, part);
    }
    text.push_str("int main() {\n");
    for part in 0..8 {
        let (from, factor) = (random.below(1000), random.below(97) + 3);
        let _ = writeln!(
            text,
            "  for (unsigned long i = 0; i < 20; i++) part{part}({from}UL + i * {factor}UL);\n  \
             printf(\"{part} %016lx\\n\", sum);"
        );
    }
    text.push_str("  return (int)(sum % 100);\n}\n");
    text
}

/// An expression of unsigned longs.
fn integer(random: &mut Random, depth: u32) -> String {
    if depth == 0 {
        return match random.below(3) {
            0 => format!("{}UL", random.below(u64::MAX)),
            1 => "x".to_owned(),
            _ => "y".to_owned(),
        };
    }
    let (a, b) = (integer(random, depth - 1), integer(random, depth - 1));
    match random.below(10) {
        0 => format!("({a} / ({b} | 1))"),
        1 => format!("({a} % ({b} | 1))"),
        2 => format!("({a} << ({b} & 63))"),
        3 => format!("({a} >> ({b} & 63))"),
        4 => format!("({a} < {b} ? {a} : ~{b})"),
        5 => format!("(unsigned long)({})({a})", random.pick(&INTEGERS)),
        6 => format!("(unsigned long)__builtin_popcountl({a})"),
        _ => format!("({a} {} {b})", random.pick(&["+", "-", "*", "^", "&", "|"])),
    }
}

fn integers(text: &mut String, random: &mut Random, part: u64) {
    let (first, second) = (integer(random, 4), integer(random, 3));
    let kind = random.pick(&INTEGERS);
    let _ = writeln!(
        text,
        "__attribute__((noinline)) static {kind} f{part}(unsigned long x, {kind} z) {{\n  \
         unsigned long y = (unsigned long)z;\n  for (int i = 0; i < 5; i++) {{ y = {first}; x += {second}; }}\n  \
         return ({kind})y;\n}}\n\
         static void part{part}(unsigned long x) {{ add((unsigned long)f{part}(x, ({kind})(x * 77))); }}"
    );
}

/// An expression of doubles that stays finite.
fn float(random: &mut Random, depth: u32) -> String {
    if depth == 0 {
        return match random.below(3) {
            0 => format!("{}.{}", random.below(100), random.below(1000)),
            1 => "x".to_owned(),
            _ => "y".to_owned(),
        };
    }
    let (a, b) = (float(random, depth - 1), float(random, depth - 1));
    match random.below(6) {
        0 => format!("({a} / ({b} * {b} + 1.0))"),
        1 => format!("(double)(float)({a})"),
        2 => format!("({a} < {b} ? {a} : {b})"),
        3 => format!("({a} * 0.25 * {b} / ({b} * {b} + 2.0))"),
        _ => format!("({a} {} {b})", random.pick(&["+", "-"])),
    }
}

fn floats(text: &mut String, random: &mut Random, part: u64) {
    let (first, second) = (float(random, 4), float(random, 3));
    let kind = random.pick(&["float", "double"]);
    let _ = writeln!(
        text,
        "__attribute__((noinline)) static {kind} f{part}(double x, {kind} y) {{\n  \
         for (int i = 0; i < 4; i++) {{ double z = {first}; x = {second}; y = ({kind})z; x = x / (x * x + 1.0); }}\n  \
         return y;\n}}\n\
         static void part{part}(unsigned long x) {{\n  \
         const {kind} r = f{part}((double)(x % 1000) / 7.0, ({kind})(long)x / 3);\n  \
         add((double)r); add((unsigned long)(long)(r / (r * r + 1) * 1000));\n}}"
    );
}

/// Structs by value, by address and as results, of all sizes, some of floats alone.
fn structs(text: &mut String, random: &mut Random, part: u64) {
    let count = random.below(6) + 1;
    let floats = random.below(3) == 0;
    let float = random.pick(&["float", "double"]);
    let kinds: Vec<&str> = (0..count)
        .map(|_| match floats {
            true => float,
            false if random.below(4) == 0 => random.pick(&["float", "double"]),
            false => random.pick(&INTEGERS),
        })
        .collect();
    let _ = writeln!(text, "struct S{part} {{");
    for (index, kind) in kinds.iter().enumerate() {
        let _ = writeln!(text, "  {kind} m{index};");
    }
    let _ = writeln!(
        text,
        "}};\n__attribute__((noinline)) static S{part} f{part}(int a, S{part} s, const S{part} *p, double d, S{part} t) {{"
    );
    for (index, kind) in kinds.iter().enumerate() {
        let add = random.pick(&["s", "t"]);
        let _ = writeln!(
            text,
            "  s.m{index} = ({kind})(p->m{index} / 2 + {add}.m{index} / 3 + ({kind})(a % 5) + ({kind})d);"
        );
    }
    let _ = writeln!(
        text,
        "  return s;\n}}\nstatic void part{part}(unsigned long x) {{\n  S{part} s, t;"
    );
    for (index, kind) in kinds.iter().enumerate() {
        let _ = writeln!(text, "  s.m{index} = ({kind})(x % {});", 50 + index);
        let _ = writeln!(text, "  t.m{index} = ({kind})(x % {});", 20 + index);
    }
    let _ = writeln!(
        text,
        "  for (int i = 0; i < 3; i++) t = f{part}((int)(x % 100), s, &t, 1.5 * i, t);"
    );
    for (index, kind) in kinds.iter().enumerate() {
        let wide = if kind.contains("float") || kind.contains("double") {
            "double"
        } else {
            "unsigned long"
        };
        let _ = writeln!(text, "  add(({wide})t.m{index});");
    }
    text.push_str("}\n");
}

/// More arguments than registers, of integers and floats in turns.
fn variadic(text: &mut String, random: &mut Random, part: u64) {
    let count = random.below(24) + 1;
    let kinds: Vec<&str> = (0..count)
        .map(|_| random.pick(&["int", "double", "long", "unsigned long", "Pair"]))
        .collect();
    let _ = writeln!(
        text,
        "namespace v{part} {{ struct Pair {{ long first; double second; }}; }}\n\
         __attribute__((noinline)) static void f{part}(int named, double other, ...) {{\n  using namespace v{part};\n  \
         __builtin_va_list list;\n  __builtin_va_start(list, other);\n  add((unsigned long)named); add(other);"
    );
    let mut arguments = String::new();
    for (index, kind) in kinds.iter().enumerate() {
        let _ = match *kind {
            "Pair" => {
                let _ = write!(arguments, ", v{part}::Pair{{(long)x + {index}, {index}.5}}");
                writeln!(
                    text,
                    "  {{ Pair p = __builtin_va_arg(list, Pair); add((unsigned long)p.first); add(p.second); }}"
                )
            }
            "double" => {
                let _ = write!(arguments, ", (double)(x % 100) + {index}.25");
                writeln!(text, "  add(__builtin_va_arg(list, double));")
            }
            kind => {
                let _ = write!(arguments, ", ({kind})(x * {})", index + 3);
                writeln!(
                    text,
                    "  add((unsigned long)__builtin_va_arg(list, {kind}));"
                )
            }
        };
    }
    let _ = writeln!(
        text,
        "  __builtin_va_end(list);\n}}\n\
         static void part{part}(unsigned long x) {{ f{part}((int)(x % 9), 0.5{arguments}); }}"
    );
}

/// Thrown through frames with destructors, caught by type or by `...`, and thrown again.
fn exceptions(text: &mut String, random: &mut Random, part: u64) {
    let (depth, kinds) = (random.below(5) + 1, random.below(4) + 2);
    let _ = writeln!(
        text,
        "namespace e{part} {{ struct Base {{ virtual int get() const {{ return 1; }} virtual ~Base() {{}} }};\n\
         struct Thrown : Base {{ int x; double d; Thrown(int a, double b) : x(a), d(b) {{}} int get() const override {{ return x; }} }}; }}\n\
         __attribute__((noinline)) static int f{part}(unsigned long x, int depth, int *count) {{\n  \
         using namespace e{part};\n  Counted counted(count);\n  \
         if (depth > 0) {{\n    try {{ return f{part}(x, depth - 1, count) + 1; }}\n    \
         catch (long l) {{ if (depth % 2) throw; return (int)(l % 1000); }}\n  }}\n  \
         switch (x % {kinds}) {{\n  case 0: throw (long)x;\n  case 1: throw Thrown((int)(x % 77), (double)(x % 13));\n  \
         case 2: throw (unsigned char)x;\n  default: return (int)(x % 50);\n  }}\n}}\n\
         static void part{part}(unsigned long x) {{\n  using namespace e{part};\n  int count = 0;\n  \
         try {{ add((unsigned long)f{part}(x, {depth}, &count)); }}\n  \
         catch (const Base &t) {{ add((unsigned long)t.get()); }}\n  catch (long l) {{ add((unsigned long)l); }}\n  \
         catch (...) {{ add(7UL); }}\n  add((unsigned long)count);\n}}"
    );
}

/// Of each thread its own, some of them with a value, and one behind another thread's back.
fn thread_locals(text: &mut String, random: &mut Random, part: u64) {
    let (kind, start) = (random.pick(&INTEGERS), random.below(100));
    let visible = random.pick(&["static ", ""]);
    let array = random.below(64) + 1;
    let _ = writeln!(
        text,
        "{visible}thread_local {kind} t{part} = {start};\n{visible}thread_local double z{part}[{array}];\n\
         __attribute__((noinline)) static void f{part}(unsigned long x) {{\n  \
         t{part} = ({kind})(t{part} + ({kind})(x % 40));\n  z{part}[x % {array}] += (double)(x % 10);\n}}\n\
         static void *thread{part}(void *x) {{\n  f{part}((unsigned long)x); f{part}((unsigned long)x + 1);\n  \
         return (void *)((unsigned long)t{part} + (unsigned long)(long)z{part}[(unsigned long)x % {array}]);\n}}\n\
         static void part{part}(unsigned long x) {{\n  unsigned long id; void *result = nullptr;\n  f{part}(x);\n  \
         if (x % 4 == 0) {{\n    pthread_create(&id, nullptr, thread{part}, (void *)x);\n    pthread_join(id, &result);\n  }}\n  \
         add((unsigned long)result); add((unsigned long)t{part}); add(z{part}[x % {array}]);\n}}"
    );
}
