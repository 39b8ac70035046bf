//! What the storing process does with an order.

use super::order::{Order, Setting};
use crate::cache::key::Key;
use crate::error::{Error, Status, reason};
use crate::executor::core::Executor;
use crate::executor::source::{Content, Source};
use crate::fork;
use crate::protocol::payload;
use std::borrow::Cow;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

/// For how many settings servers are kept.
const MOST_SETTINGS: usize = 4;

/// Compiles and stores. Several threads may use it.
#[derive(Default)]
pub struct Storing {
    /// The last ones, the latest first.
    executors: Mutex<Vec<(Setting, Arc<Executor>)>>,
}

impl Storing {
    /// Compiles what was ordered, unless it is there, and stores it. Returns when the cache has it.
    pub fn run(&self, order: &Order, payload: Option<OwnedFd>) -> Result<(), String> {
        self.try_run(order, payload).map_err(|error| error.message)
    }

    fn try_run(&self, order: &Order, payload: Option<OwnedFd>) -> Result<(), Error> {
        let executor = self.executor(&order.setting)?;
        let invalid = |why: String| {
            let message = format!("the order of {} is not valid: {why}", order.name);
            Error::new(Status::InvalidArgument, message)
        };
        let len = order
            .input_len()
            .ok_or_else(|| invalid("its length".to_owned()))?;
        let file = payload::check_payload(payload, len).map_err(|why| invalid(why.to_string()))?;
        let bytes = payload::read_payload(&file, len).map_err(|why| invalid(reason(&why)))?;
        let mut source = Source::new(order.name.as_str());
        source.keep = order.keep.as_deref().map(Cow::Borrowed);
        let mut rest = bytes.as_slice();
        for input in &order.inputs {
            let (bytes, behind) = rest.split_at(input.len as usize);
            source.add(input.name.as_str(), Content::Memory(Cow::Borrowed(bytes)));
            rest = behind;
        }
        let key = executor.keys.key(&source.digest()?);
        if key != Key(order.key) {
            return Err(invalid(
                "here it has another key: the other process sees another CPU, or read another file"
                    .to_owned(),
            ));
        }
        executor.fill_cache(source)?;
        match &executor.store {
            Some(store) if matches!(store.look(&key), Ok(Some(_))) => Ok(()),
            _ => Err(invalid("it could not be stored".to_owned())),
        }
    }

    fn executor(&self, setting: &Setting) -> Result<Arc<Executor>, Error> {
        let mut executors = fork::guard(|| {
            self.executors
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        });
        if let Some(place) = executors.iter().position(|(other, _)| other == setting) {
            let found = executors.remove(place);
            executors.insert(0, found);
        } else {
            let executor = Executor::new(setting.clone().config()?);
            executors.insert(0, (setting.clone(), executor));
            executors.truncate(MOST_SETTINGS);
        }
        Ok(executors[0].1.clone())
    }
}
