//! The greeting, and requests that are not well-formed.

use crate::client::{Expect, Outcome, SEALS, Server, Spawn, memfd, request};
use crate::inputs::GOOD;
use crate::wait;
use mgenjit::protocol::messages::{
    CompileRequest, Decision, FailureKind, Hello, PROTOCOL_VERSION, Reply, Request,
};
use mgenjit::protocol::transport;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

#[test]
fn greets_and_compares() {
    let mut server = Server::spawn(Spawn::default());
    let (theirs, _) = transport::receive::<Hello>(&server.socket).unwrap();
    assert_eq!(theirs, Hello::ours());
    server.greet(&Hello::ours());
    server.check(GOOD, Expect::Compiles("i32 @good()"));

    fn check(change: impl FnOnce(&mut Hello), expect: &str) {
        let mut hello = Hello::ours();
        change(&mut hello);
        let mut server = Server::spawn(Spawn::default());
        transport::receive::<Hello>(&server.socket).unwrap();
        server.greet(&hello);
        match server.receive() {
            Ok((Reply::Failed(failure), None)) => {
                assert_eq!(failure.kind, FailureKind::Protocol);
                assert!(failure.message.contains(expect), "{}", failure.message);
            }
            other => panic!("{other:?}"),
        }
        let (status, words) = server.wait();
        assert_eq!(status.code(), Some(1));
        assert!(words.contains(expect), "{words}");
    }
    let ours = format!("protocol {}", Hello::ours().protocol);
    check(|hello| hello.protocol += 1, &ours);
    check(|hello| hello.package = "9.9.9".to_owned(), "mgenjit 9.9.9");
    check(|hello| hello.llvm = "21.1.0".to_owned(), "LLVM 21.1.0");
    check(|hello| hello.build = "feed".to_owned(), "build feed");
    assert_eq!(PROTOCOL_VERSION, 11);
}

#[test]
fn any_length_of_text_is_read_to_its_end() {
    // LLVM's parser needs a NUL behind the text, which has to come from another page when the text fills its
    // last one.
    let mut server = Server::start();
    for len in [4094, 4095, 4096, 4097, 8192, 12288] {
        let ir = format!("{GOOD};{}", "x".repeat(len - GOOD.len() - 1));
        assert_eq!(ir.len(), len);
        server.check(&ir, Expect::Compiles("i32 @good()"));
    }
    // A page may hold something behind the end of the file, if it was written through a mapping.
    let dirty = memfd(GOOD.len() as u64, GOOD.as_bytes(), false);
    write_behind_end(&dirty, GOOD.len());
    rustix::fs::fcntl_add_seals(&dirty, SEALS).unwrap();
    server.send_request("dirty", GOOD.len() as u64, Some(&dirty));
    assert!(matches!(
        server.receive(),
        Ok((Reply::Compiled(_), Some(_)))
    ));
}

#[test]
fn malformed_requests_fail_and_the_server_goes_on() {
    fn check(len: u64, payload: Option<&OwnedFd>, expect: &str) {
        let mut server = Server::start();
        server.send_request("bad", len, payload);
        server.expect_protocol_failure(expect);
        server.check(GOOD, Expect::Compiles("i32 @good()"));
    }
    let (len, ir) = (GOOD.len() as u64, GOOD.as_bytes());
    let sealed = memfd(len, ir, true);
    check(len, None, "none came");
    check(len + 1, Some(&sealed), &format!("it has {len} bytes"));
    check(len - 1, Some(&sealed), &format!("it has {len} bytes"));
    check(u64::MAX, Some(&sealed), &format!("it has {len} bytes"));
    check(0, Some(&sealed), &format!("it has {len} bytes"));
    check(len, Some(&memfd(len, ir, false)), "not sealed");
    let partly = memfd(len, ir, false);
    rustix::fs::fcntl_add_seals(&partly, SEALS.difference(rustix::fs::SealFlags::WRITE)).unwrap();
    check(len, Some(&partly), "not sealed");
    check(len, Some(&File::open("/").unwrap().into()), "not a memfd");
    check(
        len,
        Some(&File::open("/dev/zero").unwrap().into()),
        "not a memfd",
    );
    let (pipe, _end) = rustix::pipe::pipe().unwrap();
    check(len, Some(&pipe), "not a memfd");
    check(
        len,
        Some(&UnixStream::pair().unwrap().0.into()),
        "not a memfd",
    );

    fn check_body(body: &[u8], expect: &str) {
        let mut server = Server::start();
        server.send_frame(u32::try_from(body.len()).unwrap(), body);
        server.expect_protocol_failure(expect);
        server.check(GOOD, Expect::Compiles("i32 @good()"));
    }
    let request = postcard::to_stdvec(&Request::Compile(request("x", 0))).unwrap();
    check_body(&[], "does not decode");
    check_body(&request[..1], "does not decode");
    check_body(&[0xff; 64], "does not decode");
    // A name that claims more bytes than there are.
    check_body(
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        "does not decode",
    );
    // A name that is not UTF-8.
    check_body(&[1, 0xff, 2, 0, 0, 0], "does not decode");
    // An optimisation level that does not exist.
    check_body(&[1, b'x', 6, 0, 0, 0], "does not decode");
    // Such a kind of CPU, such a level, such a truth.
    check_body(&[1, b'x', 2, 2, 0, 0], "does not decode");
    check_body(&[1, b'x', 2, 1, 4, 0, 0], "does not decode");
    check_body(&[1, b'x', 2, 0, 2, 0], "does not decode");
    check_body(
        &[request.as_slice(), &[0, 0, 0]].concat(),
        "3 bytes after its message",
    );
    check_body(&vec![0; 1 << 20], "bytes after its message");
}

#[test]
fn the_client_decides_what_follows_an_identification() {
    let mut server = Server::start();
    let digest = server.identify(GOOD.as_bytes());
    server.decide(Decision::Compile);
    server.outcome().unwrap_compiled();
    // Nothing comes after this, not even an end.
    assert_eq!(server.identify(GOOD.as_bytes()), digest);
    server.decide(Decision::Stop);
    server.check(GOOD, Expect::Compiles("i32 @good()"));
    for _ in 0..100 {
        server.identify(GOOD.as_bytes());
        server.decide(Decision::Stop);
    }
    server.check(GOOD, Expect::Compiles("i32 @good()"));

    // There is nothing to decide about a module that is bad, and nothing to be heard if the client did not ask.
    let bad = memfd(3, b"bad", true);
    let asking = Request::Compile(CompileRequest {
        identify: true,
        ..request("bad", 3)
    });
    transport::send(&server.socket, &asking, Some(bad.as_fd())).unwrap();
    assert!(matches!(server.outcome(), Outcome::Failed(_)));
    server.check(GOOD, Expect::Compiles("i32 @good()"));

    // No such decision: the request is over, the server is not.
    server.identify(GOOD.as_bytes());
    server.send_frame(1, &[2]);
    server.expect_protocol_failure("does not decode");
    server.check(GOOD, Expect::Compiles("i32 @good()"));

    server.identify(GOOD.as_bytes());
    assert_eq!(server.hang_up().code(), Some(0));
}

#[test]
fn a_stream_that_is_out_of_step_ends_the_server_cleanly() {
    fn check(bytes: &[u8], expect: &str) {
        let mut server = Server::start();
        (&server.socket).write_all(bytes).unwrap();
        server.socket.shutdown(std::net::Shutdown::Write).unwrap();
        server.expect_protocol_failure(expect);
        let (status, words) = server.wait();
        assert_eq!(status.code(), Some(1));
        assert!(words.contains(expect), "{words}");
    }
    check(&[1], "ended inside a frame");
    check(&[16, 0, 0, 0], "ended inside a frame");
    check(&[16, 0, 0, 0, 1, 2, 3], "ended inside a frame");
    check(&[0xff; 4], "claims 4294967295 bytes");
    check(&[0xff; 1000], "claims 4294967295 bytes");
    // The longest frame that is allowed, of which one byte comes.
    check(
        &[&transport::MAX_BODY_LEN.to_le_bytes()[..], &[1]].concat(),
        "ended inside a frame",
    );
    let too_long = transport::MAX_BODY_LEN + 1;
    check(&too_long.to_le_bytes(), &format!("claims {too_long} bytes"));
}

#[test]
fn several_descriptors_are_not_kept() {
    let server = Server::start();
    let count = |server: &Server| {
        std::fs::read_dir(format!("/proc/{}/fd", server.child.id()))
            .unwrap()
            .count()
    };
    for _ in 0..20 {
        let (len, ir) = (GOOD.len() as u64, GOOD.as_bytes());
        let fds: Vec<OwnedFd> = (0..6).map(|_| memfd(len, ir, true)).collect();
        let borrowed: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        let body = postcard::to_stdvec(&Request::Compile(request("many", len))).unwrap();
        let frame = [
            &u32::try_from(body.len()).unwrap().to_le_bytes()[..],
            &body[..],
        ]
        .concat();
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(6))];
        let mut control = rustix::net::SendAncillaryBuffer::new(&mut space);
        control.push(rustix::net::SendAncillaryMessage::ScmRights(&borrowed));
        rustix::net::sendmsg(
            &server.socket,
            &[std::io::IoSlice::new(&frame)],
            &mut control,
            rustix::net::SendFlags::empty(),
        )
        .unwrap();
        assert!(matches!(
            server.receive(),
            Ok((Reply::Compiled(_), Some(_)))
        ));
    }
    // The three standard ones, the watch's, and what tells the process's size. The last reply's payload may be closed
    // after it has arrived.
    wait::until_ok("five descriptors", || match count(&server) {
        5 => Ok(()),
        others => Err(others),
    });
}

/// Fills the rest of the file's last page, which is not part of the file.
fn write_behind_end(file: &OwnedFd, len: usize) {
    use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
    // SAFETY: the mapping is new, one page long, and gone before anything else could use it.
    unsafe {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let page = mmap(
            std::ptr::null_mut(),
            4096,
            protection,
            MapFlags::SHARED,
            file,
            0,
        )
        .unwrap();
        std::ptr::write_bytes(page.cast::<u8>().add(len), b'}', 4096 - len);
        munmap(page, 4096).unwrap();
    }
}
