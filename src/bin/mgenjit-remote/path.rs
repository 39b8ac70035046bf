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

/// The folder of all keys with a prefix; `None`: it is none.
pub fn folder(prefix: &[u8]) -> Option<String> {
    let key = [prefix, &[0; KEY_LEN]].concat();
    let is_folder = !prefix.is_empty() && prefix_len(&key) == prefix.len();
    is_folder.then(|| String::from_utf8_lossy(prefix).into_owned())
}

/// Whether a path is that of a key in this folder, and in none below it.
pub fn is_in(path: &str, folder: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    path.strip_prefix(folder).is_some_and(|rest| {
        let digits =
            |(at, byte): (usize, u8)| (at == 2) == (byte == b'/') && (at == 2 || is_digit(byte));
        rest.len() == 2 * KEY_LEN + 1 && rest.bytes().enumerate().all(digits)
    })
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
        for prefix in ["mgenjit/v3/", "mgenjit/v3/team.1/"] {
            let folder = folder(prefix.as_bytes()).expect("a folder");
            let key = of(&[prefix.as_bytes(), &[0xab; KEY_LEN]].concat());
            assert!(folder == prefix && is_in(&key, &folder));
            assert_eq!(is_in(&key, "mgenjit/v3/"), prefix == "mgenjit/v3/");
            assert!(!is_in(&format!("{key}0"), &folder) && !is_in(&folder, &folder));
        }
        for no_folder in [&b""[..], b"mgenjit", b"/", b"../", b"a//"] {
            assert_eq!(folder(no_folder), None);
        }
        assert_eq!(of(b""), "");
        assert_eq!(of(b"a"), "61");
        assert_eq!(of(b"ab"), "61/62");
    }
}
