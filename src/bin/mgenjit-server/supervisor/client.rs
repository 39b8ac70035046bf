//! One client: what it wants, and what it may say next.

use super::connection::Connection;
use super::job::{Asked, Outcome};
use rustix::event::epoll::EventFlags;
use std::rc::Rc;
use std::time::Instant;

pub struct Client {
    pub connection: Connection,
    /// 0 if it is of another namespace.
    pub process: u32,
    pub state: State,
    pub since: Instant,
    pub interest: EventFlags,
    /// What it waits for.
    pub asked: Option<Rc<Asked>>,
    /// When it asked for that.
    pub came: Instant,
    /// Whether it has heard that this has begun, and has said that it is to go on. Neither comes twice, also if another
    /// job has to do it.
    pub started: bool,
    pub decided: bool,
}

pub enum State {
    /// It has not said who it is.
    Greeting,
    /// It may ask for something.
    Idle,
    /// It waits until what it asks for may wait for a worker.
    Held,
    /// It waits for a job.
    Waiting(u64),
    /// It is asked whether its job is to go on.
    Deciding(u64),
    /// It is asked whether it wants what another client's job came to.
    Settling(Rc<Outcome>),
    /// A private server does what it asked for. It has that until it goes.
    Elsewhere,
    /// It waits for the server to end.
    Stopping,
}

impl Client {
    /// Whether nothing is being done for it.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Greeting | State::Idle | State::Held)
    }
}
