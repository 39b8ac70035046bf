use super::*;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

/// As openssl wrote it.
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIH2NK3bYf+ES35DSJBLXKxnaM5D8VXiMTxDZUeWJY3QZ\n\
    -----END PRIVATE KEY-----\n";
const SECRET: &str = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF\n";

fn write(folder: &Path, name: &str, text: &str, mode: u32) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("write");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("chmod");
    path
}

/// A signer with an Ed25519 key made of `seed`.
pub fn signer(seed: u8) -> Signer {
    Signer(Signing::Ed25519(Box::new(SigningKey::from_bytes(
        &[seed; 32],
    ))))
}

/// A signer with a shared secret made of `seed`.
pub fn secret_signer(seed: u8) -> Signer {
    Signer(Signing::Secret(Secret::derive(&[seed; 32])))
}

/// Trust in what `signer` signs.
pub fn trust(signers: &[&Signer]) -> Trust {
    let mut trust = Trust {
        secrets: Vec::new(),
        keys: Vec::new(),
    };
    for signer in signers {
        match &signer.0 {
            Signing::Secret(secret) => trust.secrets.push(Secret(secret.0.clone())),
            Signing::Ed25519(key) => trust.keys.push(key.verifying_key()),
        }
    }
    trust
}

#[test]
fn what_is_signed_is_trusted_by_who_trusts_the_key() {
    let signers = [signer(1), signer(2), secret_signer(1), secret_signer(2)];
    for (index, one) in signers.iter().enumerate() {
        let signature = one.sign(b"message");
        assert_eq!(signature, one.sign(b"message"), "the same each time");
        for (other_index, other) in signers.iter().enumerate() {
            let checked = trust(&[other]).check(b"message", &signature);
            let expected = if index == other_index {
                Ok(())
            } else {
                Err(Untrusted::Wrong)
            };
            assert_eq!(
                checked, expected,
                "signed by {index}, {other_index} trusted"
            );
        }
        let all: Vec<&Signer> = signers.iter().collect();
        let all = trust(&all);
        assert_eq!(all.check(b"message", &signature), Ok(()));
        assert_eq!(all.check(b"Message", &signature), Err(Untrusted::Wrong));
        assert_eq!(all.check(b"", &signature), Err(Untrusted::Wrong));
        for bit in 0..512 {
            let mut flipped = signature;
            flipped.bytes[bit / 8] ^= 1 << (bit % 8);
            let expected = if signature.scheme == Signature::KEYED_BLAKE3 && bit >= 256 {
                Untrusted::Padding
            } else {
                Untrusted::Wrong
            };
            assert_eq!(all.check(b"message", &flipped), Err(expected), "bit {bit}");
        }
    }
}

#[test]
fn what_is_no_signature_is_told_apart() {
    let trust = trust(&[&signer(1), &secret_signer(1)]);
    assert_eq!(
        trust.check(b"m", &Signature::NONE),
        Err(Untrusted::Unsigned)
    );
    let mut signature = Signature::NONE;
    signature.bytes[63] = 1;
    assert_eq!(trust.check(b"m", &signature), Err(Untrusted::Padding));
    signature.scheme = 3;
    assert_eq!(trust.check(b"m", &signature), Err(Untrusted::Scheme(3)));
    signature.scheme = u32::MAX;
    assert_eq!(
        trust.check(b"m", &signature),
        Err(Untrusted::Scheme(u32::MAX))
    );
    // All zeros are a point of small order and the number 0, which some verifiers accept.
    signature = Signature::NONE;
    for scheme in [Signature::KEYED_BLAKE3, Signature::ED25519] {
        signature.scheme = scheme;
        assert_eq!(trust.check(b"m", &signature), Err(Untrusted::Wrong));
    }
}

#[test]
fn a_signature_for_something_else_is_none() {
    let key = SigningKey::from_bytes(&[1; 32]);
    let signature = Signature {
        scheme: Signature::ED25519,
        bytes: key.sign(b"message").to_bytes(),
    };
    let trust = trust(&[&signer(1), &secret_signer(1)]);
    assert_eq!(trust.check(b"message", &signature), Err(Untrusted::Wrong));
    let mut signature = Signature::NONE;
    signature.scheme = Signature::KEYED_BLAKE3;
    signature.bytes[..32].copy_from_slice(blake3::keyed_hash(&[1; 32], b"message").as_bytes());
    assert_eq!(trust.check(b"message", &signature), Err(Untrusted::Wrong));
}

#[test]
fn secrets_are_not_printed() {
    for signer in [signer(0xab), secret_signer(0xab)] {
        let all = format!("{signer:?} {:?}", trust(&[&signer]));
        assert!(!all.contains("171, 171"), "{all}");
        assert!(!all.contains("abab"), "{all}");
        let derived = blake3::derive_key(CONTEXT, &[0xab; 32]);
        assert!(
            !all.contains(&format!("{}, {}", derived[0], derived[1])),
            "{all}"
        );
    }
}

#[test]
fn key_files_are_refused_with_a_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let check = |path: &Path, signs: &str, trusted: &str| {
        let said = |error: Option<Error>| error.map_or("fine".to_owned(), |error| error.message);
        let signer = said(Signer::read(path).err());
        let trust = said(Trust::read(&[path.to_owned()]).err());
        assert!(signer.contains(signs), "`{signer}` does not say `{signs}`");
        assert!(
            trust.contains(trusted),
            "`{trust}` does not say `{trusted}`"
        );
        for message in [signer, trust] {
            assert!(message == "fine" || message.contains(&path.display().to_string()));
        }
    };
    let signing = SigningKey::from_pkcs8_pem(PRIVATE).expect("a key");
    let public = {
        use ed25519_dalek::pkcs8::EncodePublicKey;
        let ending = ed25519_dalek::pkcs8::spki::der::pem::LineEnding::CRLF;
        let public = signing.verifying_key();
        public.to_public_key_pem(ending).expect("it encodes")
    };
    let others = [
        write(folder, "others-private", PRIVATE, 0o600),
        write(folder, "others-public", &public, 0o644),
        write(folder, "others-secret", SECRET, 0o600),
    ];
    for path in others {
        match std::os::unix::fs::chown(&path, Some(54321), None) {
            Ok(()) => check(&path, "belongs to user 54321", "belongs to user 54321"),
            Err(error) => eprintln!("skipped: files of other users: {error}"),
        }
    }
    check(
        &write(folder, "1", PRIVATE, 0o600),
        "fine",
        "should not have",
    );
    check(
        &write(folder, "2", PRIVATE, 0o400),
        "fine",
        "should not have",
    );
    check(
        &write(folder, "3", PRIVATE, 0o640),
        "chmod go=",
        "chmod go=",
    );
    check(
        &write(folder, "4", PRIVATE, 0o604),
        "chmod go=",
        "chmod go=",
    );
    check(&write(folder, "5", &public, 0o644), "cannot sign", "fine");
    check(
        &write(folder, "6", &public, 0o664),
        "chmod go-w",
        "chmod go-w",
    );
    check(&write(folder, "7", SECRET, 0o600), "fine", "fine");
    check(&write(folder, "8", SECRET.trim(), 0o600), "fine", "fine");
    check(&write(folder, "9", SECRET, 0o644), "chmod go=", "chmod go=");
    let long = format!("0{SECRET}");
    check(
        &write(folder, "10", &long, 0o600),
        "rand -hex 32",
        "rand -hex 32",
    );
    check(
        &write(folder, "11", &SECRET[1..], 0o600),
        "rand -hex 32",
        "rand -hex 32",
    );
    let other = SECRET.replace('0', "g");
    check(
        &write(folder, "12", &other, 0o600),
        "rand -hex 32",
        "rand -hex 32",
    );
    // 64 bytes, but not 64 digits.
    let wide = "é".repeat(32);
    check(
        &write(folder, "13", &wide, 0o600),
        "rand -hex 32",
        "rand -hex 32",
    );
    check(
        &write(folder, "14", "", 0o600),
        "rand -hex 32",
        "rand -hex 32",
    );
    let damaged = PRIVATE.replace("MC4C", "MC4D");
    check(&write(folder, "15", &damaged, 0o600), "damaged", "damaged");
    let damaged = public.replace("MCow", "MCox");
    check(&write(folder, "16", &damaged, 0o644), "damaged", "damaged");
    let encrypted = PRIVATE.replace("PRIVATE", "ENCRYPTED PRIVATE");
    check(
        &write(folder, "17", &encrypted, 0o600),
        "password",
        "password",
    );
    let ssh = PRIVATE.replace("PRIVATE", "OPENSSH PRIVATE");
    check(&write(folder, "18", &ssh, 0o600), "for SSH", "for SSH");
    let huge = "0".repeat(MAX_FILE_LEN + 1);
    check(
        &write(folder, "19", &huge, 0o600),
        "rand -hex 32",
        "rand -hex 32",
    );
    check(folder, "not a regular file", "not a regular file");
    // The point (0, 1), in whose name all can sign.
    let weak = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\
        -----END PUBLIC KEY-----\n";
    check(&write(folder, "20", weak, 0o644), "weak", "weak");
    let missing = folder.join("missing");
    check(&missing, "cannot be read", "cannot be read");
    assert_eq!(
        Signer::read(&missing).expect_err("no file").status,
        Status::Io
    );
    assert_eq!(
        Trust::read(&[]).expect_err("no key").status,
        Status::InvalidArgument
    );
    for len in 0..PRIVATE.len() - 1 {
        let cut = write(folder, "cut", &PRIVATE[..len], 0o600);
        Signer::read(&cut).expect_err("a key that is cut short");
    }
    for len in 0..public.len() - 2 {
        let cut = write(folder, "cut", &public[..len], 0o600);
        Trust::read(&[cut]).expect_err("a key that is cut short");
    }
}

#[test]
fn keys_of_openssl_sign_and_are_trusted() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let openssl = |arguments: &[&str]| -> Option<String> {
        let mut command = Command::new("openssl");
        command.args(arguments).current_dir(folder);
        match command.stderr(Stdio::null()).output() {
            Ok(output) => {
                assert!(output.status.success(), "openssl {arguments:?}");
                Some(String::from_utf8_lossy(&output.stdout).into_owned())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => panic!("openssl: {error}"),
        }
    };
    let Some(_) = openssl(&["genpkey", "-algorithm", "ed25519", "-out", "private"]) else {
        // It is not installed: the fixtures of the other tests are of its making.
        return;
    };
    openssl(&["pkey", "-in", "private", "-pubout", "-out", "public"]);
    openssl(&["genpkey", "-algorithm", "RSA", "-out", "rsa"]);
    openssl(&["pkey", "-in", "rsa", "-pubout", "-out", "rsa_public"]);
    openssl(&["genpkey", "-algorithm", "x25519", "-out", "x25519"]);
    let secret = openssl(&["rand", "-hex", "32"]).unwrap_or_default();
    let secret = write(folder, "secret", &secret, 0o600);
    let public = folder.join("public");
    for name in ["private", "rsa", "x25519"] {
        let mode = PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(folder.join(name), mode).expect("chmod");
    }
    let mode = PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&public, mode).expect("chmod");

    let signer = Signer::read(&folder.join("private")).expect("a private key");
    let signature = signer.sign(b"message");
    assert_eq!(signature.scheme, Signature::ED25519);
    let trust = Trust::read(&[secret.clone(), public]).expect("two keys");
    assert_eq!(trust.check(b"message", &signature), Ok(()));
    let signed = Signer::read(&secret).expect("a secret").sign(b"message");
    assert_eq!(signed.scheme, Signature::KEYED_BLAKE3);
    assert_eq!(trust.check(b"message", &signed), Ok(()));

    // And openssl agrees.
    std::fs::write(folder.join("message"), in_context(b"message")).expect("write");
    std::fs::write(folder.join("signature"), signature.bytes).expect("write");
    let said = openssl(&[
        "pkeyutl",
        "-verify",
        "-pubin",
        "-inkey",
        "public",
        "-rawin",
        "-in",
        "message",
        "-sigfile",
        "signature",
    ]);
    assert!(said.is_some_and(|said| said.contains("Verified Successfully")));

    for name in ["rsa", "x25519"] {
        let error = Signer::read(&folder.join(name)).expect_err("another kind of key");
        assert!(error.message.contains("not one for Ed25519"), "{error}");
    }
    let error = Trust::read(&[folder.join("rsa_public")]).expect_err("another kind of key");
    assert!(error.message.contains("not one for Ed25519"), "{error}");
}
