//! Random modules that print what they computed: call graphs with everything in them that a cut could tear apart.

use std::fmt::Write as _;

/// Numbers that only the seed decides.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }

    pub fn one_of<'a>(&mut self, items: &[&'a str]) -> &'a str {
        items[self.below(items.len())]
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

const FUNCTIONS: usize = 40;
const VARIABLES: usize = 16;
const TEXTS: usize = 8;

/// A module, and another one that defines some of its weak functions strongly.
pub fn module(seed: u64) -> (String, String) {
    let mut random = Random::new(seed);
    let mut text = String::from(
        "declare i32 @printf(ptr, ...)\n\
         @format = private unnamed_addr constant [6 x i8] c\"%lld\\0A\\00\"\n\
         %pair = type { ptr, ptr }\n\
         %anon = type { i64, %pair }\n",
    );
    for number in 0..TEXTS {
        let content = "abcdefgh".repeat(1 + number % 3);
        let len = content.len() + 1;
        let _ = writeln!(
            text,
            "@.str.{number} = private unnamed_addr constant [{len} x i8] c\"{content}\\00\", align 1"
        );
    }
    let mut constant = [false; VARIABLES];
    for (number, is_constant) in constant.iter_mut().enumerate() {
        let linkage = random.one_of(&[
            "internal global",
            "internal global",
            "internal thread_local global",
            "thread_local global",
            "global",
            "hidden global",
            "protected global",
            "weak global",
            "common global",
            "internal constant",
            "internal unnamed_addr constant",
            "linkonce_odr constant",
            "private global",
        ]);
        *is_constant = linkage.contains("constant");
        let value = if linkage.contains("common") {
            0
        } else {
            number * 3 + 1
        };
        let section = match linkage {
            "global" | "internal global" if random.chance(20) => ", section \"mine\"",
            _ => "",
        };
        let _ = writeln!(text, "@v{number} = {linkage} i64 {value}{section}");
    }
    let name = |number: usize| format!("@f{number}");
    // Constants that refer to each other and to functions.
    let _ = writeln!(
        text,
        "@ring.a = internal constant %pair {{ ptr @ring.b, ptr {} }}\n\
         @ring.b = internal constant %pair {{ ptr @ring.a, ptr {} }}",
        name(random.below(FUNCTIONS)),
        name(random.below(FUNCTIONS)),
    );
    let table: Vec<usize> = (0..8).map(|_| random.below(FUNCTIONS)).collect();
    let entries: Vec<String> = table
        .iter()
        .map(|at| format!("ptr {}", name(*at)))
        .collect();
    let _ = writeln!(
        text,
        "@table = {} [8 x ptr] [{}]",
        random.one_of(&[
            "internal constant",
            "constant",
            "internal unnamed_addr constant",
            "internal global"
        ]),
        entries.join(", ")
    );
    let _ = writeln!(
        text,
        "@llvm.used = appending global [2 x ptr] [ptr @f0, ptr @kept], section \"llvm.metadata\"\n\
         @kept = internal constant i64 77\n\
         @llvm.global_ctors = appending global [3 x {{ i32, ptr, ptr }}] [\
         {{ i32, ptr, ptr }} {{ i32 200, ptr @second, ptr null }}, \
         {{ i32, ptr, ptr }} {{ i32 100, ptr @first, ptr null }}, \
         {{ i32, ptr, ptr }} {{ i32 65535, ptr @third, ptr @order }}]\n\
         @order = internal global i64 1"
    );
    for (function, factor) in [("first", 3), ("second", 5), ("third", 7)] {
        let _ = writeln!(
            text,
            "define internal void @{function}() {{\n  %a = load i64, ptr @order\n  %b = mul i64 %a, {factor}\n  \
             %c = add i64 %b, {factor}\n  store i64 %c, ptr @order\n  ret void\n}}"
        );
    }
    let comdats: Vec<bool> = (0..FUNCTIONS).map(|_| random.chance(15)).collect();
    for (number, has_comdat) in comdats.iter().enumerate() {
        if *has_comdat {
            let _ = writeln!(text, "$f{number} = comdat any");
        }
    }
    let mut weak = Vec::new();
    for (number, has_comdat) in comdats.iter().enumerate() {
        function(
            &mut text,
            &mut random,
            number,
            *has_comdat,
            &constant,
            &mut weak,
        );
    }
    for number in 0..4 {
        let target = random.below(FUNCTIONS);
        // An alias of what may be dropped is refused.
        if comdats[target] {
            let _ = writeln!(
                text,
                "define internal i64 @through{number}(i64 %x) {{\n  ret i64 %x\n}}"
            );
        } else {
            let linkage = random.one_of(&["", "internal ", "hidden "]);
            let _ = writeln!(
                text,
                "@alias{number} = {linkage}alias i64 (i64, i64), ptr @f{target}"
            );
            let _ = writeln!(
                text,
                "define internal i64 @through{number}(i64 %x) {{\n  %r = call i64 @alias{number}(i64 %x, i64 2)\n  \
                 ret i64 %r\n}}"
            );
        }
    }
    if random.chance(50) {
        text.push_str(
            "@chosen = ifunc i64 (i64), ptr @choose\n\
             define internal i64 @choice(i64 %x) {\n  %r = mul i64 %x, 11\n  ret i64 %r\n}\n\
             define internal ptr @choose() {\n  ret ptr @choice\n}\n",
        );
    } else {
        text.push_str("define i64 @chosen(i64 %x) {\n  %r = mul i64 %x, 11\n  ret i64 %r\n}\n");
    }
    main(&mut text, &mut random);
    let mut strong = String::new();
    for number in weak {
        let _ = writeln!(
            strong,
            "define i64 @f{number}(i64 %x, i64 %d) {{\n  %r = xor i64 %x, {}\n  ret i64 %r\n}}",
            number * 1000 + 9
        );
    }
    (text, strong)
}

fn function(
    text: &mut String,
    random: &mut Random,
    number: usize,
    has_comdat: bool,
    constant: &[bool],
    weak: &mut Vec<usize>,
) {
    let linkage = match has_comdat {
        true => random.one_of(&["linkonce_odr", "weak_odr"]),
        false => random.one_of(&[
            "internal",
            "internal",
            "internal",
            "",
            "",
            "hidden",
            "protected",
            "weak",
            "linkonce_odr",
            "private",
        ]),
    };
    if linkage == "weak" {
        weak.push(number);
    }
    let comdat = if has_comdat { " comdat" } else { "" };
    let attributes = random.one_of(&[
        "",
        "",
        "",
        " noinline",
        " alwaysinline",
        " cold",
        " minsize optsize",
    ]);
    let attributes = if attributes.contains("alwaysinline") && linkage == "weak" {
        ""
    } else {
        attributes
    };
    let _ = writeln!(
        text,
        "define {linkage} i64 @f{number}(i64 %x, i64 %d){attributes}{comdat} {{\n  \
         %more = icmp sgt i64 %d, 0\n  br i1 %more, label %go, label %stop\n\
         stop:\n  %s = add i64 %x, {}\n  ret i64 %s\n\
         go:\n  %less = sub i64 %d, 1\n  %x0 = mul i64 %x, {}",
        number * 7 + 1,
        number * 2 + 3
    );
    let steps = 1 + random.below(4);
    let mut calls = 0;
    for step in 0..steps {
        let next = step + 1;
        let at = random.below(VARIABLES);
        let (one, other) = (random.below(FUNCTIONS), random.below(FUNCTIONS));
        match random.below(10) {
            0..=3 if calls < 2 => {
                calls += 1;
                let _ = writeln!(
                    text,
                    "  %x{next} = call i64 @f{one}(i64 %x{step}, i64 %less)"
                );
            }
            4 if calls < 2 => {
                calls += 1;
                let place = random.below(8);
                let _ = writeln!(
                    text,
                    "  %p{step} = getelementptr [8 x ptr], ptr @table, i64 0, i64 {place}\n  \
                     %t{step} = load ptr, ptr %p{step}\n  \
                     %x{next} = call i64 %t{step}(i64 %x{step}, i64 %less)"
                );
            }
            5 | 6 if !constant[at] => {
                let _ = writeln!(
                    text,
                    "  %l{step} = load i64, ptr @v{at}\n  %m{step} = add i64 %l{step}, %x{step}\n  \
                     %n{step} = and i64 %m{step}, 65535\n  store i64 %n{step}, ptr @v{at}\n  \
                     %x{next} = xor i64 %n{step}, %x{step}"
                );
            }
            7 => {
                // The same function by two ways has one address, and two functions have two.
                let _ = writeln!(
                    text,
                    "  %r{step} = load ptr, ptr getelementptr (%pair, ptr @ring.a, i64 0, i32 1)\n  \
                     %e{step} = icmp eq ptr %r{step}, @f{one}\n  %u{step} = icmp eq ptr @first, @second\n  \
                     %o{step} = or i1 %e{step}, %u{step}\n  %z{step} = zext i1 %o{step} to i64\n  \
                     %x{next} = add i64 %x{step}, %z{step}"
                );
            }
            8 => {
                let string = random.below(TEXTS);
                let _ = writeln!(
                    text,
                    "  %q{step} = and i64 %x{step}, 7\n  \
                     %g{step} = getelementptr i8, ptr @.str.{string}, i64 %q{step}\n  \
                     %b{step} = load i8, ptr %g{step}\n  %y{step} = zext i8 %b{step} to i64\n  \
                     %x{next} = add i64 %x{step}, %y{step}"
                );
            }
            _ => {
                let _ = writeln!(
                    text,
                    "  %l{step} = load i64, ptr @v{at}\n  %x{next} = add i64 %x{step}, %l{step}"
                );
            }
        }
        let _ = other;
    }
    if calls < 2 && random.chance(20) {
        let target = random.below(FUNCTIONS);
        let _ = writeln!(
            text,
            "  %last = musttail call i64 @f{target}(i64 %x{steps}, i64 %less)\n  ret i64 %last\n}}"
        );
    } else if random.chance(15) {
        // A jump to an address.
        let _ = writeln!(
            text,
            "  %bit = and i64 %x{steps}, 1\n  %odd = icmp eq i64 %bit, 1\n  \
             %to = select i1 %odd, ptr blockaddress(@f{number}, %left), ptr blockaddress(@f{number}, %right)\n  \
             indirectbr ptr %to, [label %left, label %right]\n\
             left:\n  %il = add i64 %x{steps}, 5\n  ret i64 %il\n\
             right:\n  %ir = sub i64 %x{steps}, 9\n  ret i64 %ir\n}}"
        );
    } else {
        let _ = writeln!(text, "  ret i64 %x{steps}\n}}");
    }
}

fn main(text: &mut String, random: &mut Random) {
    text.push_str("define i32 @main() {\n  %s0 = load i64, ptr @order\n");
    let mut step = 0;
    let mut add = |text: &mut String, call: String| {
        let _ = writeln!(
            text,
            "  %c{step} = {call}\n  %s{} = add i64 %s{step}, %c{step}\n  \
             call i32 (ptr, ...) @printf(ptr @format, i64 %c{step})",
            step + 1
        );
        step += 1;
    };
    for number in 0..12 {
        let function = random.below(FUNCTIONS);
        add(
            text,
            format!(
                "call i64 @f{function}(i64 {number}, i64 {})",
                1 + number % 6
            ),
        );
    }
    for number in 0..4 {
        add(text, format!("call i64 @through{number}(i64 {number})"));
    }
    add(text, "call i64 @chosen(i64 5)".to_owned());
    for number in 0..VARIABLES {
        add(text, format!("load i64, ptr @v{number}"));
    }
    text.push_str("  ret i32 0\n}\n");
}
