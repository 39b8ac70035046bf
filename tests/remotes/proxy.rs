//! What lies between a helper and an engine: a network that is slow, or goes silent.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Passes all bytes on, what the engine says a while later.
pub struct Proxy {
    pub port: u16,
    delay: Arc<AtomicU64>,
    /// How often the engine said something.
    answers: Arc<AtomicU64>,
}

impl Proxy {
    /// It ends with the test's process.
    pub fn start(engine: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let proxy = Proxy {
            port: listener.local_addr().expect("its address").port(),
            delay: Arc::default(),
            answers: Arc::default(),
        };
        let (delay, answers) = (proxy.delay.clone(), proxy.answers.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(engine) = TcpStream::connect(("127.0.0.1", engine)) else {
                    continue;
                };
                let _ = (client.set_nodelay(true), engine.set_nodelay(true));
                let (from, to) = (client.try_clone(), engine.try_clone());
                if let (Ok(from), Ok(to)) = (from, to) {
                    std::thread::spawn(move || pass(from, to, || {}));
                }
                let (delay, answers) = (delay.clone(), answers.clone());
                std::thread::spawn(move || {
                    pass(engine, client, || {
                        answers.fetch_add(1, Ordering::SeqCst);
                        std::thread::sleep(Duration::from_millis(delay.load(Ordering::SeqCst)));
                    });
                });
            }
        });
        proxy
    }

    pub fn delay(&self, milliseconds: u64) {
        self.delay.store(milliseconds, Ordering::SeqCst);
    }

    pub fn answers(&self) -> u64 {
        self.answers.load(Ordering::SeqCst)
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, each: impl Fn()) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        each();
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
