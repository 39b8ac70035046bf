//! Finds the helper of a store, and starts it.

use super::spec::Spec;
use crate::client::locate;
use crate::client::shared_server;
use crate::client::spawn::{self, Launch};
use crate::environment;
use crate::error::reason;
use crate::protocol::storage::endpoint::Endpoint;
use crate::protocol::storage::wire::Failure;
use crate::version::BUILD_ID;
use std::ffi::CString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// This package's helper, and the schemes that it knows.
const OURS: &str = "mgenjit-remote";
const OUR_SCHEMES: [&str; 12] = [
    "azblob",
    "file",
    "gcs",
    "http",
    "https",
    "memcached",
    "redis",
    "redis+unix",
    "rediss",
    "s3",
    "webdav",
    "webdavs",
];

/// The scheme of a helper that somebody else started: the path is that of its socket.
const SOCKET_SCHEME: &str = "crsh";

/// How long a helper that nobody uses stays, in seconds.
const IDLE_TIMEOUT: u32 = 300;

/// Where a store's helper listens, and what it is started with. The error says what is missing. `server`: the configured
/// compile server, beside which helpers are looked for first.
pub fn find(spec: &Spec, server: Option<&Path>) -> Result<Endpoint, String> {
    if spec.scheme == SOCKET_SCHEME {
        let path = spec.url.trim_start_matches("crsh:");
        let path = path.strip_prefix("//").unwrap_or(path);
        if !path.starts_with('/') {
            return Err(
                "the path of the helper's socket must be absolute, as in crsh:/run/helper.socket"
                    .to_owned(),
            );
        }
        return Ok(Endpoint {
            socket: path.as_bytes().to_vec(),
            program: Vec::new(),
            environment: Vec::new(),
        });
    }
    let program = program(spec, server)?;
    let variables = variables(spec);
    let mut hasher = blake3::Hasher::new();
    // Whatever changes what the helper does, and nothing else: so a password is part of it.
    for part in variables
        .iter()
        .map(|(_, value)| value.as_str())
        .chain([BUILD_ID])
    {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.update(program.as_os_str().as_encoded_bytes());
    let name = format!("remote-{}.socket", &hasher.finalize().to_hex()[..16]);
    let socket =
        shared_server::socket_named(&name, "a storage helper's").map_err(|error| error.message)?;
    let ours = (
        "CRSH_IPC_ENDPOINT".to_owned(),
        socket.to_string_lossy().into_owned(),
    );
    let mut all: Vec<Vec<u8>> = variables
        .into_iter()
        .chain([ours])
        .map(|(name, value)| format!("{name}={value}").into_bytes())
        .collect();
    // Helpers find their certificates, proxies and credentials in it.
    let others = environment::of_linkers().into_iter();
    all.extend(
        others.filter(|variable| {
            !variable.starts_with(b"CRSH_") && !variable.starts_with(b"MGENJIT_")
        }),
    );
    Ok(Endpoint {
        socket: socket.into_os_string().into_vec(),
        program: program.into_os_string().into_vec(),
        environment: all,
    })
}

fn program(spec: &Spec, server: Option<&Path>) -> Result<PathBuf, String> {
    if let Some(path) = &spec.helper {
        return Ok(path.clone());
    }
    let theirs = format!("ccache-storage-{}", spec.scheme);
    let known = OUR_SCHEMES.contains(&spec.scheme.as_str());
    let ours = known
        .then(|| locate::storage_helper(server, OURS))
        .flatten();
    ours.or_else(|| locate::storage_helper(server, &theirs))
        .ok_or_else(|| {
            let names = match known {
                true => format!("neither {OURS} nor {theirs}"),
                false => format!("no {theirs}"),
            };
            format!(
                "{names} was found, which would talk to it: install it beside mgenjit-helper or on $PATH, or name it with \
                 the attribute helper=/PATH"
            )
        })
}

/// What the specification of helpers says that they are told.
fn variables(spec: &Spec) -> Vec<(String, String)> {
    let mut variables = vec![
        ("CRSH_URL".to_owned(), spec.url.clone()),
        ("CRSH_IDLE_TIMEOUT".to_owned(), IDLE_TIMEOUT.to_string()),
        (
            "CRSH_NUM_ATTR".to_owned(),
            spec.attributes.len().to_string(),
        ),
    ];
    for (index, (name, value)) in spec.attributes.iter().enumerate() {
        variables.push((format!("CRSH_ATTR_KEY_{index}"), name.clone()));
        variables.push((format!("CRSH_ATTR_VALUE_{index}"), value.clone()));
    }
    variables
}

/// Starts a helper, which is no child of the host and outlives it.
pub fn start(endpoint: &Endpoint) -> Result<(), Failure> {
    let environment: Vec<CString> = endpoint
        .environment
        .iter()
        .filter_map(|variable| CString::new(variable.as_slice()).ok())
        .collect();
    let how = Launch {
        what: "storage helper",
        outlives: true,
        environment: &environment,
        ..Launch::default()
    };
    let program = endpoint.program();
    spawn::start(&program, &how).map(drop).map_err(|error| {
        Failure::Malformed(format!(
            "{} cannot be started: {}",
            program.display(),
            reason(&error)
        ))
    })
}
