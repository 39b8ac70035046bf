//! One folder knows what machine the library runs on.

use crate::sources::sources;

#[test]
fn one_folder_asks_for_the_machine() {
    let asks = |line: &str| {
        let code = line.split("//").next().unwrap_or_default();
        code.contains("target_arch")
            || code.contains("arch::x86_64")
            || code.contains("arch::aarch64")
    };
    let mut found = Vec::new();
    for (name, text) in sources() {
        if !name.starts_with("src/arch/") {
            for (number, line) in (1..).zip(text.lines()) {
                if asks(line) {
                    found.push(format!("{name}:{number}: {}", line.trim()));
                }
            }
        }
    }
    assert!(
        found.is_empty(),
        "src/arch/ is to say what differs between machines:\n{}",
        found.join("\n")
    );
}

#[test]
fn each_machine_has_the_same_files() {
    let files = |machine: &str| -> Vec<String> {
        let folder = format!("src/arch/{machine}/");
        let names = sources().into_iter().map(|(name, _)| name);
        let names = names.filter_map(|name| name.strip_prefix(&folder).map(str::to_owned));
        names.filter(|name| !name.contains('/')).collect()
    };
    assert_eq!(files("x86_64"), files("aarch64"));
    assert!(!files("x86_64").is_empty());
}
