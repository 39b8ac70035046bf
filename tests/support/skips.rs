//! What cannot be tested everywhere.

// Not every test crate has all of it to skip.
#![allow(dead_code)]

/// Notes for the summary of all tests that something cannot be tested here.
pub fn skip(test: &str, why: &str) {
    println!("skipped: {test}: {why}");
    let Some(path) = std::env::var_os("MGENJIT_TESTS_SKIPPED") else {
        return;
    };
    let line = format!("{test}: {why}\n");
    let file = std::fs::OpenOptions::new().append(true).open(path);
    let written = file.and_then(|mut file| std::io::Write::write_all(&mut file, line.as_bytes()));
    written.expect("the list of what was skipped");
}

/// Whether processes may be traced here. Containers may forbid it.
pub fn can_trace() -> bool {
    use std::os::unix::process::CommandExt;
    let mut traced = std::process::Command::new("true");
    // SAFETY: the call changes the new process alone.
    unsafe {
        traced.pre_exec(|| {
            let refused = libc::ptrace(libc::PTRACE_TRACEME, 0, 0_usize, 0_usize) == -1;
            // It ends here in any case: a traced process stops when it is replaced.
            Err(match refused {
                true => std::io::Error::last_os_error(),
                false => std::io::Error::from_raw_os_error(libc::EALREADY),
            })
        })
    };
    let error = traced.status().expect_err("it ends before it begins");
    error.raw_os_error() == Some(libc::EALREADY)
}
