//! Machines of a team, and the engines that they share.

use crate::support::skips;
use crate::support::tools::{self, Ran};
use crate::support::wait::until;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// The password of every engine that has one, which nobody may see.
pub const PASSWORD: &str = "hunter2-and-more";

pub fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| tools::build("remotes", &["run", "cache"]))
}

/// Ends with the test.
pub struct Engine(pub Child);

impl Engine {
    pub fn start(program: &str, arguments: &[&str], port: u16) -> Engine {
        let mut command = Command::new(program);
        command.args(arguments);
        Engine::start_command(command, port)
    }

    pub fn start_command(mut command: Command, port: u16) -> Engine {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(Stdio::null());
        let program = command.get_program().to_string_lossy().into_owned();
        let engine = Engine(command.spawn().expect(&program));
        until(&program, || TcpStream::connect(("127.0.0.1", port)).is_ok());
        engine
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

/// Some machines of one team: each has a cache; all of them are this user, so they have one helper.
pub struct Team {
    pub folder: TempDir,
    pub url: String,
    pub variables: Vec<(&'static str, String)>,
}

impl Team {
    pub fn new(url: &str) -> Team {
        // Short: a socket lies in it.
        let folder = tempfile::Builder::new()
            .prefix("mgenjit-")
            .tempdir()
            .expect("a folder");
        Team {
            folder,
            url: url.to_owned(),
            variables: Vec::new(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn command(&self, tool: &str, machine: &str) -> Command {
        let mut command = Command::new(programs().join(tool));
        command
            .env("XDG_RUNTIME_DIR", self.folder.path())
            .env("MGENJIT_SERVER", env!("CARGO_BIN_EXE_mgenjit-server"))
            .env("MGENJIT_CACHE_DIR", self.path(machine))
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Runs a program on a machine; `how`: how it uses the store.
    pub fn run(&self, machine: &str, how: &str, program: &Path) -> Ran {
        // However slow the machine is.
        self.run_with(machine, how, &["--remote-wait", "60"], program)
    }

    pub fn run_with(&self, machine: &str, how: &str, options: &[&str], program: &Path) -> Ran {
        let url = format!("{}|{how}", self.url);
        let mut command = self.command("run", machine);
        command
            .args(["--verbose", "--remote", &url])
            .args(options)
            .arg(program);
        let ran = Ran::from(command.output().expect("it runs"));
        assert!(!ran.err.contains(PASSWORD), "{}", ran.err);
        ran
    }

    /// What `mgenjit cache` says on a machine.
    pub fn cache(&self, machine: &str, arguments: &[&str]) -> Ran {
        let ran = Ran::from(
            self.command("cache", machine)
                .args(arguments)
                .output()
                .expect("it runs"),
        );
        assert!(
            !ran.err.contains(PASSWORD) && !ran.out.contains(PASSWORD),
            "{ran:?}"
        );
        ran
    }

    pub fn stats(&self, machine: &str) -> BTreeMap<String, serde_json::Value> {
        let mut command = self.command("cache", machine);
        let output = command.args(["stats", "--json"]).output().expect("stats");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// Waits until the machine's uploader has put so many files.
    pub fn wait_for_puts(&self, machine: &str, count: u64) {
        until("puts", || {
            let stats = self.stats(machine);
            assert_eq!(stats["remote_put_errors"], 0, "{stats:?}");
            stats["remote_puts"].as_u64().expect("a number") >= count
        });
    }

    /// The files that say that a store failed, or was slow.
    fn failures(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.path("mgenjit"))
            .into_iter()
            .flatten()
            .flatten();
        let files = files.map(|file| file.path());
        files
            .filter(|path| path.extension().is_some_and(|end| end == "down"))
            .collect()
    }

    /// Whether the machines' programs ask no store now.
    pub fn is_left_alone(&self) -> bool {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("a time")
            .as_micros() as u64;
        self.failures().iter().any(|path| {
            let bytes = std::fs::read(path).unwrap_or_default();
            bytes
                .first_chunk()
                .is_some_and(|until| u64::from_ne_bytes(*until) > now)
        })
    }

    pub fn forget_failures(&self) {
        for path in self.failures() {
            let _ = std::fs::remove_file(path);
        }
    }

    pub fn write(&self, name: &str, number: usize) -> PathBuf {
        let file = self.path(name);
        let text = format!("define i32 @main() {{\n  %x = add i32 {number}, 0\n  ret i32 %x\n}}\n");
        std::fs::write(&file, text).expect("a program");
        file
    }

    /// A program whose entry is so long that it is written into a file while it comes.
    pub fn write_long(&self, name: &str, number: usize) -> PathBuf {
        let file = self.path(name);
        let bytes: String = (0..400_000_u64)
            .map(|at| format!("\\{:02X}", at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56))
            .collect();
        let text = format!(
            "@data = constant [400000 x i8] c\"{bytes}\"\ndefine i32 @main() {{\n  \
             %x = load volatile i8, ptr @data\n  %y = zext i8 %x to i32\n  %z = add i32 %y, {number}\n  ret i32 %z\n}}\n"
        );
        std::fs::write(&file, text).expect("a program");
        file
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        end_helpers(&self.path("mgenjit"));
    }
}

/// Those whose sockets are in a folder: they would wait for minutes.
pub fn end_helpers(folder: &Path) {
    for socket in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if let Ok(mut socket) = UnixStream::connect(socket.path()) {
            let _ = socket.set_read_timeout(Some(Duration::from_secs(10)));
            let _ = socket.write_all(&[3]);
            let _ = socket.read_to_end(&mut Vec::new());
        }
    }
}

/// Whether there is all that a test needs.
pub fn has(test: &str, programs: &[&str]) -> bool {
    let name = format!("remotes: {test}");
    let server = Path::new(env!("CARGO_BIN_EXE_mgenjit-server"));
    if !server.with_file_name("mgenjit-remote").is_file() {
        skips::skip(&name, "there is no mgenjit-remote: run `make remote`");
        return false;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    for program in programs {
        let is_there = |folder: PathBuf| folder.join(program).is_file();
        if !Path::new(program).is_file() && !std::env::split_paths(&path).any(is_there) {
            skips::skip(&name, &format!("there is no {program}: run `make setup`"));
            return false;
        }
    }
    true
}

/// What one machine compiled, another one fetches, and what nobody can use is compiled anew.
pub fn check(team: &Team) {
    let program = team.write("program.ll", 7);
    let first = team.run("first", "read-write|unsigned", &program);
    assert_eq!(first.code, 7, "{first:?}");
    assert!(first.err.contains("compiling"), "{}", first.err);
    assert!(!first.err.contains("remote warning"), "{}", first.err);
    team.wait_for_puts("first", 2);
    let second = team.run("second", "read|unsigned", &program);
    assert_eq!(second.code, 7, "{second:?}");
    assert!(second.err.contains("from a remote"), "{}", second.err);
    assert!(!second.err.contains("compiling"), "{}", second.err);
    let stats = team.stats("second");
    assert_eq!(
        (&stats["remote_hits"], &stats["stores"]),
        (&1.into(), &0.into())
    );
    let third = team.run("second", "read|unsigned", &program);
    assert!(third.err.contains("in the cache"), "{}", third.err);
    let other = team.run(
        "second",
        "read|unsigned|namespace=other",
        &team.write("o.ll", 7),
    );
    assert!(other.err.contains("in the cache"), "{}", other.err);
    let elsewhere = team.run("third", "read|unsigned|namespace=other", &program);
    assert!(elsewhere.err.contains("compiling"), "{}", elsewhere.err);
    nobody_sees_the_password(team);
}

/// Looks at what `ps` shows of the helpers.
pub fn nobody_sees_the_password(team: &Team) {
    let mut helpers = 0;
    for process in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let read = |name: &str| std::fs::read(process.path().join(name)).unwrap_or_default();
        let [command, environment] = [read("cmdline"), read("environ")];
        let has = |bytes: &[u8], text: &str| {
            bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        };
        let folder = team.folder.path().to_str().expect("UTF-8");
        if has(&command, "mgenjit-remote") && has(&environment, folder) {
            helpers += 1;
            assert!(!has(&command, PASSWORD) && !has(&environment, PASSWORD));
        }
    }
    assert!(helpers >= 1);
}

pub fn redis(port: u16) -> Engine {
    redis_with(port, &[])
}

pub fn redis_with(port: u16, options: &[&str]) -> Engine {
    let number = port.to_string();
    let mut arguments = vec![
        "--bind",
        "127.0.0.1",
        "--port",
        &number,
        "--save",
        "",
        "--requirepass",
        PASSWORD,
    ];
    arguments.extend(options);
    Engine::start("redis-server", &arguments, port)
}
