//! The other side of [`super::isolate`]: makes the calls that the host asks for.

use super::arena::map_at;
use super::control::{ASKED, Control};
use super::program::Program;
use crate::error::{Error, Status};
use crate::executor::call::{Call, Function};
use crate::executor::value::Value;
use crate::protocol::isolated::Failure;
use std::collections::HashMap;
use std::os::fd::OwnedFd;

/// What a process is asked by.
pub struct Calls(Control);

impl Calls {
    pub fn new(file: &OwnedFd) -> Result<Calls, Failure> {
        Control::map(file)
            .map(Calls)
            .map_err(|error| Failure::io(format!("the page for calls cannot be mapped: {error}")))
    }
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
    /// Links the modules, which runs their constructors, and makes calls, for as long as the process lives.
    pub fn serve(&self, calls: &Calls) -> ! {
        let Calls(control) = calls;
        let linked = self.0.link();
        let mut functions = HashMap::new();
        loop {
            if !control.wait(ASKED, None) {
                continue;
            }
            let (name, arguments) = control.asked();
            let answer = linked
                .clone()
                .and_then(|()| self.call(&mut functions, name, arguments));
            control.answer(answer.map_err(|error| (error.status, error.message)));
        }
    }

    fn call(
        &self,
        functions: &mut HashMap<String, Function>,
        name: String,
        arguments: Vec<Value>,
    ) -> Result<Value, Error> {
        if !functions.contains_key(&name) {
            let function = self.0.lookup_function(&name)?;
            functions.insert(name.clone(), function);
        }
        let function = functions
            .get(&name)
            .ok_or_else(|| Error::new(Status::NotFound, name))?;
        let mut call = Call::new();
        function.prepare(&mut call, arguments.into_iter())?;
        Ok(call.run())
    }
}
