//! What lies under a key.

use super::redis_get::Incoming;
use opendal::Buffer;

pub enum Value {
    Whole(Buffer),
    Arriving(Incoming),
}

impl Value {
    pub fn len(&self) -> u64 {
        match self {
            Value::Whole(value) => value.len() as u64,
            Value::Arriving(value) => value.len,
        }
    }
}
