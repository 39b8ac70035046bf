//! `mgenjit-helper link`: requests that are malformed or hostile, and its end at a bad moment.

use crate::client::{Server, Spawn, memfd};
use crate::wait;
use mgenjit::protocol::external_linker::{Argument, DriverFailure, DriverReply, DriverRequest};
use mgenjit::protocol::messages::Hello;
use mgenjit::protocol::payload;
use mgenjit::protocol::transport::{self, TransportError};
use mgenjit::types::Input;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

const SPAWN: &str = concat!(
    "exec '",
    env!("CARGO_BIN_EXE_mgenjit-helper"),
    "' link \"$@\""
);

fn start() -> Server {
    Server::start_with(Spawn {
        script: Some(SPAWN),
        ..Spawn::default()
    })
}

/// A request to run `sh -c script sh OUTPUT INPUTS…` with a temporary folder.
fn request(folder: &Path, script: &str, inputs: &[&[u8]]) -> DriverRequest {
    let text = |text: &str| Argument::Text(text.as_bytes().to_vec());
    let mut arguments = vec![text("-c"), text(script), text("sh"), Argument::Output];
    arguments.extend((0..inputs.len() as u32).map(Argument::Input));
    DriverRequest {
        program: b"sh".to_vec(),
        arguments,
        environment: vec![[b"TMPDIR=", folder.as_os_str().as_bytes()].concat()],
        folder: b"/".to_vec(),
        timeout: 60_000,
        inputs: inputs
            .iter()
            .map(|input| Input {
                name: "x".to_owned(),
                len: input.len() as u64,
            })
            .collect(),
    }
}

fn ask(server: &Server, request: &DriverRequest, payload: Option<&OwnedFd>) -> DriverReply {
    transport::send(&server.socket, request, payload.map(AsFd::as_fd)).unwrap();
    server
        .socket
        .set_read_timeout(Some(Duration::from_mins(5)))
        .unwrap();
    transport::receive(&server.socket).unwrap().0
}

#[track_caller]
fn not_run(request: &DriverRequest, payload: Option<OwnedFd>, expect: &str) {
    let mut server = start();
    match ask(&server, request, payload.as_ref()) {
        DriverReply::Failed {
            failure: DriverFailure::NotRun(why),
            ..
        } => assert!(why.contains(expect), "{expect}: {why}"),
        other => panic!("{expect}: {other:?}"),
    }
    assert!(server.wait().0.success());
}

#[test]
fn frames_that_are_no_request_end_it() {
    for (len, body, expect) in [
        (u32::MAX, &b"x"[..], "4294967295 bytes"),
        (3, b"\xff\xff\xff", "does not decode"),
        (0, b"", "does not decode"),
    ] {
        let mut server = start();
        server.send_frame(len, body);
        let (status, words) = server.wait();
        assert_eq!(status.code(), Some(1));
        assert!(words.contains(expect), "{words}");
    }
    // Cut off, and never sent.
    let server = start();
    server.send_frame(1000, b"x");
    assert_eq!(server.hang_up().code(), Some(1));
    assert_eq!(start().hang_up().code(), Some(0));
    // Another version.
    let mut server = Server::spawn(Spawn {
        script: Some(SPAWN),
        ..Spawn::default()
    });
    server.greet(&Hello {
        protocol: 0,
        ..Hello::ours()
    });
    assert_eq!(server.wait().0.code(), Some(1));
}

#[test]
fn requests_that_contradict_themselves_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let inputs: [&[u8]; 2] = [b"one", b"two"];
    let good = request(folder, "cat \"$2\" \"$3\" >\"$1\"", &inputs);
    let sealed = || payload::seal_inputs(&inputs).unwrap();
    let payload = sealed();
    let server = start();
    assert_eq!(
        ask(&server, &good, Some(&payload)),
        DriverReply::Linked { len: 6 }
    );

    not_run(&good, None, "none came");
    not_run(&good, Some(payload::seal(&[b"short"]).unwrap()), "5 bytes");
    not_run(&good, Some(memfd(4099, b"one", false)), "not sealed");
    let change = |change: &dyn Fn(&mut DriverRequest)| {
        let mut request = good.clone();
        change(&mut request);
        request
    };
    let huge = change(&|request| request.inputs[0].len = u64::MAX);
    not_run(&huge, Some(sealed()), "larger than memory");
    let nul = change(&|request| request.arguments.push(Argument::Text(b"a\0b".to_vec())));
    not_run(&nul, Some(sealed()), "nul byte");
    let nul = change(&|request| request.environment.push(b"A=a\0b".to_vec()));
    not_run(&nul, Some(sealed()), "nul byte");
    let nowhere = change(&|request| request.folder = b"/nowhere".to_vec());
    not_run(&nowhere, Some(sealed()), "No such file");
    let nowhere = change(&|request| request.environment[0] = b"TMPDIR=/nowhere".to_vec());
    not_run(&nowhere, Some(sealed()), "/nowhere");

    // An input that is not there is a path that is not there; variables without a name or a value are left out.
    let odd = change(&|request| {
        request
            .environment
            .extend([b"".to_vec(), b"=".to_vec(), b"A".to_vec()]);
        request.arguments = [
            Argument::Text(b"-c".to_vec()),
            Argument::Text(b"test ! -e \"$0\" && exit 9".to_vec()),
            Argument::Input(u32::MAX),
        ]
        .into();
    });
    match ask(&start(), &odd, Some(&payload)) {
        DriverReply::Failed { failure, .. } => assert_eq!(failure, DriverFailure::Exit(9)),
        DriverReply::Linked { len } => panic!("linked {len} bytes"),
    }
    let empty = change(&|request| request.program.clear());
    match ask(&start(), &empty, Some(&payload)) {
        DriverReply::Failed { failure, .. } => assert_eq!(failure, DriverFailure::NotFound),
        DriverReply::Linked { len } => panic!("linked {len} bytes"),
    }
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
}

/// The client is gone in the middle of a request, and the linker's folder goes.
#[test]
fn a_client_that_hangs_up_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let request = request(folder.path(), "sleep 1000", &[]);
    let server = start();
    let payload = payload::seal(&[]).unwrap();
    transport::send(&server.socket, &request, Some(payload.as_fd())).unwrap();
    assert_eq!(server.hang_up().code(), Some(0));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// The linker goes with the process that runs it, which can do nothing any more.
#[test]
fn a_linker_ends_with_the_process_that_runs_it() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("pid");
    let script = format!(
        "echo $$ >'{0}.new'; mv '{0}.new' '{0}'; exec sleep 1000",
        place.display()
    );
    let request = request(folder.path(), &script, &[]);
    let mut server = start();
    let payload = payload::seal(&[]).unwrap();
    transport::send(&server.socket, &request, Some(payload.as_fd())).unwrap();
    wait::until("started", || place.exists());
    let linker = std::fs::read_to_string(&place).unwrap();
    let linker = Pid::from_raw(linker.trim().parse().unwrap()).unwrap();
    let linker = pidfd_open(linker, PidfdFlags::empty()).unwrap();
    server.kill(libc::SIGKILL);
    server.wait();
    assert!(wait::has_ended(linker.as_fd(), wait::TIMEOUT), "it runs on");
    match transport::receive::<DriverReply>(&server.socket) {
        Err(TransportError::Closed | TransportError::Io(_)) => {}
        other => panic!("{other:?}"),
    }
}
