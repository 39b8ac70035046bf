//! What a host and the process of its calls say to each other, by a [`channel`](super::channel). The host orders, and each order is
//! answered.

use crate::executor::value::Value;
use crate::protocol::isolated::Failure;
use crate::signature::Type;
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum Order<'a> {
    Call {
        name: &'a str,
        arguments: Vec<Value>,
    },
    /// To add a module.
    Add {
        name: &'a str,
        manifest: &'a [u8],
        image: &'a [u8],
    },
    /// To remove the module that was added at this place of all.
    Remove(u32),
    /// To have a function of the host's. They are numbered from 0.
    Define {
        name: &'a str,
        parameters: Vec<Type>,
    },
    /// What a function of the host's returned. It answers [`Answer::Asks`], and is no order.
    Return(Value),
}

/// Of the process, which may be anybody's by now.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// What a function returned.
    Returned(Value),
    /// The module is there, at this address.
    Added(u64),
    Done,
    /// To call a function of the host's: the order is not answered yet.
    Asks {
        number: u32,
        arguments: Vec<Value>,
    },
    Failed(Failure),
}

/// An order or an answer as it is sent.
pub fn encode(message: &impl Serialize) -> Vec<u8> {
    // Nothing in one can fail to be written.
    postcard::to_stdvec(message).unwrap_or_default()
}
