use super::*;
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
        assert_eq!(entry.header, image[..len.min(HEADER_LEN)]);
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
    let RawManifest(whole) = RawManifest::encode(&manifest).expect("it encodes");
    let check = |bytes: &[u8]| {
        let raw = RawManifest(bytes.to_vec());
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
    assert!(matches!(error, Err(EntryError::Malformed(what)) if what.contains("absurd")));
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
        copied.file.write_all_at(b"other", 7).expect("written");
        assert_eq!(copied.copy.as_ref(), Some(&image));
        copied.file.set_len(0).expect("cut");
        assert_eq!(copied.image().expect("the copy"), image);

        let not_copied = open(None);
        assert_eq!(not_copied.copy, None);
        assert_eq!(not_copied.image().expect("the file's"), image);
        not_copied.file.write_all_at(b"other", 7).expect("written");
        assert!(matches!(not_copied.image(), Err(EntryError::Digest)));
    }
}
