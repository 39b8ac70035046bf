//! The tracer's own test, with a program that uses no library: `tests/faults/tracer.c`.

use super::calls::Call;
use super::ptrace::{End, Fault, Traced, trace};
use super::{CLEAN_ERROR, Place, Stage};
use std::time::Duration;

/// Does every kind of fault to the program and looks at what it left.
pub fn check_tracer() {
    let stage = Stage::new("tracer");
    let place = stage.place("unharmed");
    let traced = stage.act(&place, Fault::None);
    assert_eq!(traced.end, End::Exited(0), "{}", place.output());
    assert_eq!(left(&place), "after: 12345678");
    let calls = traced.calls;
    let child = |call: &Call| {
        call.files
            .iter()
            .any(|file| file.ends_with("only-the-child"))
    };
    assert!(!calls.iter().any(child), "a child is traced: {calls:#?}");

    let first = |name: &str, file: &str| {
        let found = calls
            .iter()
            .find(|call| call.name() == name && call.files.iter().any(|path| path.ends_with(file)));
        found
            .unwrap_or_else(|| panic!("no {name} of {file} in {calls:#?}"))
            .number
    };
    let opens = first("openat", "cache/before");
    let writes = first("write", "cache/before");
    let renames = first("rename", "cache/before");

    let check = |fault: Fault, end: End, files: &str, output: &str| {
        let place = stage.place(&fault.to_string());
        let traced = stage.act(&place, fault);
        assert_eq!(traced.end, end, "{fault}: {}", place.output());
        assert_eq!(left(&place), files, "{fault}");
        assert_eq!(place.output().trim(), output, "{fault}");
        place.remove();
        traced
    };
    let killed = |at, before: &str, after: &str| {
        check(Fault::KillBefore { at }, End::Killed, before, "");
        check(Fault::KillAfter { at }, End::Killed, after, "");
    };
    killed(opens, "", "before: ");
    killed(writes, "before: ", "before: 12345678");
    killed(renames, "before: 12345678", "after: 12345678");

    let failed = |fault: Fault, files: &str, errno: i32| {
        let told = format!("failed with {errno}");
        check(fault, End::Exited(CLEAN_ERROR), files, &told)
    };
    let (at, errno) = (renames, libc::EROFS);
    failed(Fault::Fail { at, errno }, "before: 12345678", errno);
    let (at, errno) = (writes, libc::ENOSPC);
    failed(Fault::Fail { at, errno }, "after: ", errno);
    let full = failed(Fault::FailFrom { at, errno }, "before: ", errno);
    assert_eq!(full.faults, [writes, renames]);
    failed(Fault::Short { at }, "after: 1234", -1);
    failed(Fault::Full { at }, "before: 1234", errno);
    // The file that could not be opened cannot be renamed.
    failed(Fault::NoDescriptors { at: opens }, "", libc::ENOENT);

    let place = stage.place("hangs");
    let command = stage.command(&place, &["check", "killed"]);
    let timeout = Duration::from_millis(300);
    let Traced { end, .. } = trace(command, &place.cache(), Fault::None, timeout);
    assert!(
        matches!(&end, End::Hung(place) if place.contains("1: pause() did not return")),
        "{end:?}"
    );
}

/// The files in the cache's folder, with what is in them.
fn left(place: &Place) -> String {
    let mut files: Vec<String> = std::fs::read_dir(place.cache())
        .expect("the cache's folder")
        .map(|file| {
            let path = file.expect("a file").path();
            let text = std::fs::read_to_string(&path).expect("its text");
            let name = path.file_name().unwrap_or_default();
            format!("{}: {text}", name.to_string_lossy())
        })
        .collect();
    files.sort();
    files.join(", ")
}
