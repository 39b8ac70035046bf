use super::rebase;
use gimli::{
    CieOrFde, DebugFrame, Dwarf, EndianSlice, LittleEndian, Reader, Section as _, SectionId,
    UnwindSection as _,
};
use object::{Object, ObjectSection, ObjectSymbol};
use std::process::Command;

const BASE: u64 = 0x7f12_3456_7000;

const PROGRAM: &str = r"
struct pair { int first; long second; };
int counter;
__thread int of_thread;
static __attribute__((noinline)) long add_up(struct pair *pair)
{
    pair->second += pair->first;
    return pair->second;
}
static inline __attribute__((always_inline)) int inlined(int n)
{
    counter += n;
    return n ^ counter;
}
__attribute__((cold)) void unlikely(int n) { counter = n; of_thread = n; }
int fib(int n)
{
    struct pair pair = { n, 2 };
    long sum = add_up(&pair);
    if (__builtin_expect(sum == 77, 0))
        unlikely(n);
    if (n < 2)
        return inlined(n) + (sum < 0);
    return fib(n - 1) + fib(n - 2);
}
";

/// Everything in a file that is an address, as text, with a name for what it belongs to. `base` is subtracted.
fn addresses(file: &[u8], base: u64) -> Vec<String> {
    let parsed = object::File::parse(file).expect("an ELF file");
    let mut lines = Vec::new();
    let less = |address: u64| format!("{:x}", address.wrapping_sub(base));
    for symbol in parsed.symbols().filter(ObjectSymbol::is_definition) {
        let is_local = symbol.kind() == object::SymbolKind::Tls;
        let address = match is_local {
            true => format!("{:x}", symbol.address()),
            false => less(symbol.address()),
        };
        lines.push(format!(
            "symbol {} {address}",
            symbol.name().expect("a name")
        ));
    }
    for section in parsed.sections().filter(|section| section.address() != 0) {
        let address = less(section.address());
        lines.push(format!(
            "section {} {address}",
            section.name().expect("a name")
        ));
    }
    let load = |id: SectionId| {
        let data = parsed
            .section_by_name(id.name())
            .and_then(|section| section.data().ok())
            .unwrap_or_default();
        Ok::<_, gimli::Error>(EndianSlice::new(data, LittleEndian))
    };
    // Of the functions that have no frames for the unwinder.
    let mut frames = DebugFrame::load(load).expect("a section");
    frames.set_address_size(8);
    let bases = gimli::BaseAddresses::default();
    let mut entries = frames.entries(&bases);
    while let Some(entry) = entries.next().expect("an entry") {
        if let CieOrFde::Fde(frame) = entry {
            let frame = frame.parse(DebugFrame::cie_from_offset).expect("a frame");
            let (start, len) = (less(frame.initial_address()), frame.len());
            lines.push(format!("frame {start} {len}"));
        }
    }
    let dwarf = Dwarf::load(load).expect("sections");
    let mut units = dwarf.units();
    while let Some(header) = units.next().expect("a unit") {
        let unit = dwarf.unit(header).expect("a unit");
        unit_addresses(&dwarf, &unit, &less, &mut lines).expect("debug information");
    }
    lines
}

fn unit_addresses<R: Reader<Offset = usize>>(
    dwarf: &Dwarf<R>,
    unit: &gimli::Unit<R>,
    less: &impl Fn(u64) -> String,
    lines: &mut Vec<String>,
) -> gimli::Result<()> {
    let mut entries = unit.entries();
    while let Some(entry) = entries.next_dfs()? {
        let name = format!("{} {:?}", entry.tag(), entry.offset());
        for attribute in entry.attrs() {
            let name = format!("{name} {}", attribute.name());
            let value = attribute.value();
            if let Some(mut ranges) = dwarf.attr_ranges(unit, value.clone())? {
                while let Some(range) = ranges.next()? {
                    lines.push(format!("{name} {} {}", less(range.begin), less(range.end)));
                }
            } else if let Some(mut locations) = dwarf.attr_locations(unit, value.clone())? {
                while let Some(entry) = locations.next()? {
                    let range = entry.range;
                    lines.push(format!("{name} {} {}", less(range.begin), less(range.end)));
                }
            } else if let Some(address) = dwarf.attr_address(unit, value.clone())? {
                // What a unit's lists count from says nothing by itself.
                if address != 0 && less(address) != "0" {
                    lines.push(format!("{name} {}", less(address)));
                }
            } else if let gimli::AttributeValue::Exprloc(expression) = value {
                let mut operations = expression.operations(unit.encoding());
                while let Ok(Some(operation)) = operations.next() {
                    match operation {
                        gimli::Operation::Address { address } => {
                            lines.push(format!("{name} {}", less(address)));
                        }
                        gimli::Operation::TLS => lines.push(format!("thread-local {name}")),
                        _ => {}
                    }
                }
            }
        }
    }
    if let Some(program) = unit.line_program.clone() {
        let mut rows = program.rows();
        while let Some((_, row)) = rows.next_row()? {
            lines.push(format!("line {:?} {}", row.line(), less(row.address())));
        }
    }
    Ok(())
}

/// Without tables for the unwinder, which on AArch64 are made for two reasons.
const NO_TABLES: &str = "-fno-asynchronous-unwind-tables -fno-unwind-tables";

/// Compiles the program to a shared library.
fn library(compiler: &str, flags: &[&str]) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder");
    let (source, library) = (folder.path().join("p.c"), folder.path().join("p.so"));
    std::fs::write(&source, PROGRAM).expect("written");
    let output = Command::new(compiler)
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .args(flags)
        .output()
        .ok()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{compiler} {flags:?}: {said}");
    Some(std::fs::read(&library).expect("a library"))
}

#[test]
fn all_that_is_an_address_is_moved() {
    let clang = std::env::var("LLVM_SYS_221_PREFIX")
        .map_or_else(|_| "clang-22".to_owned(), |prefix| prefix + "/bin/clang");
    for compiler in ["cc", &clang] {
        for version in ["-gdwarf-3", "-gdwarf-4", "-gdwarf-5"] {
            for level in ["-O0", "-O2"] {
                for sections in ["-fno-function-sections", "-ffunction-sections", NO_TABLES] {
                    let flags: Vec<&str> = sections.split(' ').chain([version, level]).collect();
                    let Some(file) = library(compiler, &flags) else {
                        continue;
                    };
                    let mut before = addresses(&file, 0);
                    let of =
                        |start: &str| before.iter().filter(|line| line.starts_with(start)).count();
                    assert!(
                        of("line ") > 10 && of("DW_TAG_") > 4 && of("symbol ") > 4,
                        "{compiler} {version}: {before:#?}"
                    );
                    let has_frames = sections == NO_TABLES;
                    assert_eq!(of("frame ") > 0, has_frames, "{compiler} {version}");
                    // What leads to these is taken out, and nothing else. For AArch64, compilers do not say where they are.
                    let machine = u16::from_le_bytes([file[18], file[19]]);
                    let expect = usize::from(machine != object::elf::EM_AARCH64.0);
                    assert_eq!(of("thread-local "), expect, "{compiler} {version}");
                    before.retain(|line| !line.starts_with("thread-local "));
                    let moved = rebase(file, BASE as usize, 1 << 20).expect("moved");
                    let after = addresses(&moved, BASE);
                    let what = format!("{compiler} {version} {level} {sections}");
                    for (before, after) in before.iter().zip(&after) {
                        assert_eq!(after, before, "{what}");
                    }
                    assert_eq!(after.len(), before.len(), "{what}");
                }
            }
        }
    }
}

#[test]
fn what_is_cut_or_damaged_is_not_moved_and_does_no_harm() {
    let file = library("cc", &["-gdwarf-5", "-O2"]).expect("a library");
    for len in (0..file.len()).step_by(97) {
        let _ = rebase(file[..len].to_vec(), BASE as usize, 1 << 20);
    }
    let mut random = 1u64;
    for _ in 0..300 {
        let mut file = file.clone();
        for _ in 0..20 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let at = (random >> 24) as usize % file.len();
            file[at] = (random >> 16) as u8;
        }
        let _ = rebase(file, BASE as usize, 1 << 20);
    }
}
