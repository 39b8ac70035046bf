//! What keys are called in a store: `PREFIX/ab/cdef…`, where the prefix is what a key begins with up to its last slash, and the
//! rest is in hexadecimal digits. Folders by the first byte keep each of them short.

/// A prefix is letters, digits, and these.
fn may_be_in_a_prefix(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-/".contains(&byte)
}

/// How many bytes of an entry's key follow the prefix.
const KEY_LEN: usize = 32;

pub fn of(key: &[u8]) -> String {
    let (prefix, rest) = key.split_at(prefix_len(key));
    let hex: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
    let prefix = String::from_utf8_lossy(prefix);
    match hex.len() {
        0..=2 => format!("{prefix}{hex}"),
        _ => format!("{prefix}{}/{}", &hex[..2], &hex[2..]),
    }
}

/// Where the key of an entry begins: behind a slash, if what is before it could be a folder's name. Others have none.
fn prefix_len(key: &[u8]) -> usize {
    let Some(at) = key.len().checked_sub(KEY_LEN) else {
        return 0;
    };
    let prefix = &key[..at];
    let is_path = prefix.ends_with(b"/")
        && prefix.iter().all(|byte| may_be_in_a_prefix(*byte))
        && prefix[..at - 1]
            .split(|byte| *byte == b'/')
            .all(|part| !part.is_empty() && part != b"." && part != b"..");
    if is_path { at } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_paths_that_stay_inside() {
        let check = |prefix: &[u8], expect: &str| {
            let key = [prefix, &[0xab; KEY_LEN]].concat();
            assert_eq!(of(&key), format!("{expect}{}", "ab".repeat(KEY_LEN - 1)));
        };
        check(b"", "ab/");
        check(b"mgenjit/v3/", "mgenjit/v3/ab/");
        check(b"mgenjit/v3/team.1/", "mgenjit/v3/team.1/ab/");
        check(b"../", "2e/2e2fab");
        check(b"a/../", "61/2f2e2e2fab");
        check(b"/", "2f/ab");
        check(b"a//", "61/2f2fab");
        check(b"a b/", "61/20622fab");
        assert_eq!(of(b""), "");
        assert_eq!(of(b"a"), "61");
        assert_eq!(of(b"ab"), "61/62");
    }
}
