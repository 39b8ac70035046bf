//! Random modules, cut at random sizes: nothing is lost, defined twice, or left without a definition.

use super::*;
use std::collections::BTreeMap;
use std::fmt::Write;

/// A generator of numbers: splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) % end as u64) as usize
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

const LINKAGES: [&str; 12] = [
    "",
    "dso_local",
    "hidden",
    "protected",
    "internal",
    "internal",
    "private",
    "linkonce_odr",
    "linkonce",
    "weak_odr",
    "weak",
    "weak hidden",
];

fn program(random: &mut Random) -> String {
    let mut text = String::new();
    let mut line = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    let (functions, variables, aliases) =
        (random.below(30) + 2, random.below(20) + 1, random.below(4));
    line("declare void @outside(ptr)\n@elsewhere = external global i32\n@maybe = extern_weak global i32".to_owned());
    let groups = random.below(4);
    for group in 0..groups {
        line(format!("$group{group} = comdat any"));
    }
    let comdat = |random: &mut Random| match random.below(4) {
        0 if groups > 0 => format!("comdat($group{})", random.below(groups)),
        _ => String::new(),
    };
    let thing = |random: &mut Random| match random.below(8) {
        0..=3 => format!("@v{}", random.below(variables)),
        4..=5 => format!("@f{}", random.below(functions)),
        6 if aliases > 0 => format!("@a{}", random.below(aliases)),
        6 => "@maybe".to_owned(),
        _ => "@elsewhere".to_owned(),
    };
    for number in 0..variables {
        let linkage = random.one(&LINKAGES);
        let kind = random.one(&["global", "constant", "unnamed_addr constant"]);
        let value = match random.below(3) {
            0 => format!("ptr {}", thing(random)),
            1 => format!("[2 x ptr] [ptr {}, ptr {}]", thing(random), thing(random)),
            _ => format!("i32 {number}"),
        };
        let section = random.one(&["", "", "", ", section \"one\"", ", section \"two\""]);
        let comdat = comdat(random);
        let comma = if comdat.is_empty() { "" } else { ", " };
        line(format!(
            "@v{number} = {linkage} {kind} {value}{section}{comma}{comdat}"
        ));
    }
    for number in 0..aliases {
        let linkage = random.one(&["", "dso_local", "hidden", "internal", "weak"]);
        // A strong alias cannot stand for what may be replaced; the verifier refuses only aliases of aliases.
        line(format!(
            "@a{number} = {linkage} alias void (), ptr @f{}",
            random.below(functions)
        ));
    }
    for number in 0..functions {
        let linkage = random.one(&LINKAGES);
        let attributes = random.one(&["", "", "noinline", "alwaysinline", "nounwind"]);
        let mut body = String::new();
        for _ in 0..random.below(8) {
            match random.below(3) {
                0 => write!(body, "call void @f{}() ", random.below(functions)),
                1 => write!(body, "store ptr {}, ptr {} ", thing(random), thing(random)),
                _ => write!(body, "call void @outside(ptr {}) ", thing(random)),
            }
            .expect("text");
        }
        let comdat = comdat(random);
        line(format!(
            "define {linkage} void @f{number}() {attributes} {comdat} {{ {body} ret void }}"
        ));
    }
    if random.below(2) == 0 {
        let entry = |random: &mut Random| {
            format!(
                "{{ i32, ptr, ptr }} {{ i32 {}, ptr @f{}, ptr null }}",
                [1, 65535][random.below(2)],
                random.below(functions)
            )
        };
        let entries = [entry(random), entry(random), entry(random)].join(", ");
        line(format!(
            "@llvm.global_ctors = appending global [3 x {{ i32, ptr, ptr }}] [{entries}]"
        ));
    }
    if random.below(2) == 0 {
        let (first, second) = (random.below(functions), random.below(variables));
        line(format!(
            "@llvm.used = appending global [2 x ptr] [ptr @f{first}, ptr @v{second}], section \"llvm.metadata\""
        ));
    }
    text
}

/// What is defined, by the symbols' names.
fn definitions(module: &Module<'_>) -> BTreeMap<String, String> {
    let all = describe(module).into_iter().filter_map(|line| {
        let (words, name) = line.rsplit_once(' ').unwrap_or(("", &line));
        let is_definition = ![
            "declare",
            "import",
            "extern_weak",
            "internal",
            "private",
            "list",
        ]
        .iter()
        .any(|word| line.starts_with(word));
        is_definition.then(|| (name.to_owned(), words.to_owned()))
    });
    all.collect()
}

fn check(seed: u64) {
    let random = &mut Random(seed);
    let text = program(random);
    let machine = machine(OptLevel::O2);
    let level = [OptLevel::O0, OptLevel::O2][random.below(2)];
    let size = [1, 1, 5, 20, 60][random.below(5)];
    let context = Context::create();
    let whole = read(&context, text.as_bytes(), &machine);
    let expect = definitions(&whole);
    let bitcode = whole.write_bitcode_to_memory();
    let pieces = pieces_of(text.as_bytes(), level, size);
    let of_bitcode = pieces_of(bitcode.as_slice(), level, size);
    let bytes = |pieces: &[Piece]| -> Vec<Vec<u8>> {
        pieces.iter().map(|piece| piece.bitcode.clone()).collect()
    };
    assert!(
        bytes(&pieces) == bytes(&of_bitcode),
        "{seed}: bitcode gives other pieces"
    );
    if pieces.is_empty() {
        return;
    }
    let parts = Context::create();
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut declared = Vec::new();
    for module in modules(&parts, &pieces, &machine) {
        for (name, words) in definitions(&module) {
            assert!(
                found.insert(name.clone(), words).is_none(),
                "{seed}: {name} is defined twice"
            );
        }
        let outside =
            |line: &String| line.starts_with("declare hidden") || line.starts_with("import hidden");
        declared.extend(describe(&module).into_iter().filter(outside));
    }
    for line in declared {
        let name = line.rsplit(' ').next().unwrap_or_default();
        assert_eq!(
            found.get(name).map(String::as_str),
            Some("hidden"),
            "{seed}: {line}"
        );
    }
    found.retain(|name, _| !name.ends_with(crate::llvm::pieces::SUFFIX));
    for (name, words) in &expect {
        let of_piece = found
            .get(name)
            .map(|words| words.replace("weak", "linkonce"));
        assert_eq!(
            of_piece,
            Some(words.replace("weak", "linkonce")),
            "{seed}: {name}\n{text}"
        );
    }
    assert_eq!(found.len(), expect.len(), "{seed}");
    recompose(&Context::create(), &pieces, &machine);
}

#[test]
fn random_modules() {
    for seed in 0..400 {
        check(seed);
    }
}
