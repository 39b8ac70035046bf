//! One client: its connection, and what it wants.

use super::connection::Connection;
use super::job::Asked;
use super::turn::Turn;
use rustix::event::epoll::EventFlags;
use std::rc::Rc;

pub struct Client {
    pub connection: Connection,
    /// 0 if it is of another namespace.
    pub process: u32,
    pub turn: Turn,
    pub interest: EventFlags,
    /// What it waits for.
    pub asked: Option<Rc<Asked>>,
}
