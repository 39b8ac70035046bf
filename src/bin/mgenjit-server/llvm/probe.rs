//! Checks a target's CPU and features against those that LLVM knows.
//!
//! LLVM's C API cannot be asked: it accepts any names and reports unknown ones on standard error, which is captured
//! here. On some invalid names LLVM aborts: then the handler of fatal errors answers the request, and the process
//! ends. It also ends after an answer that needed LLVM's lists of names: LLVM prints them once per process.

use crate::llvm::names::Names;
use crate::process::crash;
use crate::process::inherited;
use inkwell::OptimizationLevel;
use inkwell::context::Context;
use inkwell::targets::FileType;
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// The error names what is unknown, and lists what is known.
pub fn check(names: &Names) -> Result<(), String> {
    for feature in listed(&names.features) {
        if name_of(feature).is_none() {
            return Err(format!(
                "the feature \"{feature}\" begins with neither + nor -: features are written as \"+first,-second\""
            ));
        }
    }
    begin(names, None)?;
    try_names(names);
    let complaint = end()?;
    if complaint.is_empty() {
        return Ok(());
    }
    Err(explain(names, complaint)?)
}

/// Whether the process can check no more names.
pub fn is_spent() -> bool {
    SPENT.load(Ordering::Relaxed)
}

/// Sets the function that answers a request on whose names LLVM aborts.
pub fn set_answer(answer: impl Fn(String) + Send + Sync + 'static) {
    let _ = ANSWER.set(Box::new(answer));
}

/// Called by the handler of LLVM's fatal errors. If names were being checked, answers the request and ends the
/// process.
pub fn give_up(reason: &str) {
    let Some(trial) = take() else {
        return;
    };
    let Some(answer) = ANSWER.get() else {
        return;
    };
    let message = trial.capture.end().and_then(|said| match &trial.complaint {
        None => explain(&trial.names, said + reason),
        // The lists were printed before.
        Some(complaint) => Ok(compare(&trial.names, complaint, &said)),
    });
    answer(message.unwrap_or_else(|message| message));
    inherited::exit(0)
}

static SPENT: AtomicBool = AtomicBool::new(false);
static ANSWER: OnceLock<Box<dyn Fn(String) + Send + Sync>> = OnceLock::new();
/// What is being tried.
static TRIAL: Mutex<Option<Trial>> = Mutex::new(None);

struct Trial {
    names: Names,
    /// LLVM's complaint about the names, once its lists are asked for.
    complaint: Option<String>,
    capture: Capture,
}

fn begin(names: &Names, complaint: Option<String>) -> Result<(), String> {
    let capture = Capture::start().map_err(failed)?;
    *TRIAL.lock().unwrap_or_else(PoisonError::into_inner) = Some(Trial {
        names: names.clone(),
        complaint,
        capture,
    });
    Ok(())
}

/// LLVM's output since `begin`.
fn end() -> Result<String, String> {
    take().map_or(Ok(String::new()), |trial| trial.capture.end())
}

fn take() -> Option<Trial> {
    TRIAL.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn failed(error: io::Error) -> String {
    format!("the names cannot be checked: {error}")
}

/// Asks for the lists, and names what is missing from them.
fn explain(names: &Names, complaint: String) -> Result<String, String> {
    SPENT.store(true, Ordering::Relaxed);
    begin(names, Some(complaint.clone()))?;
    names_help(names).machine(OptimizationLevel::None);
    let help = end()?;
    Ok(compare(names, &complaint, &help))
}

fn compare(names: &Names, complaint: &str, help: &str) -> String {
    let Names {
        triple,
        cpu,
        features,
        tuned: _,
    } = names;
    // A CPU or a feature called "help" has had the lists printed before.
    let help = format!("{complaint}{help}");
    let (known_cpus, known_features) = parse_help(&help);
    if !known_cpus.contains(cpu.as_str()) {
        return format!(
            "LLVM knows no CPU \"{cpu}\" for {triple}, but these: {}",
            list(&known_cpus)
        );
    }
    let mut wanted = listed(features).filter_map(name_of);
    if let Some(feature) = wanted.find(|name| !known_features.contains(name)) {
        return format!(
            "LLVM knows no feature \"{feature}\" for {triple}, but these: {}",
            list(&known_features)
        );
    }
    format!(
        "LLVM cannot generate code for {triple} with the CPU \"{cpu}\" and the features \"{features}\": {}",
        complaint.trim()
    )
}

fn listed(features: &str) -> impl Iterator<Item = &str> {
    features.split(',').filter(|_| !features.is_empty())
}

fn name_of(feature: &str) -> Option<&str> {
    feature.strip_prefix(['+', '-'])
}

/// Generates code for a function, because some names are looked at no earlier.
fn try_names(names: &Names) {
    let context = Context::create();
    let module = context.create_module("");
    let function = module.add_function("f", context.void_type().fn_type(&[], false), None);
    let builder = context.create_builder();
    builder.position_at_end(context.append_basic_block(function, ""));
    let _ = builder.build_return(None);
    if let Some(machine) = names.machine(OptimizationLevel::None) {
        module.set_triple(&machine.get_triple());
        module.set_data_layout(&machine.get_target_data().get_data_layout());
        let _ = machine.write_to_memory_buffer(&module, FileType::Object);
    }
}

fn names_help(names: &Names) -> Names {
    Names {
        cpu: "help".to_owned(),
        features: String::new(),
        ..names.clone()
    }
}

/// Reads two lists of lines like `  name - What it is.`, each under a line that says what it is.
fn parse_help(help: &str) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let (cpus, features) = help.split_once("Available features").unwrap_or((help, ""));
    let names = |text| -> BTreeSet<&str> {
        str::lines(text)
            .filter(|line| line.starts_with("  "))
            .filter_map(|line| line.split_once(" - "))
            .map(|(name, _)| name.trim())
            .collect()
    };
    (names(cpus), names(features))
}

fn list(names: &BTreeSet<&str>) -> String {
    let names: Vec<&str> = names.iter().copied().collect();
    names.join(", ")
}

/// What is written to standard error, until it is dropped.
struct Capture {
    /// The true one.
    stderr: OwnedFd,
    said: File,
}

impl Capture {
    fn start() -> io::Result<Capture> {
        let said = rustix::fs::memfd_create("said", rustix::fs::MemfdFlags::CLOEXEC)?;
        // SAFETY: standard error is open for the whole life of the process (Rust's start-up makes sure).
        let stderr = unsafe { BorrowedFd::borrow_raw(2) };
        let stderr = rustix::io::fcntl_dupfd_cloexec(stderr, 3)?;
        // SAFETY: both are open descriptors; nothing owns 2.
        if unsafe { libc::dup2(said.as_raw_fd(), 2) } < 0 {
            return Err(io::Error::last_os_error());
        }
        // A crash message must not go here.
        crash::set_stderr(stderr.as_raw_fd());
        Ok(Capture {
            stderr,
            said: said.into(),
        })
    }

    fn end(self) -> Result<String, String> {
        let said = self.said.try_clone().map_err(failed)?;
        drop(self);
        let len = said.metadata().map_err(failed)?.len();
        let mut bytes = vec![0; len as usize];
        said.read_exact_at(&mut bytes, 0).map_err(failed)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        crash::set_stderr(2);
        // SAFETY: as in `start`.
        unsafe { libc::dup2(self.stderr.as_raw_fd(), 2) };
    }
}
