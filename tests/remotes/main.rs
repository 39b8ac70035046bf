//! Remote stores with the engines that people run: Redis, memcached, a web server, S3, Google Cloud Storage, Azure, a folder. Each
//! is started on a port of its own, and is asked by way of `mgenjit-remote`. `faults` is what engines do wrong. What does not need
//! a real engine is in `tests/c/remote.c`.

mod faults;
mod proxy;
mod secrets;
#[path = "../support/mod.rs"]
mod support;
mod team;

use faults::Client;
use std::fs::Permissions;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::tools::Ran;
use support::wait::until;
use support::{skips, source};
use team::{Engine, PASSWORD, Team, check, free_port, has, redis};

#[test]
fn a_folder() {
    if has("a_folder", &[]) {
        let folder = tempfile::tempdir().expect("a folder");
        let team = Team::new(&format!("file://{}", folder.path().display()));
        check(&team);
        check_requests(&team);
    }
}

/// Those of more than a megabyte are compressed on their way, if that is worth it.
#[test]
fn large_entries() {
    if !has("large_entries", &[]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let team = Team::new(&format!("file://{}", folder.path().display()));
    for (name, shrinks) in [("noise", false), ("pattern", true)] {
        let bytes: String = (0..1_200_000_u64)
            .map(|at| match shrinks {
                true => format!("\\{:02X}", (at / 64 * 7 + at % 5) as u8),
                false => format!("\\{:02X}", at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56),
            })
            .collect();
        let text = format!(
            "@data = constant [1200000 x i8] c\"{bytes}\"\ndefine i32 @main() {{\n  \
             %p = getelementptr i8, ptr @data, i64 7\n  %x = load volatile i8, ptr %p\n  \
             %y = zext i8 %x to i32\n  ret i32 %y\n}}\n"
        );
        let program = team.path(&format!("{name}.ll"));
        std::fs::write(&program, text).expect("a program");
        let writer = format!("writer of {name}");
        let first = team.run(&writer, "read-write|unsigned", &program);
        assert!(first.err.contains("compiling"), "{first:?}");
        team.wait_for_puts(&writer, 2);
        let reader = format!("reader of {name}");
        let second = team.run(&reader, "read|unsigned", &program);
        assert!(second.err.contains("from a remote"), "{second:?}");
        assert_eq!((first.code, second.code != 0), (second.code, true));
    }
    let mut lengths = files_below(folder.path());
    lengths.retain(|len| *len > 1000);
    assert!(
        lengths.len() == 2 && lengths.iter().any(|len| *len < 1_000_000),
        "{lengths:?}"
    );
}

/// A machine that has the profile gets what another one optimised by it, and nothing else.
#[test]
fn profiles() {
    if !has("profiles", &[]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let team = Team::new(&format!("file://{}", folder.path().display()));
    let program = team.write("program.ll", 7);
    let profile = team.path("program.profdata").display().to_string();
    let run = |machine: &str, how: &str, options: &[&str]| {
        let options = [&["--remote-wait", "60"], options].concat();
        let ran = team.run_with(machine, how, &options, &program);
        assert!(ran.code == 7 && !ran.err.contains("warning"), "{ran:?}");
        ran.err
    };
    let counts = ["--profile-generate", profile.as_str()];
    let uses = ["--profile-use", profile.as_str()];
    let compiled = run("first", "read-write|unsigned", &counts);
    assert!(compiled.contains("compiling"), "{compiled}");
    team.wait_for_puts("first", 2);
    let compiled = run("first", "read-write|unsigned", &uses);
    assert!(compiled.contains("compiling"), "{compiled}");
    team.wait_for_puts("first", 4);
    let fetched = run("second", "read|unsigned", &uses);
    assert!(fetched.contains("from a remote"), "{fetched}");
    let fetched = run("third", "read|unsigned", &counts);
    assert!(fetched.contains("from a remote"), "{fetched}");
    // The profile counts one more run now, so it is another one.
    let compiled = run("fourth", "read|unsigned", &uses);
    assert!(compiled.contains("compiling"), "{compiled}");
    let compiled = run("fifth", "read|unsigned", &[]);
    assert!(compiled.contains("compiling"), "{compiled}");
}

/// How long the files below a folder are.
fn files_below(folder: &Path) -> Vec<u64> {
    let mut lengths = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let metadata = entry.metadata().expect("metadata");
        match metadata.is_dir() {
            true => lengths.extend(files_below(&entry.path())),
            false => lengths.push(metadata.len()),
        }
    }
    lengths
}

/// What people ask of a store that can list what it has.
fn check_requests(team: &Team) {
    let ask = |machine: &str, how: &str, arguments: &[&str]| {
        let url = format!("{}|unsigned|{how}", team.url);
        let arguments = [arguments, &["--remote", &url, "--json"]].concat();
        let ran = team.cache(machine, &arguments);
        assert_eq!(ran.code, 0, "{ran:?}");
        serde_json::from_str::<serde_json::Value>(&ran.out).expect("JSON")
    };
    let status = ask("first", "read", &["remote", "status"]);
    assert_eq!(
        (&status["answers"], &status["reads"]),
        (&true.into(), &true.into())
    );
    assert!(
        status["helper"]
            .as_str()
            .expect("a name")
            .starts_with("mgenjit-remote ")
    );

    // Another namespace keeps what it has.
    let program = team.path("program.ll");
    team.run(
        "other-team",
        "read-write|unsigned|namespace=other",
        &program,
    );
    team.wait_for_puts("other-team", 2);
    let nothing = ask("first", "write", &["remote", "gc", "--max-age", "1d"]);
    assert_eq!(
        (&nothing["removed"], &nothing["left"]),
        (&0.into(), &2.into())
    );
    let all = ask("first", "write", &["remote", "gc", "--max-size", "1"]);
    assert_eq!((&all["removed"], &all["left"]), (&2.into(), &0.into()));
    let ran = team.run("after", "read|unsigned", &program);
    assert!(ran.code == 7 && ran.err.contains("compiling"), "{ran:?}");
    let ran = team.run("after-other", "read|unsigned|namespace=other", &program);
    assert!(
        ran.code == 7 && ran.err.contains("from a remote"),
        "{ran:?}"
    );

    // By hand, there and back.
    let pushed = ask("first", "write", &["remote", "push", "--all"]);
    assert_eq!(
        (&pushed["pushed"], &pushed["entries"]),
        (&1.into(), &1.into())
    );
    assert_eq!(
        ask("first", "write", &["remote", "push", "--all"])["pushed"],
        0
    );
    let listed = team.cache("first", &["list", "--keys"]);
    let key = listed.out.trim();
    assert_eq!(
        ask("by-hand", "read", &["remote", "pull", key])["pulled"],
        1
    );
    assert_eq!(
        ask("by-hand", "read", &["remote", "pull", key])["pulled"],
        0
    );
    let ran = team.run("by-hand", "read|unsigned", &program);
    assert!(ran.code == 7 && ran.err.contains("in the cache"), "{ran:?}");
    let remote = format!("--remote={}|unsigned", team.url);
    let ran = team.cache(
        "nobody",
        &["explain", &remote, program.to_str().expect("UTF-8")],
    );
    assert!(
        ran.code == 1 && ran.out.contains("would fetch it from the remote"),
        "{ran:?}"
    );
}

/// Through TLS, with a certificate that the system does not know, and by a socket of this machine.
#[test]
fn redis_by_other_ways() {
    if !has("redis_by_other_ways", &["redis-server", "openssl"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (certificate, key, socket) = (path("certificate"), path("key"), path("socket"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ])
        .args([
            "-days",
            "2",
            "-subj",
            "/CN=mgenjit-remotes-test",
            "-addext",
            "subjectAltName=DNS:localhost",
        ])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", &key, "-out", &certificate])
        .output()
        .expect("openssl");
    assert!(made.status.success(), "{made:?}");
    let (port, secure) = (free_port(), free_port());
    let secure = secure.to_string();
    let engine = team::redis_with(
        port,
        &[
            "--tls-port",
            &secure,
            "--tls-cert-file",
            &certificate,
            "--tls-key-file",
            &key,
            "--tls-auth-clients",
            "no",
            "--unixsocket",
            &socket,
        ],
    );
    let mut team = Team::new(&format!("rediss://:{PASSWORD}@localhost:{secure}"));
    // It only reads: an uploader would start the helper again, without the certificate.
    let ran = team.run("distrusts", "read|unsigned", &team.write("one.ll", 1));
    assert!(
        ran.code == 1 && ran.err.contains("remote warning"),
        "{ran:?}"
    );
    team.variables.push(("SSL_CERT_FILE", certificate));
    team::end_helpers(&team.path("mgenjit"));
    team.forget_failures();
    check(&team);
    team.url = format!("redis+unix://{socket}?password={PASSWORD}&db=1");
    let ran = team.run("by-socket", "read-write|unsigned", &team.write("two.ll", 2));
    assert!(ran.code == 2 && !ran.err.contains("warning"), "{ran:?}");
    team.wait_for_puts("by-socket", 2);
    drop(engine);
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
    check_requests(&team);
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

const NGINX: &str = "/usr/sbin/nginx";
const NGINX_DAV: &str = "/usr/lib/nginx/modules/ngx_http_dav_ext_module.so";

/// A web server that says goodbye to its worker when it ends.
struct Nginx(Engine);

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.0.id().to_string()).status();
    }
}

fn nginx(folder: &Path, port: u16) -> Nginx {
    let place = folder.display();
    std::fs::create_dir(folder.join("root")).expect("a folder");
    let user = if rustix::process::geteuid().is_root() {
        "user root;"
    } else {
        ""
    };
    let text = format!(
        "load_module {NGINX_DAV};\n{user} daemon off; pid {place}/pid; error_log {place}/log; events {{}}\n\
         http {{ access_log off; client_max_body_size 64m; client_body_temp_path {place}/body;\n\
         proxy_temp_path {place}/p; fastcgi_temp_path {place}/f; uwsgi_temp_path {place}/u; scgi_temp_path {place}/s;\n\
         server {{ listen 127.0.0.1:{port}; root {place}/root; dav_methods PUT DELETE MKCOL COPY MOVE;\n\
         dav_ext_methods PROPFIND OPTIONS; create_full_put_path on; }} }}\n"
    );
    let config = folder.join("nginx.conf");
    std::fs::write(&config, text).expect("a configuration");
    let config = config.to_str().expect("UTF-8");
    let log = format!("{place}/log");
    Nginx(Engine::start(NGINX, &["-c", config, "-e", &log], port))
}

#[test]
fn a_web_server() {
    if !has("a_web_server", &[NGINX, NGINX_DAV]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let _engine = nginx(folder.path(), port);
    let team = Team::new(&format!("http://127.0.0.1:{port}/cache"));
    check(&team);
    check_requests(&team);
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
    let team = Team::new(&url);
    check(&team);
    check_requests(&team);
}

/// Says something to a web server that listens on this machine.
fn ask_web(port: u16, head: &str, body: &str) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    let request = format!(
        "{head}\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("said");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
}

#[test]
fn google_cloud_storage() {
    let server = source("target/fake-gcs/fake-gcs-server");
    let program = server.to_str().expect("UTF-8");
    if !has("google_cloud_storage", &[program]) {
        return;
    }
    let port = free_port();
    let (number, host) = (port.to_string(), format!("127.0.0.1:{port}"));
    let arguments = [
        "-scheme",
        "http",
        "-backend",
        "memory",
        "-host",
        "127.0.0.1",
        "-port",
        &number,
        "-public-host",
        &host,
    ];
    let _engine = Engine::start(program, &arguments, port);
    let json = "Content-Type: application/json";
    ask_web(
        port,
        &format!("POST /storage/v1/b?project=p HTTP/1.1\r\n{json}"),
        "{\"name\": \"bucket\"}",
    );
    let url = format!(
        "gcs://bucket/team?endpoint=http://{host}&token={PASSWORD}&disable_vm_metadata=true&disable_config_load=true"
    );
    let team = Team::new(&url);
    check(&team);
    check_requests(&team);
}

#[test]
fn azure() {
    let server = source("target/azurite/node_modules/.bin/azurite-blob");
    let program = server.to_str().expect("UTF-8");
    if !has("azure", &[program, "openssl", "node"]) {
        return;
    }
    // The account that everybody knows.
    const ACCOUNT: &str = "devstoreaccount1";
    let key = format!("{:A<86}==", PASSWORD.replace('-', "+"));
    let port = free_port();
    let number = port.to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().to_str().expect("UTF-8");
    let mut command = Command::new(program);
    command.env("AZURITE_ACCOUNTS", format!("{ACCOUNT}:{key}"));
    command.args([
        "--blobHost",
        "127.0.0.1",
        "--blobPort",
        &number,
        "--location",
        place,
        "--silent",
        "--loose",
    ]);
    command.arg("--skipApiVersionCheck");
    let _engine = Engine::start_command(command, port);
    // A container, with the signature that Azure wants.
    let date = "Sat, 28 Nov 2026 00:00:00 GMT";
    let version = "2021-08-06";
    let text = format!(
        "PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-version:{version}\n/{ACCOUNT}/{ACCOUNT}/container\nrestype:container"
    );
    std::fs::write(folder.path().join("text"), text).expect("written");
    let sign = format!(
        "openssl dgst -sha256 -mac HMAC -macopt hexkey:$(printf %s '{key}' | openssl base64 -d -A | od -An -vtx1 | tr -d ' \n') \
         -binary '{place}/text' | openssl base64 -A"
    );
    let signed = Command::new("sh").args(["-c", &sign]).output().expect("sh");
    let signature = String::from_utf8(signed.stdout).expect("ASCII");
    let head = format!(
        "PUT /{ACCOUNT}/container?restype=container HTTP/1.1\r\nx-ms-date: {date}\r\nx-ms-version: {version}\r\n\
         Authorization: SharedKey {ACCOUNT}:{signature}"
    );
    ask_web(port, &head, "");
    let escaped = key.replace('+', "%2B").replace('=', "%3D");
    let url = format!(
        "azblob://container/team?endpoint=http://127.0.0.1:{port}/{ACCOUNT}&account_name={ACCOUNT}&account_key={escaped}"
    );
    let team = Team::new(&url);
    check(&team);
    check_requests(&team);
}

/// ccache's own helper, if this machine has it.
#[test]
fn ccache_helper_for_http() {
    if !has(
        "ccache_helper_for_http",
        &["ccache-storage-http", NGINX, NGINX_DAV],
    ) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let _engine = nginx(folder.path(), port);
    for layout in ["subdirs", "flat", "bazel"] {
        let mut team = Team::new(&format!("http://127.0.0.1:{port}/cache-{layout}"));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let helper = std::env::split_paths(&path).map(|folder| folder.join("ccache-storage-http"));
        let helper = helper
            .into_iter()
            .find(|path| path.is_file())
            .expect("it was found");
        team.url = format!("{}|@layout={layout}|helper={}", team.url, helper.display());
        let program = team.write("program.ll", 7);
        let first = team.run("first", "read-write|unsigned", &program);
        assert_eq!(first.code, 7, "{first:?}");
        team.wait_for_puts("first", 2);
        let second = team.run("second", "read|unsigned", &program);
        assert!(
            second.code == 7 && second.err.contains("from a remote"),
            "{layout}: {second:?}"
        );
    }
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

/// Machines whose programs are different users', each with a helper of its own.
#[test]
fn users_of_their_own() {
    if !has("users_of_their_own", &["redis-server"]) {
        return;
    }
    let name = "remotes: users_of_their_own";
    if !rustix::process::geteuid().is_root() {
        skips::skip(name, "only root can be another user");
        return;
    }
    let port = free_port();
    let _engine = redis(port);
    let team = Team::new(&format!("redis://:{PASSWORD}@127.0.0.1:{port}"));
    std::fs::set_permissions(team.folder.path(), Permissions::from_mode(0o755)).expect("set");
    let program = team.write("program.ll", 7);
    let mut helpers = 0;
    for (number, user) in [54321_u32, 54322, 54323].into_iter().enumerate() {
        let home = team.path(&format!("user-{user}"));
        std::fs::create_dir(&home).expect("a folder");
        std::os::unix::fs::chown(&home, Some(user), Some(user)).expect("given");
        std::fs::set_permissions(&home, Permissions::from_mode(0o700)).expect("set");
        let url = format!("{}|read-write|unsigned", team.url);
        let mut command = team.command("run", &format!("user-{user}/cache"));
        command
            .env("XDG_RUNTIME_DIR", &home)
            .env("HOME", &home)
            .uid(user)
            .gid(user);
        command
            .args(["--verbose", "--remote-wait", "60", "--remote", &url])
            .arg(&program);
        let ran = match command.output() {
            Ok(output) => Ran::from(output),
            Err(error) => {
                skips::skip(
                    name,
                    &format!("another user cannot run what is built here: {error}"),
                );
                return;
            }
        };
        assert_eq!(ran.code, 7, "{ran:?}");
        let expected = if number == 0 {
            "compiling"
        } else {
            "from a remote"
        };
        assert!(ran.err.contains(expected), "{ran:?}");
        if number == 0 {
            // The uploader goes on when the program has ended.
            let has_both = || Client::new(port).ask(&[b"DBSIZE"])[0] == b"2";
            until("both files are there", has_both);
        }
        let sockets = std::fs::read_dir(home.join("mgenjit"))
            .expect("a folder")
            .flatten();
        helpers += sockets
            .filter(|file| file.path().extension() == Some("socket".as_ref()))
            .count();
        team::end_helpers(&home.join("mgenjit"));
    }
    assert_eq!(helpers, 3);
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
