//! Remote stores with the engines that people run: Redis, memcached, a web server, S3, a folder. Each is started on a port
//! of its own, and is asked by way of `mgenjit-remote`. What does not need a real engine is in `tests/c/remote.c`.

mod support;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;
use support::tools::{self, Ran};
use support::wait::until;
use support::{skips, source};
use tempfile::TempDir;

/// The password of every engine that has one, which nobody may see.
const PASSWORD: &str = "hunter2-and-more";

fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| tools::build("remotes", &["run", "cache"]))
}

/// Ends with the test.
struct Engine(Child);

impl Engine {
    fn start(program: &str, arguments: &[&str], port: u16) -> Engine {
        let mut command = Command::new(program);
        command.args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(Stdio::null());
        let engine = Engine(command.spawn().expect(program));
        until(program, || TcpStream::connect(("127.0.0.1", port)).is_ok());
        engine
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

/// Some machines of one team: each has a cache; all of them are this user, so they have one helper.
struct Team {
    folder: TempDir,
    url: String,
    variables: Vec<(&'static str, String)>,
}

impl Team {
    fn new(url: &str) -> Team {
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

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, tool: &str, machine: &str) -> Command {
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
    fn run(&self, machine: &str, how: &str, program: &Path) -> Ran {
        let url = format!("{}|{how}", self.url);
        let mut command = self.command("run", machine);
        // However slow the machine is.
        let options = ["--verbose", "--remote-wait", "60", "--remote", &url];
        command.args(options).arg(program);
        let ran = Ran::from(command.output().expect("it runs"));
        assert!(!ran.err.contains(PASSWORD), "{}", ran.err);
        ran
    }

    fn stats(&self, machine: &str) -> BTreeMap<String, serde_json::Value> {
        let mut command = self.command("cache", machine);
        let output = command.args(["stats", "--json"]).output().expect("stats");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// Waits until the machine's uploader has put so many files.
    fn wait_for_puts(&self, machine: &str, count: u64) {
        until("puts", || {
            let stats = self.stats(machine);
            assert_eq!(stats["remote_put_errors"], 0, "{stats:?}");
            stats["remote_puts"].as_u64().expect("a number") >= count
        });
    }

    fn write(&self, name: &str, number: usize) -> PathBuf {
        let file = self.path(name);
        let text = format!("define i32 @main() {{\n  %x = add i32 {number}, 0\n  ret i32 %x\n}}\n");
        std::fs::write(&file, text).expect("a program");
        file
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        // Ends the helpers: they would wait for minutes.
        let sockets = std::fs::read_dir(self.path("mgenjit"));
        for socket in sockets.into_iter().flatten().flatten() {
            if let Ok(mut socket) = UnixStream::connect(socket.path()) {
                let _ = socket.set_read_timeout(Some(Duration::from_secs(10)));
                let _ = socket.write_all(&[3]);
                let _ = socket.read_to_end(&mut Vec::new());
            }
        }
    }
}

/// Whether there is all that a test needs.
fn has(test: &str, programs: &[&str]) -> bool {
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
fn check(team: &Team) {
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
fn nobody_sees_the_password(team: &Team) {
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

fn redis(port: u16) -> Engine {
    let number = port.to_string();
    let arguments = [
        "--bind",
        "127.0.0.1",
        "--port",
        &number,
        "--save",
        "",
        "--requirepass",
        PASSWORD,
    ];
    Engine::start("redis-server", &arguments, port)
}

#[test]
fn a_folder() {
    if has("a_folder", &[]) {
        let folder = tempfile::tempdir().expect("a folder");
        check(&Team::new(&format!("file://{}", folder.path().display())));
    }
}

#[test]
fn redis_with_a_password() {
    if !has("redis_with_a_password", &["redis-server"]) {
        return;
    }
    let port = free_port();
    let engine = redis(port);
    let team = Team::new(&format!("redis://:{PASSWORD}@127.0.0.1:{port}"));
    check(&team);
    // It is gone, and comes back with nothing.
    drop(engine);
    let program = team.write("later.ll", 9);
    let alone = team.run("alone", "read-write|unsigned", &program);
    assert_eq!(alone.code, 9);
    let _engine = redis(port);
    until("the store is tried again", || {
        let number = std::fs::read_dir(team.folder.path())
            .expect("a folder")
            .count();
        let ran = team.run(&format!("again-{number}"), "read|unsigned", &program);
        assert_eq!(ran.code, 9);
        // It has it if the first machine's uploader was still trying.
        let stats = team.stats(&format!("again-{number}"));
        stats["remote_misses"] == 1 || stats["remote_hits"] == 1
    });
}

#[test]
fn memcached() {
    if has("memcached", &["memcached"]) {
        let port = free_port();
        let number = port.to_string();
        let arguments = [
            "-l",
            "127.0.0.1",
            "-p",
            &number,
            "-U",
            "0",
            "-I",
            "64m",
            "-m",
            "256",
            "-u",
            "root",
        ];
        let _engine = Engine::start("memcached", &arguments, port);
        check(&Team::new(&format!("memcached://127.0.0.1:{port}")));
    }
}

#[test]
fn a_web_server() {
    const EXTENSION: &str = "/usr/lib/nginx/modules/ngx_http_dav_ext_module.so";
    if !has("a_web_server", &["/usr/sbin/nginx", EXTENSION]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let place = folder.path().display();
    std::fs::create_dir(folder.path().join("root")).expect("a folder");
    let user = if rustix::process::geteuid().is_root() {
        "user root;"
    } else {
        ""
    };
    let text = format!(
        "load_module {EXTENSION};\n{user} daemon off; pid {place}/pid; error_log {place}/log; events {{}}\n\
         http {{ access_log off; client_max_body_size 64m; client_body_temp_path {place}/body;\n\
         proxy_temp_path {place}/p; fastcgi_temp_path {place}/f; uwsgi_temp_path {place}/u; scgi_temp_path {place}/s;\n\
         server {{ listen 127.0.0.1:{port}; root {place}/root; dav_methods PUT DELETE MKCOL COPY MOVE;\n\
         dav_ext_methods PROPFIND OPTIONS; create_full_put_path on; }} }}\n"
    );
    let config = folder.path().join("nginx.conf");
    std::fs::write(&config, text).expect("a configuration");
    let config = config.to_str().expect("UTF-8");
    let log = format!("{place}/log");
    let engine = Engine::start("/usr/sbin/nginx", &["-c", config, "-e", &log], port);
    check(&Team::new(&format!("http://127.0.0.1:{port}/cache")));
    // Its worker ends with it if it may say goodbye.
    let _ = Command::new("kill").arg(engine.0.id().to_string()).status();
}

#[test]
fn s3() {
    let moto = source("target/moto/bin/moto_server");
    if !has("s3", &[moto.to_str().expect("UTF-8")]) {
        return;
    }
    let port = free_port();
    let number = port.to_string();
    let program = moto.to_str().expect("UTF-8");
    let _engine = Engine::start(program, &["-H", "127.0.0.1", "-p", &number], port);
    let mut bucket = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    let request = format!(
        "PUT /bucket HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    bucket.write_all(request.as_bytes()).expect("said");
    let mut answer = String::new();
    bucket.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let url = format!(
        "s3://bucket/team?endpoint=http://127.0.0.1:{port}&secret_access_key={PASSWORD}&access_key_id=test"
    );
    check(&Team::new(&url));
}

/// As many machines and modules as this, on Redis: no compile of what was put.
fn many(machines: usize, modules: usize) {
    let port = free_port();
    let _engine = redis(port);
    let team = Team::new(&format!("redis://:{PASSWORD}@127.0.0.1:{port}"));
    let programs: Vec<PathBuf> = (0..modules)
        .map(|number| team.write(&format!("{number}.ll"), number))
        .collect();
    let run = |machine: &str, number: usize| {
        let ran = team.run(machine, "read-write|unsigned", &programs[number]);
        assert_eq!(ran.code, number as i32 & 255, "{ran:?}");
        ran.err.contains("compiling")
    };
    // All at once: what two miss at the same time, both compile.
    let at_once = modules / 4;
    let compiled: usize = std::thread::scope(|scope| {
        let each = |machine: usize| {
            let run = &run;
            move || {
                (0..at_once)
                    .filter(|number| run(&format!("m{machine}"), *number))
                    .count()
            }
        };
        let threads: Vec<_> = (0..machines)
            .map(|machine| scope.spawn(each(machine)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .sum()
    });
    println!("{at_once} modules on {machines} machines at once: {compiled} compiles");
    // One after the other: the first compiles, and the others wait for its puts.
    let before = team.stats("m0")["remote_puts"].as_u64().expect("a number");
    let compiled = (at_once..modules)
        .filter(|number| run("m0", *number))
        .count();
    assert_eq!(compiled, modules - at_once);
    team.wait_for_puts("m0", before + 2 * compiled as u64);
    std::thread::scope(|scope| {
        for machine in 1..machines {
            let run = &run;
            scope.spawn(move || {
                let compiled = (at_once..modules)
                    .filter(|number| run(&format!("m{machine}"), *number))
                    .count();
                assert_eq!(compiled, 0, "machine {machine} compiled what was put");
            });
        }
    });
}

#[test]
fn machines_of_a_team() {
    if has("machines_of_a_team", &["redis-server"]) {
        many(8, 16);
    }
}

#[test]
#[ignore = "it takes minutes: make soak"]
fn soak_machines_of_a_team() {
    if has("soak_machines_of_a_team", &["redis-server"]) {
        many(8, 500);
    }
}
