//! Talks to a remote store for all processes of a user: `mgenjit-remote`.
//!
//! It is a storage helper as ccache's are: the environment says where it listens and which store it is for, and programs say
//! on its socket what they want (`mgenjit::protocol::storage`). `store` is the store, by opendal, `redis` or `memcached`; `path` says what
//! keys are called there; `serve` is the socket, and `fill` writes long values into files of those who ask. It ends when nobody has used it for a while.

mod fill;
mod memcached;
mod path;
mod redis;
mod redis_get;
mod secrets;
mod serve;
mod store;
mod value;

use mgenjit::environment;
use std::ffi::CString;
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "usage: mgenjit-remote
       mgenjit-remote --version
libmgenjit starts this program by itself, and ccache can: CRSH_IPC_ENDPOINT is the path of the socket, CRSH_URL the store,
CRSH_IDLE_TIMEOUT the seconds after which it ends if nobody uses it.";

fn main() -> ExitCode {
    let failed = |message: String| {
        eprintln!("mgenjit-remote: {message}");
        ExitCode::from(1)
    };
    match std::env::args().nth(1).as_deref() {
        None => {}
        Some("--version") => {
            println!("mgenjit-remote {}", mgenjit::version::PACKAGE_VERSION);
            return ExitCode::SUCCESS;
        }
        Some(_) => {
            println!("{USAGE}");
            return ExitCode::from(2);
        }
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => failed(message),
    }
}

fn run() -> Result<(), String> {
    let variable = |name: &str| {
        let name = CString::new(name).ok()?;
        environment::variable(&name)?.into_string().ok()
    };
    let needed = |name: &str| variable(name).ok_or_else(|| format!("{name} is not set\n{USAGE}"));
    let socket = needed("CRSH_IPC_ENDPOINT")?;
    let url = needed("CRSH_URL")?;
    let idle = variable("CRSH_IDLE_TIMEOUT").map_or(Ok(0), |seconds| seconds.parse());
    let idle = idle.map_err(|_| "CRSH_IDLE_TIMEOUT is not a number of seconds".to_owned())?;
    let count = variable("CRSH_NUM_ATTR").and_then(|count| count.parse().ok());
    let attributes: Vec<(String, String)> = (0..count.unwrap_or(0_u16))
        .filter_map(|index| {
            let name = variable(&format!("CRSH_ATTR_KEY_{index}"))?;
            let value = variable(&format!("CRSH_ATTR_VALUE_{index}")).unwrap_or_default();
            Some((name, value))
        })
        .collect();
    let store = store::Store::open(&url, &attributes)?;
    // SAFETY: this is the only thread.
    unsafe { environment::forget(&["CRSH_URL=", "CRSH_ATTR_VALUE_"]) };
    limit_memory();
    // A file that becomes longer than this process may write is an error, not a signal.
    // SAFETY: to ignore a signal runs no code.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(serve::serve(&socket, store, Duration::from_secs(idle)))
}

/// A store that answers without end must not take all memory.
fn limit_memory() {
    let most = rustix::process::Rlimit {
        current: Some(8 << 30),
        maximum: Some(8 << 30),
    };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Data, most);
}
