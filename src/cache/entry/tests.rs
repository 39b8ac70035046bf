use super::*;
use std::io::Write;

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
