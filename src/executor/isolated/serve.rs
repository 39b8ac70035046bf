//! The other side of [`super::isolate`]: does what the host orders.

use super::arena::map_at;
use super::channel::{Channel, Side};
use super::closures::{self, Link};
use super::program::Program;
use super::talk::{Answer, Order, encode};
use crate::error::{Error, Status};
use crate::executor::call::{Call, Function};
use crate::executor::value::Value;
use crate::protocol::isolated::Failure;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::time::Duration;

unsafe extern "C" {
    static stdout: *mut libc::FILE;
}

/// Maps memory that is the host's as well, at the same address.
pub fn share(file: &OwnedFd, address: u64, len: u64) -> Result<(), Failure> {
    map_at(file, address, len).map_err(|error| {
        Failure::io(format!(
            "the memory for arguments cannot be mapped: {error}"
        ))
    })
}

impl Program {
    /// Does what the host orders, for as long as the process lives. Its modules are linked when something of them is called.
    pub fn serve(&self, channel: Channel) -> ! {
        let link = closures::begin(channel);
        let mut functions = HashMap::new();
        loop {
            let forever = &mut || Some(Duration::MAX);
            let Some(message) = link.channel.receive(Side::Guest, u64::MAX, forever) else {
                give_up();
            };
            link.open();
            let answer = match postcard::from_bytes(&message) {
                Ok(order) => self.follow(&mut functions, order, link),
                // Only the program's own code can have written that.
                Err(_) => give_up(),
            };
            let answer = answer.unwrap_or_else(|error| Answer::Failed(error.into()));
            // What was written is there when the call has returned.
            // SAFETY: the C library's own stream.
            unsafe { libc::fflush(stdout) };
            link.close(&encode(&answer));
        }
    }

    fn follow(
        &self,
        functions: &mut HashMap<String, Function>,
        order: Order<'_>,
        link: &'static Link,
    ) -> Result<Answer, Error> {
        match order {
            Order::Call { name, arguments } => {
                self.call(functions, name, arguments).map(Answer::Returned)
            }
            Order::Add {
                name,
                manifest,
                image,
            } => {
                functions.clear();
                self.add_copy(name, manifest, image).map(Answer::Added)
            }
            Order::Remove(place) => {
                functions.clear();
                self.remove(place as usize);
                Ok(Answer::Done)
            }
            Order::Define { name, parameters } => {
                functions.clear();
                let address = link.add(parameters)?;
                self.executor.define(name, address);
                Ok(Answer::Done)
            }
            Order::Return(_) => give_up(),
        }
    }

    fn call(
        &self,
        functions: &mut HashMap<String, Function>,
        name: &str,
        arguments: Vec<Value>,
    ) -> Result<Value, Error> {
        if !functions.contains_key(name) {
            let function = self.executor.lookup_function(name)?;
            functions.insert(name.to_owned(), function);
        }
        let function = functions
            .get(name)
            .ok_or_else(|| Error::new(Status::NotFound, name))?;
        let mut call = Call::new();
        function.prepare(&mut call, arguments.into_iter())?;
        Ok(call.run())
    }
}

/// Ends the process: what it is told makes no sense any more.
fn give_up() -> ! {
    // SAFETY: it has no precondition.
    unsafe { libc::_exit(1) }
}
