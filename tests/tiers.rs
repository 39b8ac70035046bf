//! Tiers: the first result comes of code that is compiled soon, and later processes find optimised code.

mod support;

use rustix::process::Pid;
use std::fmt::Write as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use support::processes;
use support::tools::{self, Place, Ran};

/// How long anything may take on a machine that has other things to do: what is waited for has the lowest priority.
const PATIENCE: Duration = Duration::from_mins(5);

fn tools() -> &'static Path {
    static TOOLS: OnceLock<PathBuf> = OnceLock::new();
    TOOLS.get_or_init(|| tools::build("tiers", &["run", "cache", "server"]))
}

/// A folder with a cache and with servers of its own.
struct Site {
    place: Place,
    /// A short path: a socket's has 107 bytes at most.
    runtime: tempfile::TempDir,
    mode: &'static str,
}

impl Site {
    fn new(mode: &'static str) -> Site {
        let place = Place::new(tools().join("run"));
        place.write("twice.ll", module("twice", 21));
        let runtime = tempfile::Builder::new().prefix("mgenjit-").tempdir();
        let runtime = runtime.expect("a runtime folder");
        Site {
            place,
            runtime,
            mode,
        }
    }

    fn command(&self, tool: &str, arguments: &[&str]) -> Command {
        let mut command = self.place.command(tools().join(tool));
        command
            .env("XDG_RUNTIME_DIR", self.runtime.path())
            .env("MGENJIT_SERVER_MODE", self.mode)
            .env_remove("MGENJIT_TIERS")
            .args(arguments);
        command
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Ran {
        let ran: Ran = self.command("run", arguments).output().expect("run").into();
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        ran
    }

    /// Runs a module with tiers. Returns what `--time` says of it.
    #[track_caller]
    fn tiered(&self, file: &str) -> String {
        self.run(&["--tiers", "O0,O2", "--time", file]).err
    }

    fn entries(&self) -> usize {
        let output = self.command("cache", &["list", "--json"]).output();
        let output = output.expect("cache list").stdout;
        String::from_utf8(output).expect("UTF-8").lines().count()
    }

    /// Waits until the cache has so many entries.
    #[track_caller]
    fn wait_for_entries(&self, count: usize) {
        wait(&format!("{count} entries"), || self.entries() == count);
    }

    /// The storing processes that are found in this folder.
    fn storing(&self) -> Vec<Pid> {
        let program = Path::new(env!("CARGO_BIN_EXE_mgenjit-helper"));
        let program = program.canonicalize().expect("the helper");
        let folder = self.runtime.path().to_str().expect("UTF-8").to_owned();
        let is_here = |process: &Pid| {
            let line = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(&folder)
        };
        let mut all = processes::running(&program);
        all.retain(is_here);
        // What one of them starts is it, too, until it is a program of its own.
        let starters = all.clone();
        let is_started = |process: Pid| {
            processes::parent(process).is_some_and(|parent| starters.contains(&parent))
        };
        all.retain(|process| !is_started(*process));
        all
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.command("server", &["stop", "--force"]).output();
        for process in self.storing() {
            let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
        }
    }
}

#[track_caller]
fn wait(what: &str, is_there: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_there() {
        assert!(begun.elapsed() < PATIENCE, "waited for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A program that ends at once, with this status.
fn module(name: &str, status: u32) -> String {
    let half = status / 2;
    let mut text = String::new();
    let _ = write!(
        text,
        "define i32 @{name}(i32 %x) {{\n  %y = add i32 %x, %x\n  ret i32 %y\n}}\n\
         define i32 @main() {{\n  %y = call i32 @{name}(i32 {half})\n  %z = sub i32 %y, {}\n  ret i32 %z\n}}\n",
        half * 2
    );
    text
}

#[test]
fn a_later_process_finds_what_one_that_ended_at_once_ordered() {
    for mode in ["private", "shared"] {
        let site = Site::new(mode);
        let first = site.tiered("twice.ll");
        assert!(
            first.contains("compiled (miss), level O0"),
            "{mode}: {first}"
        );
        // Its descriptors are its own. Else this would have waited for it, as `run … | cat` would.
        for process in site.storing() {
            let descriptors = processes::descriptors(process);
            let foreign = |name: &String| name.starts_with("pipe:") || name.contains("twice.ll");
            assert!(!descriptors.iter().any(foreign), "{descriptors:?}");
            // A session of its own, and no terminal.
            let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("a process");
            let (_, rest) = stat.rsplit_once(')').expect("a name");
            let fields: Vec<&str> = rest.split_whitespace().collect();
            let (group, session, terminal) = (fields[2], fields[3], fields[4]);
            assert_eq!(
                (group, session),
                (&*process.to_string(), &*process.to_string())
            );
            assert_eq!(terminal, "0");
        }
        site.wait_for_entries(2);
        for tiers in [true, false] {
            let arguments = ["--tiers", "O0,O2", "--time", "twice.ll"];
            let arguments = if tiers {
                &arguments[..]
            } else {
                &arguments[2..]
            };
            let later = site.run(arguments).err;
            assert!(
                later.contains("from the cache (hit), level O2"),
                "{mode}: {later}"
            );
        }
        // Functions of the first tier are called so that they can be switched. With the level alone they are not.
        let low = site.run(&["-O0", "--time", "twice.ll"]).err;
        assert!(low.contains("compiled (miss), level O0"), "{mode}: {low}");
        assert_eq!(site.entries(), 3);
        wait("the storing process's end", || site.storing().is_empty());
    }
}

#[test]
fn many_processes_have_one_that_stores() {
    let site = Site::new("private");
    const COUNT: u32 = 12;
    let names: Vec<String> = (0..COUNT).map(|number| format!("m{number}.ll")).collect();
    for (number, name) in (0..).zip(&names) {
        site.place
            .write(name, module(&format!("f{number}"), 2 * number));
    }
    let start = |name: &String| {
        let mut command = site.command("run", &["--tiers", "O0,O2", name]);
        command.spawn().expect("run")
    };
    let started: Vec<_> = names.iter().map(start).collect();
    for mut process in started {
        assert!(process.wait().expect("an end").success());
    }
    // Those that are not needed hand over what they were given, and end.
    wait("one storing process", || site.storing().len() <= 1);
    site.wait_for_entries(2 * names.len());
    for name in &names {
        let later = site.tiered(name);
        assert!(later.contains("(hit), level O2"), "{later}");
    }
}

#[test]
fn what_somebody_waits_for_does_not_wait_for_the_rest() {
    const COUNT: usize = 8;
    for mode in ["private", "shared"] {
        let site = Site::new(mode);
        // Servers of what nobody waits for begin when there is a file.
        let server = env!("CARGO_BIN_EXE_mgenjit-server");
        let go = site.place.path("go");
        let script = format!(
            "#!/bin/sh\ncase \"$*\" in *--background*)\nwhile [ ! -e '{}' ]; do /bin/sleep 0.02; done;;\nesac\n\
             exec '{server}' \"$@\"\n",
            go.display()
        );
        site.place.write_program("server", &script);
        let helper = env!("CARGO_BIN_EXE_mgenjit-helper");
        std::os::unix::fs::symlink(helper, site.place.path("mgenjit-helper")).expect("a link");
        let run = |arguments: &[&str]| -> String {
            let mut command = site.command("run", arguments);
            command.env("MGENJIT_SERVER", site.place.path("server"));
            let ran: Ran = command.output().expect("run").into();
            assert_eq!(ran.code, 0, "{mode}: {ran:?}");
            ran.err
        };
        for number in 0..COUNT {
            let name = format!("m{number}.ll");
            site.place.write(&name, module(&format!("f{number}"), 4));
            let told = run(&["--tiers", "O0,O2", "--time", &name]);
            assert!(told.contains("level O0"), "{mode}: {told}");
        }
        // More than are begun at once: of these, and of one that others wait to have.
        for file in ["twice.ll", "m0.ll", "m7.ll"] {
            let told = run(&["-O2", "--time", file]);
            assert!(told.contains("compiled (miss), level O2"), "{mode}: {told}");
        }
        assert_eq!(site.entries(), COUNT + 3);
        // It lowers itself once it can be found.
        let is_lowered = |process: &Pid| {
            let stat = std::fs::read_to_string(format!("/proc/{process}/stat"));
            let stat = stat.unwrap_or_default();
            let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
            let fields: Vec<&str> = rest.split_whitespace().collect();
            const SCHED_IDLE: &str = "5";
            let (nice, policy) = (fields.get(16), fields.get(38));
            (nice, policy) == (Some(&"19"), Some(&SCHED_IDLE))
        };
        wait("the lowest priority", || {
            site.storing().iter().all(is_lowered)
        });
        std::fs::write(&go, "").expect("a file");
        // A server may have waited for so long that it was given up: then it is ordered again.
        for number in 0..COUNT {
            let name = format!("m{number}.ll");
            let tiered = ["--tiers", "O0,O2", "--time", &name];
            wait("code of the second tier", || {
                run(&tiered).contains("level O2")
            });
        }
    }
}

/// Who finds a process that is about to end gives its order to another one.
#[test]
fn a_process_that_ends_takes_no_orders_with_it() {
    let site = Site::new("private");
    site.tiered("twice.ll");
    site.wait_for_entries(2);
    let folder = site.runtime.path().join("mgenjit");
    let find = |suffix: &str| {
        let files = std::fs::read_dir(&folder).expect("a folder");
        let mut paths = files.map(|file| file.expect("a file").path());
        paths.find(|path| {
            let name = path.file_name().expect("a name").to_string_lossy();
            name.starts_with("store-") && name.ends_with(suffix)
        })
    };
    wait("the end of the first", || find(".socket").is_none());
    // This process is one that has begun, and does not listen yet.
    let lock = std::fs::File::open(find(".lock").expect("a lock")).expect("a lock");
    lock.lock().expect("the lock");
    let socket = find(".lock").expect("a lock").with_extension("socket");
    site.place.write("late.ll", module("late", 4));
    site.tiered("late.ll");
    let listener = UnixListener::bind(&socket).expect("a socket");
    // It ends before it has read the order.
    drop(listener.accept().expect("a connection"));
    std::fs::remove_file(&socket).expect("the socket");
    drop((listener, lock));
    site.wait_for_entries(4);
}

#[test]
fn without_a_cache_that_is_written_nothing_is_stored() {
    let site = Site::new("private");
    let ran = site.run(&["--no-cache", "--tiers", "O0,O2", "--time", "twice.ll"]);
    assert!(ran.err.contains("level O0"), "{ran:?}");
    assert!(site.storing().is_empty());
}

#[test]
fn tiers_are_off_unless_they_are_asked_for() {
    let site = Site::new("private");
    let ran = site.run(&["--time", "twice.ll"]);
    assert!(ran.err.contains("level O2"), "{ran:?}");
    let ran = site.run(&["--tiers", "O1,O1", "--time", "twice.ll"]);
    assert!(ran.err.contains("level O1"), "{ran:?}");
    assert!(site.storing().is_empty());
    assert_eq!(site.entries(), 2);
}

#[test]
fn the_environment_says_where_no_option_does() {
    #[track_caller]
    fn check(value: &str, options: &[&str], expect: &str) {
        let site = Site::new("private");
        let arguments = [options, &["--time", "twice.ll"]].concat();
        let mut command = site.command("run", &arguments);
        let ran: Ran = command
            .env("MGENJIT_TIERS", value)
            .output()
            .expect("run")
            .into();
        assert!(ran.err.contains(expect), "{value}: {ran:?}");
    }
    check("O0,O2", &[], "level O0");
    check("1,s", &[], "level O1");
    check("off", &[], "level O2");
    check("", &[], "level O2");
    check("O0,O2", &["-O3"], "level O3");
    check("O0,O2", &["--tiers", "O1,O2"], "level O1");
    // Debuggers are shown what was asked for.
    check("O0,O2", &["--debug-ir"], "level O2");
    for wrong in ["O0", "O0,O9", "O0,O1,O2", "O0, O2"] {
        check(wrong, &[], "set it to two optimisation levels");
    }
}

#[test]
fn a_signed_cache_gets_signed_code() {
    let site = Site::new("private");
    site.place.write_key("key");
    let signed = ["--sign", "key", "--trust", "key"];
    let arguments = [&signed[..], &["--tiers", "O0,O2", "--time", "twice.ll"]].concat();
    let first = site.run(&arguments).err;
    assert!(first.contains("level O0"), "{first}");
    site.wait_for_entries(2);
    let later = site.run(&arguments).err;
    assert!(later.contains("(hit), level O2"), "{later}");
}

#[test]
fn what_cannot_be_compiled_at_the_first_level_is_an_error() {
    let site = Site::new("private");
    site.place
        .write("wrong.ll", "define i32 @main() {\n  ret i64 1\n}\n");
    let ran: Ran = site
        .command("run", &["--tiers", "O0,O2", "wrong.ll"])
        .output()
        .expect("run")
        .into();
    assert_eq!(ran.code, 65, "{ran:?}");
    let ran: Ran = site
        .command("run", &["--tiers", "O0", "twice.ll"])
        .output()
        .expect("run")
        .into();
    assert_eq!(ran.code, 64, "{ran:?}");
    assert!(site.storing().is_empty());
}
