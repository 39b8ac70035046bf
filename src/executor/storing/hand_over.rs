//! Gives an order to the storing process.

use super::order::{Order, Said, Setting};
use crate::cache::key::Key;
use crate::client::{locate, storer};
use crate::error::{Error, Status, reason};
use crate::executor::core::Executor;
use crate::executor::source::Source;
use crate::protocol::payload;
use crate::types::Input;
use std::borrow::Cow;
use std::os::unix::net::UnixStream;

/// Has a source compiled at the executor's level and stored under this key by a process that nobody waits for. It may end
/// before that is done, or even begun. It is told on a connection that is known, or on a new one, which is returned: there the
/// process says what came of it.
pub fn order(
    executor: &Executor,
    source: &Source<'_>,
    inputs: &[Cow<'_, [u8]>],
    key: &Key,
    known: Option<&UnixStream>,
) -> Result<Option<UnixStream>, Error> {
    let Some(store) = &executor.store else {
        return Err(Error::new(
            Status::InvalidArgument,
            "without a cache nothing is stored".to_owned(),
        ));
    };
    let setting = Setting::of(executor, store.directory().path().to_owned())?;
    let about = source
        .inputs
        .iter()
        .zip(inputs)
        .map(|(input, bytes)| Input {
            name: input.name.clone().into_owned(),
            len: bytes.len() as u64,
        });
    let order = Order {
        name: source.name.clone().into_owned(),
        key: key.0,
        inputs: about.collect(),
        keep: source.keep.as_deref().map(<[String]>::to_vec),
        setting,
    };
    let parts: Vec<&[u8]> = inputs.iter().map(|bytes| &**bytes).collect();
    let payload = payload::seal(&parts).map_err(|error| {
        let why = reason(&error);
        let what = format!("{} cannot be compiled in the background: {why}", order.name);
        Error::new(Status::Io, what)
    })?;
    let configured = executor.config.server_path.as_deref();
    let locate = || locate::helper(configured, "compile in the background");
    storer::tell(&Said::Order(Box::new(order)), &payload, known, locate)
}
