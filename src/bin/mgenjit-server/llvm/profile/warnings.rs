//! What LLVM says of a profile, in a few sentences.

/// How many functions a sentence names.
const NAMED: usize = 10;

/// What is between the parts of LLVM's message of a function whose counts are of other code.
const MISMATCH: &str = "(hash mismatch) ";
const HASH: &str = " Hash = ";

/// One sentence for all functions whose counts are of other code, and the rest as it is.
pub fn summarise(messages: Vec<String>) -> Vec<String> {
    let mut mismatched = Vec::new();
    let mut warnings = Vec::new();
    for message in messages {
        let message = message.strip_prefix("/profile: ").unwrap_or(&message);
        let name = message
            .split_once(MISMATCH)
            .and_then(|(_, rest)| rest.split_once(HASH));
        match name {
            Some((name, _)) => mismatched.push(name.to_owned()),
            None => warnings.push(format!("the profile: {message}")),
        }
    }
    if !mismatched.is_empty() {
        let count = mismatched.len();
        let what = match count {
            1 => "1 function whose code is another now, and which is".to_owned(),
            _ => format!("{count} functions whose code is another now, and which are"),
        };
        let mut names = mismatched[..count.min(NAMED)].join(", ");
        if count > NAMED {
            names.push_str(&format!(" and {} more", count - NAMED));
        }
        warnings.push(format!(
            "the profile does not match {what} optimised without it: {names}"
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_that_do_not_match_are_named_together() {
        let mismatch = |name: &str| {
            format!(
                "/profile: function control flow change detected (hash mismatch) {name} Hash = 12 up to 3 count discarded"
            )
        };
        assert_eq!(summarise(Vec::new()), Vec::<String>::new());
        let one = summarise(vec![mismatch("a.c;f"), "/profile: other".to_owned()]);
        assert_eq!(
            one,
            [
                "the profile: other",
                "the profile does not match 1 function whose code is another now, and which is optimised without it: a.c;f",
            ]
        );
        let many = summarise(
            (0..12)
                .map(|index| mismatch(&format!("f{index}")))
                .collect(),
        );
        let [many] = many.as_slice() else {
            panic!("{many:?}");
        };
        assert!(many.contains("12 functions"), "{many}");
        assert!(many.ends_with("f8, f9 and 2 more"), "{many}");
    }
}
