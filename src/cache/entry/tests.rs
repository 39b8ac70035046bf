use super::read::{CHUNK_LEN, HEADER_LEN};
use super::tail::{KEY_AT, VERSION_AT, padding, seal, tail};
use super::*;
use crate::cache::bytes::array_at;
use crate::cache::key::Key;
use crate::cache::manifest::Manifest;
use crate::cache::trust::{Signer, Trust};
use crate::cache::version::FORMAT_VERSION;
use std::io::Write;
use std::os::unix::fs::FileExt;

const KEY: Key = Key([7; 32]);

fn bytes(image: &[u8]) -> Vec<u8> {
    let mut manifest = Manifest::example("m");
    let encoded = encode(
        &KEY,
        image,
        b"an object",
        Some(b"input"),
        &mut manifest,
        None,
    )
    .expect("an entry encodes");
    let Encoded {
        manifest,
        object,
        input,
        tail,
    } = encoded;
    [image, &manifest, &object, &input, &tail].concat()
}

fn verify(bytes: &[u8], key: &Key) -> Result<Entry, EntryError> {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(bytes).expect("write");
    Entry::verify(file, key, None)
}

#[test]
fn what_is_written_is_read() {
    // Around the length up to which an entry is read at once, and with the manifest across two chunks.
    for len in [
        0,
        1,
        HEADER_LEN,
        CHUNK_LEN - 200,
        CHUNK_LEN - 100,
        CHUNK_LEN,
        3 * CHUNK_LEN,
    ] {
        let image: Vec<u8> = (0..len).map(|index| (index * 7) as u8).collect();
        let entry = verify(&bytes(&image), &KEY).expect("a whole entry");
        assert_eq!(entry.image().expect("an image"), image);
        assert!(image.starts_with(&entry.header) && entry.header.len() >= len.min(HEADER_LEN));
        let manifest = entry.manifest.decode().expect("it decodes");
        assert_eq!(
            manifest.about,
            entry.manifest.decode_about().expect("it decodes")
        );
        assert_eq!(manifest.about.name, "m");
        assert_eq!(
            entry.object(&manifest.about).expect("an object"),
            b"an object"
        );
        assert_eq!(entry.input(&manifest.about).expect("an input"), b"input");
        entry.verify_attachments().expect("they are whole");
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let whole = bytes(b"an image");
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut broken = whole.clone();
            broken[at] ^= 1 << bit;
            let seen = match verify(&broken, &KEY) {
                // What does not run is checked when it is read.
                Ok(entry) => {
                    let hashed = entry.tail.hashed_len as usize;
                    (hashed..whole.len() - TAIL_LEN).contains(&at)
                        && entry.verify_attachments().is_err()
                }
                Err(_) => true,
            };
            assert!(seen, "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn every_cut_and_every_addition_is_noticed() {
    let whole = bytes(b"an image");
    for len in 0..whole.len() {
        assert!(verify(&whole[..len], &KEY).is_err(), "cut to {len}");
    }
    for extra in [1, TAIL_LEN - 1, TAIL_LEN, TAIL_LEN + 1, 4096] {
        let mut longer = whole.clone();
        longer.resize(whole.len() + extra, 0);
        assert!(verify(&longer, &KEY).is_err(), "{extra} bytes added");
    }
    let mut large = bytes(&vec![1; 2 * CHUNK_LEN]);
    large[CHUNK_LEN + 5] ^= 1;
    assert!(matches!(verify(&large, &KEY), Err(EntryError::Digest)));
}

#[test]
fn another_key_or_version_is_told_apart() {
    let whole = bytes(b"an image");
    assert!(matches!(
        verify(&whole, &Key([8; 32])),
        Err(EntryError::WrongKey(Key(key))) if key == KEY.0
    ));
    let mut newer = whole.clone();
    let at = newer.len() - TAIL_LEN + VERSION_AT;
    let version = FORMAT_VERSION + 1;
    newer[at..at + 4].copy_from_slice(&version.to_le_bytes());
    assert!(matches!(
        verify(&newer, &KEY),
        Err(EntryError::Version(found)) if found == version
    ));
}

#[test]
fn an_alias_is_no_entry_and_names_its_key() {
    let target = Key([9; 32]);
    let bytes = encode_alias(&KEY, &target, None);
    let read = |bytes: &[u8], key: &Key| {
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(bytes).expect("write");
        read_alias(&file, key, None)
    };
    assert_eq!(read(&bytes, &KEY).expect("an alias"), target);
    assert!(matches!(
        read(&bytes, &target),
        Err(EntryError::WrongKey(_))
    ));
    verify(&bytes, &KEY).expect_err("an alias has no code");
    for at in 0..bytes.len() * 8 {
        let mut broken = bytes.clone();
        broken[at / 8] ^= 1 << (at % 8);
        read(&broken, &KEY).expect_err("a flipped bit");
    }
    for len in 0..bytes.len() {
        read(&bytes[..len], &KEY).expect_err("a cut");
    }
    read(&self::bytes(b"image"), &KEY).expect_err("an entry is no alias");
}

/// What a hit does not decode is checked by it all the same, without being kept.
#[test]
fn a_manifest_is_decodable_if_it_decodes() {
    let mut manifest = Manifest::example("a module");
    manifest.fill();
    let whole = RawManifest::encode(&manifest)
        .expect("it encodes")
        .into_bytes();
    let check = |bytes: &[u8]| {
        let raw = RawManifest::new(bytes.to_vec());
        assert_eq!(raw.is_decodable(), raw.decode().is_ok(), "{bytes:x?}");
        raw.is_decodable()
    };
    assert!(check(&whole));
    for len in 0..whole.len() {
        assert!(!check(&whole[..len]));
    }
    for at in 0..whole.len() {
        for value in [0, 1, 2, 9, 10, 0x7f, 0x80, 0xff] {
            let mut changed = whole.clone();
            changed[at] = value;
            check(&changed);
        }
    }

    let sealed = |manifest: &[u8]| {
        let zeros = vec![0; padding(manifest.len())];
        let digest = blake3::hash(&[manifest, &zeros].concat());
        let tail = tail(Kind::Entry, &KEY, [0, manifest.len(), 0, 0], digest, None);
        [manifest, &zeros, &tail].concat()
    };
    verify(&sealed(&whole), &KEY).expect("an entry without image");
    let error = verify(&sealed(&whole[..whole.len() - 1]), &KEY).expect_err("cut");
    assert!(matches!(error, EntryError::Malformed(what) if what.contains("decode")));
}

/// A file with a hole of any length costs nothing to make: it is not hashed.
#[test]
fn a_file_with_a_hole_is_refused_by_its_length() {
    let whole = bytes(b"an image");
    let (body, tail) = whole.split_at(whole.len() - TAIL_LEN);
    let hole = 64 << 30;
    let file = tempfile::tempfile().expect("a file");
    file.write_all_at(body, 0).expect("written");
    file.write_all_at(tail, hole).expect("written");
    let error = Entry::verify(file.try_clone().expect("a descriptor"), &KEY, None);
    assert!(matches!(error, Err(EntryError::Malformed(what)) if what.contains("lengths")));
    // A tail that fits, and has a check that is right.
    let mut forged: [u8; TAIL_LEN] = array_at(tail, 0);
    forged[..8].copy_from_slice(&hole.to_le_bytes());
    forged[8..KEY_AT].fill(0);
    file.write_all_at(&seal(forged, None), hole)
        .expect("written");
    let error = Entry::verify(file.try_clone().expect("a descriptor"), &KEY, None);
    assert!(matches!(error, Err(EntryError::Malformed(what)) if what.contains("out of range")));
    // One that is no longer than an image may be, but than this one is.
    let hole: u64 = 1 << 30;
    forged[..8].copy_from_slice(&hole.to_le_bytes());
    file.write_all_at(&seal(forged, None), hole)
        .expect("written");
    file.set_len(hole + TAIL_LEN as u64).expect("cut");
    let error = Entry::verify(file, &KEY, None);
    assert!(matches!(error, Err(EntryError::Malformed(what)) if what.contains("headers")));
}

/// The bytes that run are those that were hashed, whatever becomes of the file.
#[test]
fn what_was_hashed_is_what_is_handed_out() {
    let secret = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(&secret, "7".repeat(64)).expect("written");
    let trust = Trust::read(&[secret.path().to_owned()]).expect("a secret");
    let signer = Signer::read(secret.path()).expect("a secret");
    for len in [100, 3 * CHUNK_LEN + 100] {
        let image = vec![5; len];
        let mut manifest = Manifest::example("m");
        let encoded = encode(&KEY, &image, b"", None, &mut manifest, Some(&signer))
            .expect("an entry encodes");
        let whole = [
            &image[..],
            &encoded.manifest,
            &encoded.object,
            &encoded.tail,
        ]
        .concat();
        let open = |trust| {
            let file = tempfile::tempfile().expect("a file");
            file.write_all_at(&whole, 0).expect("written");
            Entry::verify(file, &KEY, trust).expect("an entry")
        };
        let copied = open(Some(&trust));
        copied.part.file.write_all_at(b"other", 7).expect("written");
        assert_eq!(copied.copy.as_ref(), Some(&image));
        copied.part.file.set_len(0).expect("cut");
        assert_eq!(copied.image().expect("the copy"), image);

        let not_copied = open(None);
        assert_eq!(not_copied.copy, None);
        assert_eq!(not_copied.image().expect("the file's"), image);
        not_copied
            .part
            .file
            .write_all_at(b"other", 7)
            .expect("written");
        assert!(matches!(not_copied.image(), Err(EntryError::Digest)));
    }
}

/// The bytes of manifests, written out: entries of this format version have them, whatever becomes of the types that are
/// converted to them.
#[test]
fn the_bytes_of_manifests_are_those_of_the_format() {
    use crate::signature::{Extension, Function, Parameter, Type};
    use crate::types::{CompileTimes, OptLevel};
    fn check(manifest: &Manifest, expect: &[&[u8]]) {
        let raw = RawManifest::encode(manifest).expect("it encodes");
        assert_eq!(&raw.decode().expect("it decodes"), manifest);
        let bytes = raw.into_bytes();
        let expect = expect.concat();
        assert_eq!(
            bytes.escape_ascii().to_string(),
            expect.escape_ascii().to_string()
        );
    }

    let mut manifest = Manifest::example("a module");
    let start: [&[u8]; 4] = [
        b"\x08a module",
        &[1; 32],
        b"\x02",
        b"\x08native 1\0\x011\x012\x013",
    ];
    let end: &[u8] = b"\0\0\0\0\x01t\x01c\0\x01\0\0\0\0\0\0\0\0\0";
    check(&manifest, &[&start.concat(), end]);
    for (number, level) in OptLevel::ALL.into_iter().enumerate() {
        manifest.about.parts.opt_level = level;
        let [name, input, _, parts] = start;
        check(&manifest, &[name, input, &[number as u8], parts, end]);
    }

    let mut manifest = Manifest::example("a module");
    manifest.fill();
    manifest.about.times = CompileTimes {
        parse: 1,
        optimise: 200,
        codegen: 3,
        link: 70_000,
    };
    let extensions = [Extension::None, Extension::Zero, Extension::Sign];
    let function = |index: usize, ty: Type| Function {
        name: format!("f{index}"),
        result: ty.clone(),
        parameters: extensions[..index % 4]
            .iter()
            .map(|extension| Parameter {
                ty: ty.clone(),
                extension: *extension,
            })
            .collect(),
        variadic: index % 2 == 1,
        convention: String::from(if index == 3 { "fastcc" } else { "" }),
    };
    let types = [
        Type::Void,
        Type::I1,
        Type::I8,
        Type::I16,
        Type::I32,
        Type::I64,
        Type::Float,
        Type::Double,
        Type::Pointer,
        Type::Other("i128".to_owned()),
    ];
    let functions = types.into_iter().enumerate();
    manifest.functions = functions.map(|(index, ty)| function(index, ty)).collect();
    check(
        &manifest,
        &[
            &start[..3].concat(),
            b"\x08native 1\x0apieces=off\x011\x012\x013",
            // The canonical key, the target, one input, two symbols to keep, the machine, the times.
            &[&b"\x01"[..], &[4; 32]].concat(),
            b"\x01\x01t\x01c\x01f",
            b"\x01\x01i\xac\x02",
            b"\x01\x02\x01k\x01l",
            b"\x01t\x01c\0",
            b"\x01\x01\xc8\x01\x03\xf0\xa2\x04",
            // It is a piece, and was made of one: no entry is both.
            b"\x01\x01p\x02\xac\x02",
            &[&b"\x01\x01p\x02\xac\x02"[..], &[5; 32], b"\x01\xbc\x05"].concat(),
            // The object and the input.
            &[&b"\x01\x03"[..], &[3; 32]].concat(),
            &[&b"\x01\x03"[..], &[3; 32]].concat(),
            b"\x0a",
            b"\x02f0\x00\x00\0\0",
            b"\x02f1\x01\x01\x01\0\x01\0",
            b"\x02f2\x02\x02\x02\0\x02\x01\0\0",
            b"\x02f3\x03\x03\x03\0\x03\x01\x03\x02\x01\x06fastcc",
            b"\x02f4\x04\x00\0\0",
            b"\x02f5\x05\x01\x05\0\x01\0",
            b"\x02f6\x06\x02\x06\0\x06\x01\0\0",
            b"\x02f7\x07\x03\x07\0\x07\x01\x07\x02\x01\0",
            b"\x02f8\x08\x00\0\0",
            b"\x02f9\x09\x04i128\x01\x09\x04i128\0\x01\0",
        ],
    );
}
