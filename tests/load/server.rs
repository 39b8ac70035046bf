//! The shared server of a workspace, whichever process it is now.

use crate::support::processes;
use crate::support::wait;
use crate::support::workspace::Workspace;
use mgenjit::protocol::messages::{Hello, Reply, Request, ServerStatus};
use mgenjit::protocol::transport;
use rustix::process::Pid;
use std::io::Read;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

pub struct Server {
    program: PathBuf,
    /// Where its socket is.
    folder: PathBuf,
}

impl Server {
    pub fn new(workspace: &Workspace) -> Server {
        Server {
            program: workspace.server(),
            folder: workspace.runtime().join("mgenjit"),
        }
    }

    /// Its process, if it runs.
    pub fn process(&self) -> Option<Pid> {
        let mut all = processes::running(&self.program).into_iter();
        all.find(|process| has_argument(*process, "--shared"))
    }

    pub fn workers(&self) -> Vec<Pid> {
        let Some(server) = self.process() else {
            return Vec::new();
        };
        let all = processes::running(&self.program).into_iter();
        all.filter(|process| processes::parent(*process) == Some(server))
            .collect()
    }

    /// Whether it runs this program.
    pub fn is_one(&self, process: Pid) -> bool {
        processes::running(&self.program).contains(&process)
    }

    /// Waits until nobody wants anything, and there is one worker, as there always is.
    pub fn wait_until_idle(&self) {
        wait::until_ok("idle", || {
            let status = self.status();
            if (status.connections, status.queued, status.running) == (1, 0, 0)
                && (status.workers, status.idle_workers) == (1, 1)
            {
                Ok(())
            } else {
                Err(Box::new(status))
            }
        });
    }

    /// Returns when the server has closed the connection on which it said so.
    pub fn status(&self) -> ServerStatus {
        let (mut socket, reply) = self.ask(&Request::Status);
        socket.shutdown(Shutdown::Write).expect("the end is sent");
        // It may close what it has not read to the end, which is an error here.
        let _ = socket.read_to_end(&mut Vec::new());
        match reply {
            Reply::Status(status) => *status,
            other => panic!("{other:?}"),
        }
    }

    /// Has it end, and waits until no process is left.
    pub fn stop(&self) {
        let (socket, reply) = self.ask(&Request::Stop { force: false });
        assert_eq!(reply, Reply::Stopping);
        wait::until_ok("without processes", || {
            let left = processes::running(&self.program);
            if left.is_empty() { Ok(()) } else { Err(left) }
        });
        drop(socket);
    }

    fn ask(&self, request: &Request) -> (UnixStream, Reply) {
        let path = self.files_with("socket").pop().expect("a socket");
        let socket = UnixStream::connect(path).expect("a server");
        transport::send(&socket, &Hello::ours(), None).expect("sent");
        let (hello, _): (Hello, _) = transport::receive(&socket).expect("a greeting");
        assert_eq!(hello, Hello::ours());
        transport::send(&socket, request, None).expect("sent");
        let (reply, _) = transport::receive(&socket).expect("a reply");
        (socket, reply)
    }

    /// The extensions of the files in its folder, in order.
    pub fn files(&self) -> Vec<String> {
        let mut extensions: Vec<String> = list(&self.folder)
            .iter()
            .map(|path| match path.extension() {
                Some(extension) => format!(".{}", extension.display()),
                None => path.display().to_string(),
            })
            .collect();
        extensions.sort();
        extensions
    }

    fn files_with(&self, extension: &str) -> Vec<PathBuf> {
        let mut files = list(&self.folder);
        files.retain(|path| path.extension().is_some_and(|found| found == extension));
        files
    }
}

fn list(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder)
        .expect("the server's folder")
        .map(|entry| entry.expect("an entry").path())
        .collect()
}

fn has_argument(process: Pid, argument: &str) -> bool {
    let line = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0)
        .any(|found| found == argument.as_bytes())
}
