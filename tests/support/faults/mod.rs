//! Fault injection: a program is killed, or has a system call fail, at each of its system calls in turn; after
//! each, another process must find a cache that it can use.
//!
//! # A scenario
//!
//! `tests/faults/<name>.c`, which includes `scenario.h`, and its name in the list in `tests/faults.rs`. The program
//! is built as those in `tests/c` are, with the same directives, and is run with one of
//!
//! - `prepare`, once: makes what the act needs, in the cache (`MGENJIT_CACHE_DIR`) or in `CHECK_FOLDER`, the
//!   folder in which the cache lies. Each case gets a copy of that folder.
//! - `act`: what is looked at, between `mark("<act>")` and `mark("</act>")`. Ends with status 0 if it came to the
//!   right result; with `CLEAN_ERROR` if a call that should not depend on the cache failed as its contract
//!   allows (`TRY`); with `CACHE_ERROR` if an operation on the cache itself, such as a trim, did (`TRY_CACHE`).
//! - `check <fate>`: what is left must be usable, and give right results. The fate is what happened before:
//!   `unharmed`, `killed`, `failed`, `damaged`, and `again` for a second check in another process, after which
//!   the damage must be repaired.
//!
//! # What is done
//!
//! [`sweep`] traces the act once to learn its calls, and then once for each [`Fault`] that is possible at each
//! call. Expected is:
//!
//! - after a kill: both checks pass.
//! - if calls on files of the cache fail: the act comes to the right result. Trouble with the cache costs time,
//!   never a result. An operation on the cache itself may also end with a clean error. Both checks pass.
//! - if another call fails, such as the one that makes the server's socket: the right result or a clean error.
//!   Both checks pass.
//! - nothing hangs, and no server is left.
//!
//! [`damage::sweep`] lets the act finish and then does to each file what a power cut or a bad disk does: it is cut short,
//! its end, a sector or all of it is zeros, a byte is another one, it is missing. Both checks must pass.
//!
//! # Cost
//!
//! A case takes some 10 to 60 ms, a compile included, and cases run on all cores. A scenario with more than
//! [`MOST_CASES`] (or, if its act is long, [`FEWER_CASES`]) has some left out, always the same: first those kills that nobody else can tell from the kill at
//! the call before. With `MGENJIT_EXHAUSTIVE=1` none is. `MGENJIT_FAULT=kill-before-37` runs one case alone:
//! `MGENJIT_FAULT=ENOSPC-from-99 cargo test --release --test faults store`. `-- --nocapture` shows what each
//! scenario took and all clean errors.
//!
//! Calls are known by their number, so an act should make the same calls each time. If it does not (threads), some
//! faults hit another call than was meant, or none: the report says how many; more than a tenth fails the test.

mod calls;
pub mod damage;
mod ptrace;
pub mod self_test;

use super::processes;
use super::run::run;
use super::source;
use super::wait;
use super::workspace::{Run, Workspace};
use calls::Call;
use ptrace::{End, Fault, Traced, trace};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How many cases of a scenario are run unless all are wanted.
const MOST_CASES: usize = 900;

/// Of an act with more calls than [`MANY_CALLS`], which takes as much longer, fewer are run.
const MANY_CALLS: usize = 200;
const FEWER_CASES: usize = 70;

/// How long one run of a program may take. Shorter than the time for which a lock is waited for, so that a lock
/// that is not given up is seen.
const TIMEOUT: Duration = Duration::from_secs(50);

/// The act's exit status for an error that the contract allows.
const CLEAN_ERROR: i32 = 3;

/// The act's exit status for an error of an operation on the cache itself.
const CACHE_ERROR: i32 = 4;

/// No more failures than these are told.
const MOST_FAILURES: usize = 10;

/// A scenario that is built and prepared.
struct Stage {
    name: String,
    workspace: Workspace,
    // Scenarios run one after the other, each on all cores.
    _turn: MutexGuard<'static, ()>,
}

/// The folder of one case.
struct Place {
    folder: PathBuf,
}

/// What a case came to.
#[derive(Default)]
struct Verdict {
    /// The fault did not happen: the program made other calls.
    missed: bool,
    /// The act ended with a clean error, this one.
    clean_error: Option<String>,
}

/// Runs the scenario with each fault at each call.
pub fn sweep(name: &str) {
    let start = Instant::now();
    let stage = Stage::new(name);
    let calls = stage.baseline();
    let possible = possible_faults(&calls, &Place::at(&stage, "baseline").cache());
    let most = most_cases(if calls.len() > MANY_CALLS {
        FEWER_CASES
    } else {
        MOST_CASES
    });
    let chosen = choose(&possible, most);

    let clean_errors = Mutex::new(BTreeSet::new());
    let missed = AtomicUsize::new(0);
    stage.each(
        &chosen,
        |fault| {
            let verdict = stage.run_case(*fault)?;
            if verdict.missed {
                missed.fetch_add(1, Ordering::Relaxed);
            }
            if let Some(error) = verdict.clean_error {
                lock(&clean_errors).insert(error);
            }
            Ok(())
        },
        &|| listing(&calls),
    );

    let missed = missed.into_inner();
    println!(
        "{name}: {} calls, {} of {} cases in {:.1} s, {missed} missed their call",
        calls.len(),
        chosen.len(),
        possible.len(),
        start.elapsed().as_secs_f64()
    );
    for error in clean_errors
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
    {
        println!("  clean error: {}", stage.shorten(&error));
    }
    assert!(
        missed * 10 <= chosen.len(),
        "{name} makes other calls each time: {missed} faults of {} hit none\n{}",
        chosen.len(),
        listing(&calls)
    );
    stage.expect_no_servers();
}

/// All faults at all calls.
fn possible_faults(calls: &[Call], cache: &Path) -> Vec<(Fault, bool)> {
    let mut faults = Vec::new();
    for call in calls {
        let at = call.number;
        let in_cache = call.is_in(cache);
        faults.push((Fault::KillBefore { at }, call.is_seen()));
        faults.push((Fault::KillAfter { at }, call.is_seen()));
        for &errno in call.failures() {
            faults.push((Fault::Fail { at, errno }, true));
            if in_cache && errno != libc::EMFILE {
                faults.push((Fault::FailFrom { at, errno }, true));
            }
        }
        if call.needs_descriptors() {
            faults.push((Fault::NoDescriptors { at }, true));
        }
        if call.length_argument().is_some() {
            faults.push((Fault::Short { at }, true));
            if in_cache {
                faults.push((Fault::Full { at }, true));
            }
        }
    }
    faults
}

/// Whether the fault hit more than the cache, so that the act may end with a clean error.
fn may_fail(fault: Fault, traced: &Traced, cache: &Path) -> bool {
    match fault {
        Fault::NoDescriptors { at } => traced.calls[at - 1..]
            .iter()
            .any(|call| !call.is_in(cache) && call.needs_descriptors()),
        _ => traced
            .faults
            .iter()
            .any(|number| !traced.calls[number - 1].is_in(cache)),
    }
}

/// The faults to run: all, or a selection that leaves out the less telling first.
fn choose(possible: &[(Fault, bool)], most: usize) -> Vec<Fault> {
    let (telling, others): (Vec<_>, Vec<_>) = possible.iter().partition(|(_, telling)| *telling);
    let mut chosen = thin_out(telling, most);
    let room = most - chosen.len();
    chosen.extend(thin_out(others, room));
    chosen.into_iter().map(|(fault, _)| fault).collect()
}

/// So many, unless all are wanted.
fn most_cases(most: usize) -> usize {
    match std::env::var("MGENJIT_EXHAUSTIVE") {
        Ok(value) if value == "1" => usize::MAX,
        _ => most,
    }
}

/// At most `most`, evenly spread.
fn thin_out<T>(all: Vec<T>, most: usize) -> Vec<T> {
    let count = all.len();
    let kept = |index: usize| index * most / count != (index + 1) * most / count;
    if count <= most {
        return all;
    }
    all.into_iter()
        .enumerate()
        .filter_map(|(index, item)| kept(index).then_some(item))
        .collect()
}

fn listing(calls: &[Call]) -> String {
    calls.iter().fold(String::new(), |mut text, call| {
        let _ = writeln!(text, "  {call}");
        text
    })
}

impl Stage {
    fn new(name: &str) -> Stage {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = lock(&TURN);
        let path = source("tests/faults").join(format!("{name}.c"));
        let stage = Stage {
            name: name.to_owned(),
            workspace: Workspace::of(&path),
            _turn: turn,
        };
        let prepared = Place::at(&stage, "prepared");
        make_private(&prepared.folder);
        make_private(&prepared.cache());
        std::os::unix::fs::symlink(
            stage.workspace.path("fixtures"),
            prepared.folder.join("fixtures"),
        )
        .expect("a link");
        stage
            .run(&prepared, &["prepare"])
            .unwrap_or_else(|failure| panic!("{name}: {failure}"));
        settle(&prepared.cache())
            .unwrap_or_else(|error| panic!("settle {}: {error}", prepared.cache().display()));
        stage
    }

    /// Runs the act without a fault. Returns its calls.
    fn baseline(&self) -> Vec<Call> {
        let place = self.place("baseline");
        let traced = self.act(&place, Fault::None);
        assert_eq!(
            traced.end,
            End::Exited(0),
            "{}: the act fails unharmed\n{}\n{}",
            self.name,
            place.output(),
            listing(&traced.calls)
        );
        assert!(!traced.calls.is_empty(), "{}: no marks", self.name);
        self.check(&place, "unharmed")
            .unwrap_or_else(|failure| panic!("{}: {failure}", self.name));
        traced.calls
    }

    /// Runs one case. What is wrong is the error.
    fn run_case(&self, fault: Fault) -> Result<Verdict, String> {
        let place = self.place(&fault.to_string());
        let traced = self.act(&place, fault);
        let output = place.output();
        let cache = place.cache();
        let hit: Vec<&Call> = traced
            .faults
            .iter()
            .map(|number| &traced.calls[number - 1])
            .collect();
        let told = match hit[..] {
            [] => "at no call".to_owned(),
            [one] => format!("at {one}"),
            [first, .., last] => format!("at {} calls from {first} to {last}", hit.len()),
        };

        let mut verdict = Verdict {
            missed: hit.is_empty(),
            clean_error: None,
        };
        match traced.end {
            End::Exited(0) | End::Killed => {}
            End::Exited(status)
                if status == CACHE_ERROR && !hit.is_empty()
                    || status == CLEAN_ERROR && may_fail(fault, &traced, &cache) =>
            {
                verdict.clean_error = Some(format!("{told}: {}", output.trim()));
            }
            End::Exited(CLEAN_ERROR) => {
                return Err(format!(
                    "trouble with the cache became an error, {told}\n{output}"
                ));
            }
            End::Exited(status) => {
                return Err(format!("the act ended with {status}, {told}\n{output}"));
            }
            End::Signalled(signal) => {
                return Err(format!("the act died of signal {signal}, {told}\n{output}"));
            }
            End::Hung(place) => return Err(format!("the act hung, {told}: {place}\n{output}")),
        }
        let fate = match traced.end {
            End::Killed => "killed",
            _ if verdict.missed => "unharmed",
            _ => "failed",
        };
        self.check(&place, fate)
            .map_err(|failure| format!("{failure}\nthe fault was {told}"))?;
        place.remove();
        Ok(verdict)
    }

    /// Both checks.
    fn check(&self, place: &Place, fate: &str) -> Result<(), String> {
        self.run(place, &["check", fate])?;
        self.run(place, &["check", "again"])
    }

    /// A copy of what was prepared.
    fn place(&self, name: &str) -> Place {
        let place = Place::at(self, name);
        copy(&Place::at(self, "prepared").folder, &place.folder);
        place
    }

    fn act(&self, place: &Place, fault: Fault) -> Traced {
        let mut command = self.command(place, &["act"]);
        let output = File::create(place.folder.join("output")).expect("a file for the output");
        command
            .stdin(std::process::Stdio::null())
            .stdout(output.try_clone().expect("a descriptor"))
            .stderr(output);
        trace(command, &place.cache(), fault, TIMEOUT)
    }

    /// Runs the program untraced.
    fn run(&self, place: &Place, arguments: &[&str]) -> Result<(), String> {
        let outcome = run(self.command(place, arguments), &place.folder, TIMEOUT);
        let phase = arguments.join(" ");
        match outcome.status {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(format!("{phase}: {status}\n{}", outcome.output)),
            None => Err(format!("{phase}: it hung\n{}", outcome.output)),
        }
    }

    fn command(&self, place: &Place, arguments: &[&str]) -> Command {
        let mut command = self.workspace.command(Run::Cold);
        command
            .args(arguments)
            .env("MGENJIT_CACHE_DIR", place.cache())
            .env("CHECK_FOLDER", &place.folder)
            .current_dir(&place.folder);
        command
    }

    /// Runs `run` for each case, on all cores, or for the one that is asked for. Panics if one fails.
    fn each<T: std::fmt::Display + Sync>(
        &self,
        cases: &[T],
        run: impl Fn(&T) -> Result<(), String> + Sync,
        listing: &(dyn Fn() -> String + Sync),
    ) {
        let wanted = std::env::var("MGENJIT_FAULT").ok();
        let is_wanted = |case: &T| {
            wanted
                .as_ref()
                .is_none_or(|wanted| *wanted == case.to_string())
        };
        let next = AtomicUsize::new(0);
        let failures = Mutex::new(Vec::new());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..cores {
                scope.spawn(|| {
                    while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed))
                        && lock(&failures).len() < MOST_FAILURES
                    {
                        if is_wanted(case)
                            && let Err(failure) = run(case)
                        {
                            lock(&failures).push(format!("{case}: {}", failure.trim_end()));
                        }
                    }
                });
            }
        });
        let failures = failures
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        assert!(
            failures.is_empty(),
            "{}: {} cases fail (MGENJIT_FAULT=<name> runs one alone)\n\n{}\n\nwithout a fault:\n{}",
            self.name,
            failures.len(),
            self.shorten(&failures.join("\n\n")),
            self.shorten(&listing())
        );
    }

    /// Without the folder in which everything lies.
    fn shorten(&self, text: &str) -> String {
        // With a slash at its end.
        let folder = self.workspace.path("");
        text.replace(&*folder.to_string_lossy(), "")
    }

    /// The servers of programs that were killed have ended too.
    fn expect_no_servers(&self) {
        wait::until_ok(&format!("{}: without servers", self.name), || {
            match self.servers() {
                0 => Ok(()),
                left => Err(left),
            }
        });
    }

    fn servers(&self) -> usize {
        processes::running(&self.workspace.server()).len()
    }
}

impl Place {
    fn at(stage: &Stage, name: &str) -> Place {
        Place {
            folder: stage.workspace.path(&format!("case-{name}")),
        }
    }

    fn cache(&self) -> PathBuf {
        self.folder.join("cache")
    }

    /// What the program wrote last.
    fn output(&self) -> String {
        let bytes = std::fs::read(self.folder.join("output")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn remove(self) {
        std::fs::remove_dir_all(&self.folder).expect("the case's folder is removed");
    }
}

fn make_private(folder: &Path) {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(folder)
        .expect("a folder");
}

/// Makes all folders an hour old. How often a folder is compared with the index depends on whether it changed just
/// now, so without this an act would make other calls the later it is run.
fn settle(folder: &Path) -> std::io::Result<()> {
    for item in folder.read_dir()? {
        let item = item?;
        if item.file_type()?.is_dir() {
            settle(&item.path())?;
        }
    }
    let times = std::fs::FileTimes::new().set_modified(SystemTime::now() - Duration::from_hours(1));
    File::open(folder)?.set_times(times)
}

/// Copies a folder with the modes and times of what is in it.
fn copy(from: &Path, to: &Path) {
    copy_tree(from, to)
        .unwrap_or_else(|error| panic!("copy {} to {}: {error}", from.display(), to.display()));
}

fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    let metadata = from.symlink_metadata()?;
    if metadata.is_symlink() {
        return std::os::unix::fs::symlink(from.read_link()?, to);
    }
    if metadata.is_dir() {
        std::fs::create_dir(to)?;
        for item in from.read_dir()? {
            let item = item?;
            copy_tree(&item.path(), &to.join(item.file_name()))?;
        }
        std::fs::set_permissions(to, metadata.permissions())?;
    } else {
        std::fs::copy(from, to)?;
    }
    let times = std::fs::FileTimes::new()
        .set_modified(metadata.modified()?)
        .set_accessed(metadata.accessed()?);
    File::open(to)?.set_times(times)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
