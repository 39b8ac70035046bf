//! Ends the process when its client is gone, even in the middle of a compile.

use crate::process::inherited;
use crate::process::record::{CLIENT_GONE, Record};
use rustix::event::{PollFd, PollFlags};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

/// Starts a thread that waits for the peer to close the connection, or for the process behind `client`, a
/// pidfd, to end. The second is needed because a forked child of the host may hold the connection open.
pub fn start(socket: &UnixStream, client: Option<OwnedFd>, record: Arc<Record>) -> io::Result<()> {
    let socket = socket.try_clone()?;
    std::thread::Builder::new()
        .name("watch".to_owned())
        .stack_size(64 << 10)
        .spawn(move || {
            // No event of the socket is asked for: a hang-up is reported all the same, data is not.
            let mut fds = vec![PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::empty())];
            if let Some(client) = &client {
                fds.push(PollFd::from_borrowed_fd(client.as_fd(), PollFlags::IN));
            }
            loop {
                match rustix::event::poll(&mut fds, None) {
                    Ok(_) => {
                        record.finish(CLIENT_GONE);
                        inherited::exit(0)
                    }
                    Err(rustix::io::Errno::INTR) => {}
                    // Without the watch, the end of the connection still ends the server when it is idle.
                    Err(_) => return,
                }
            }
        })?;
    Ok(())
}
