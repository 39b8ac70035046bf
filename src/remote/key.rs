//! What entries are called in a remote store.
//!
//! The protocol knows no namespaces, and others use the same stores: so each key begins with `mgenjit`, the version of the
//! entries' format, and the namespace, and ends with the 32 bytes of the entry's key.

use crate::cache::key::Key;
use crate::protocol::storage::wire::WireKey;

/// The longest namespace: with what is around it, a key has less than 255 bytes.
pub const MAX_NAMESPACE: usize = 100;

/// Of some stores' keys, only as many bytes count.
const SHORT_LEN: usize = 32;

/// Names for one namespace.
#[derive(Clone, Debug)]
pub struct Names {
    prefix: String,
    /// Whether the store looks at no more than [`SHORT_LEN`] bytes, as in bazel's layout.
    short: bool,
}

impl Names {
    /// `format`: the folder of the entries' version.
    pub fn new(format: &str, namespace: &str, short: bool) -> Names {
        let namespace = match namespace {
            "" => String::new(),
            namespace => format!("{namespace}/"),
        };
        Names {
            prefix: format!("mgenjit/{format}/{namespace}"),
            short,
        }
    }

    /// What all of them begin with. Short ones have nothing in common: then it is empty.
    pub fn prefix(&self) -> WireKey {
        let bytes = match self.short {
            false => self.prefix.clone().into_bytes(),
            true => Vec::new(),
        };
        WireKey::new(bytes).unwrap_or_else(|| unreachable!("a namespace is short"))
    }

    pub fn of(&self, key: &Key) -> WireKey {
        let mut bytes = self.prefix.clone().into_bytes();
        bytes.extend_from_slice(&key.0);
        if self.short {
            let digest = blake3::hash(&bytes);
            bytes.clear();
            bytes.extend_from_slice(&digest.as_bytes()[..SHORT_LEN]);
        }
        bytes.truncate(WireKey::MAX_LEN);
        WireKey::new(bytes).unwrap_or_else(|| unreachable!("it was truncated"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_by_all_that_they_are_made_of() {
        let name = |format, namespace: &str, byte, short| {
            Names::new(format, namespace, short).of(&Key([byte; 32]))
        };
        let long = "n".repeat(MAX_NAMESPACE);
        let all = [
            name("v3", "", 1, false),
            name("v4", "", 1, false),
            name("v3", "team", 1, false),
            name("v3", &long, 1, false),
            name("v3", "", 2, false),
            name("v3", "", 1, true),
            name("v3", "team", 1, true),
            name("v3", &long, 2, true),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(one.bytes().len() < WireKey::MAX_LEN);
            assert!(!all[..index].contains(one));
        }
        assert_eq!(
            all[2].bytes(),
            [&b"mgenjit/v3/team/"[..], &[1; 32]].concat()
        );
        assert_eq!(all[5].bytes().len(), SHORT_LEN);
    }
}
