//! A hit starts no process, opens no database, parses no IR, and writes one record: what it asks of the kernel,
//! traced.
//!
//! `tests/c/hit.c` marks the part of the trace that is looked at. A cold run is looked at in the same way and
//! must show what a hit must not have: otherwise these tests would see nothing, and pass.

mod support;

use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSymbol};
use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};
use support::machine::IS_AARCH64;
use support::workspace::{Run, Workspace};

/// The calls between the two marks, each a line of strace's without the process id.
struct Trace(Vec<String>);

impl Trace {
    fn new(workspace: &Workspace, run: Run) -> Trace {
        let file = workspace.path("trace");
        let path = file.to_str().expect("a UTF-8 path");
        workspace
            .run_under("strace", &["-f", "-s", "4096", "-o", path], run)
            .expect_success(&format!("hit.c under strace, {run:?}"));
        let text = std::fs::read(&file).expect("the trace");
        let text = String::from_utf8_lossy(&text);
        let calls: Vec<String> = text
            .lines()
            .skip_while(|line| !line.contains("\"<compile>\""))
            .skip(1)
            .take_while(|line| !line.contains("\"</compile>\""))
            .map(|line| {
                let (_process, call) = line.split_once(' ').expect("a process id");
                call.trim_start().to_owned()
            })
            .collect();
        assert!(!calls.is_empty(), "no marks in the trace:\n{text}");
        Trace(calls)
    }

    /// The calls of one of these names.
    fn named(&self, names: &[&str]) -> Vec<&str> {
        self.0
            .iter()
            .map(String::as_str)
            .filter(|call| {
                names.iter().any(|name| {
                    call.strip_prefix(name)
                        .is_some_and(|rest| rest.starts_with('('))
                })
            })
            .collect()
    }

    /// The calls that a look at their whole line finds.
    fn mentioning(&self, text: &str) -> Vec<&str> {
        self.0
            .iter()
            .map(String::as_str)
            .filter(|call| call.contains(text))
            .collect()
    }

    fn opens(&self) -> Vec<&str> {
        self.named(&["open", "openat", "openat2", "creat"])
    }
}

const PROCESSES: &[&str] = &["execve", "execveat", "fork", "vfork", "clone", "clone3"];
const CONNECTIONS: &[&str] = &["socket", "socketpair", "connect", "pipe", "pipe2"];
const WRITES: &[&str] = &[
    "write",
    "pwrite64",
    "writev",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "mkdir",
    "mkdirat",
    "unlink",
    "unlinkat",
    "ftruncate",
    "copy_file_range",
    "sendfile",
];
const LOCKS: &[&str] = &["flock"];

fn may_trace(test: &str) -> bool {
    let may = support::skips::can_trace();
    if !may {
        support::skips::skip(
            &format!("hit_path: {test}"),
            "processes cannot be traced here",
        );
    }
    may
}

fn cold_and_warm() -> (Trace, Trace) {
    let there = Command::new("strace")
        .arg("-V")
        .stdout(Stdio::null())
        .status();
    assert!(
        there.is_ok(),
        "this test needs strace, which is not installed: run `make setup`, or `apt-get install strace`"
    );
    let workspace = Workspace::new("hit.c");
    let cold = Trace::new(&workspace, Run::Cold);
    let warm = Trace::new(&workspace, Run::Warm);
    (cold, warm)
}

#[test]
fn a_hit_maps_one_file_and_records_that() {
    if !may_trace("a_hit_maps_one_file_and_records_that") {
        return;
    }
    let (cold, warm) = cold_and_warm();

    let shows = |what: &str, names: &[&str]| {
        assert!(
            !cold.named(names).is_empty(),
            "a cold run shows no {what}: this test sees nothing\n{:#?}",
            cold.0
        );
        let found = warm.named(names);
        assert!(found.is_empty(), "a hit has {what}: {found:#?}");
    };
    shows("a new process", PROCESSES);
    shows("a connection", CONNECTIONS);
    shows("a lock", LOCKS);

    // One record in the journal: that it was a hit.
    let writes = warm.named(WRITES);
    assert!(
        matches!(writes[..], [record] if record.starts_with("write(") && record.ends_with(", 64) = 64")),
        "a hit writes one record: {writes:#?}"
    );
    assert!(cold.named(WRITES).len() > 2, "{:#?}", cold.named(WRITES));

    for file in ["sqlite", "-wal", "-shm", "sqlite-journal"] {
        let found = warm.mentioning(file);
        assert!(found.is_empty(), "a hit uses a database: {found:#?}");
    }

    // The cache's directory, to see whether it can be trusted, and in it the entry and the journal.
    let (directories, files): (Vec<&str>, Vec<&str>) = warm
        .opens()
        .into_iter()
        .partition(|call| call.contains("O_DIRECTORY"));
    assert!(directories.len() <= 1, "{directories:#?}");
    assert!(
        matches!(files[..], [entry, journal] if entry.contains(".so\"") && entry.contains("O_RDONLY")
            && journal.contains("v4/journal\"")),
        "a hit opens the entry, to read it, and the journal: {files:#?}"
    );
    assert!(cold.opens().len() > 2, "{:#?}", cold.opens());

    // The code is mapped from the entry, and what is written to is in one piece of memory.
    let of_the_file = |call: &&&str| !call.contains("MAP_ANONYMOUS");
    let maps = warm.named(&["mmap"]);
    assert_eq!(maps.iter().filter(of_the_file).count(), 1, "{maps:#?}");
}

/// Then a process that only hits has few pages of the library. Most of them do: some are gone or new since the list was
/// written.
#[test]
fn what_a_hit_runs_lies_side_by_side() {
    if IS_AARCH64 {
        return support::skips::skip(
            "hit_path: what_a_hit_runs_lies_side_by_side",
            "hot.ld lists what a hit runs on x86-64",
        );
    }
    let there = Command::new("valgrind").arg("--version").output();
    if !there.is_ok_and(|output| output.status.success()) {
        support::skips::skip(
            "hit_path: what_a_hit_runs_lies_side_by_side",
            "there is no valgrind",
        );
        return;
    }
    let workspace = Workspace::new("hit.c");
    let file = workspace.path("functions");
    let out = format!("--callgrind-out-file={}", file.display());
    let options = [
        "--tool=callgrind",
        "--demangle=no",
        "--compress-strings=no",
        &out,
    ];
    // Below valgrind the CPU is another one.
    for run in [Run::Cold, Run::Warm] {
        workspace
            .run_under("valgrind", &options, run)
            .expect_success(&format!("hit.c under callgrind, {run:?}"));
    }

    let text = std::fs::read(&file).expect("callgrind's file");
    let text = String::from_utf8_lossy(&text);
    let mut path = "";
    let mut ours = false;
    let mut functions = BTreeSet::new();
    for line in text.lines() {
        if let Some(object) = line.strip_prefix("ob=") {
            ours = object.contains("libmgenjit.so");
            if ours {
                path = object;
            }
        } else if let Some(name) = line.strip_prefix("fn=").filter(|_| ours) {
            functions.insert(name);
        }
    }
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let library = ElfFile64::<Endianness>::parse(&*bytes).expect("an ELF file");
    let addresses: BTreeMap<&str, u64> = library
        .symbols()
        .filter_map(|symbol| Some((symbol.name().ok()?, symbol.address())))
        .collect();
    let Some(end) = addresses.get("mgenjit_hot_end") else {
        support::skips::skip(
            "hit_path: what_a_hit_runs_lies_side_by_side",
            "the linker did not read hot.ld",
        );
        return;
    };
    functions.retain(|name| addresses.contains_key(name));
    assert!(functions.len() > 100, "a hit runs more: {functions:#?}");
    let elsewhere: Vec<_> = functions
        .iter()
        .filter(|name| addresses[**name] >= *end)
        .collect();
    assert!(
        elsewhere.len() * 5 <= functions.len(),
        "of {} functions that a hit runs, hot.ld lacks {}: run `make hot`\n{elsewhere:#?}",
        functions.len(),
        elsewhere.len()
    );
}

/// Between the marks of `export_hit.c`.
#[test]
fn exporting_an_object_starts_nothing() {
    if !may_trace("exporting_an_object_starts_nothing") {
        return;
    }
    let workspace = Workspace::new("export_hit.c");
    workspace
        .run(Run::Cold)
        .expect_success("export_hit.c, cold");
    let warm = Trace::new(&workspace, Run::Warm);
    for (what, names) in [("a new process", PROCESSES), ("a connection", CONNECTIONS)] {
        let found = warm.named(names);
        assert!(found.is_empty(), "an export has {what}: {found:#?}");
    }
    let renames = ["rename", "renameat", "renameat2"];
    assert!(!warm.named(&renames).is_empty(), "{:#?}", warm.0);
}

#[test]
fn code_is_mapped_from_its_file_and_never_writable() {
    if !may_trace("code_is_mapped_from_its_file_and_never_writable") {
        return;
    }
    let (cold, warm) = cold_and_warm();
    for trace in [&cold, &warm] {
        let executable: Vec<&str> = trace
            .named(&["mmap", "mprotect"])
            .into_iter()
            .filter(|call| call.contains("PROT_EXEC"))
            .collect();
        let from_a_file = executable
            .iter()
            .filter(|call| call.starts_with("mmap") && !call.contains("MAP_ANONYMOUS"));
        assert!(from_a_file.count() >= 1, "{executable:#?}");
        for call in executable {
            assert!(!call.contains("PROT_WRITE"), "{call}");
        }
    }
}
