//! Entry files that were made to harm: none may do more than be refused. The tests here try the same few thousand
//! each time; the targets below `fuzz/` look for others.

use super::tail::{
    CHECK_AT, DIGEST_AT, INPUT_LEN_AT, KEY_AT, KIND_AT, MAGIC, MAGIC_AT, OBJECT_LEN_AT, VERSION_AT,
    check_of,
};
use super::{Entry, TAIL_LEN, peek, read_alias};
use crate::cache::bytes::{array_at, u64_at};
use crate::cache::key::Key;
use crate::cache::manifest::Stored;
use crate::cache::version::FORMAT_VERSION;
use rustix::fs::MemfdFlags;
use std::fs::File;
use std::io::Write;

/// Reads bytes in every way that an entry or alias file is read: as they are, and with digests that are right.
pub fn check(bytes: &[u8]) {
    check_as_is(bytes);
    let mut sealed = bytes.to_vec();
    reseal(&mut sealed);
    check_as_is(&sealed);
}

fn check_as_is(bytes: &[u8]) {
    let file = || {
        let fd = rustix::fs::memfd_create("entry", MemfdFlags::CLOEXEC).expect("a memfd");
        let mut file = File::from(fd);
        file.write_all(bytes).expect("memory");
        file
    };
    // The key that it names, so that what is behind the comparison is reached.
    let key = match bytes.len().checked_sub(TAIL_LEN) {
        Some(tail) => Key(array_at(bytes, tail + KEY_AT)),
        None => Key([0; 32]),
    };
    let alias = read_alias(&file(), &key, None);
    let peeked = peek(&file(), &key);
    let Ok(entry) = Entry::verify(file(), &key, None) else {
        return;
    };
    assert!(alias.is_err(), "it is both an entry and an alias");
    assert_eq!(entry.part.len, bytes.len() as u64);
    let image = entry.image().expect("its length was compared");
    assert!(bytes.starts_with(&image) && image.starts_with(&entry.header));
    let about = entry.manifest.decode_about();
    assert_eq!(about.is_ok(), peeked.is_ok());
    let whole = entry.verify_attachments();
    let Ok(manifest) = entry.manifest.decode() else {
        assert!(whole.is_err());
        return;
    };
    let about = about.expect("all of it decodes");
    assert_eq!(manifest.about, about);
    let object = entry.object(&about);
    let input = entry.input(&about);
    if whole.is_ok() {
        assert_eq!(object.is_ok(), about.object.is_some());
        assert_eq!(input.is_ok(), about.input.is_some());
    } else {
        let right = |is_ok, stored: Option<&Stored>| is_ok || stored.is_none();
        let both = right(object.is_ok(), about.object.as_ref())
            && right(input.is_ok(), about.input.as_ref());
        let unknown = about.object.is_none() && entry.tail.object_len > 0
            || about.input.is_none() && entry.tail.input_len > 0;
        assert!(!both || unknown);
    }
}

/// Makes the digest and the check right, as far as the lengths allow.
pub fn reseal(bytes: &mut [u8]) {
    let Some(tail_at) = bytes.len().checked_sub(TAIL_LEN) else {
        return;
    };
    let (body, tail) = bytes.split_at_mut(tail_at);
    let rest = u64_at(tail, OBJECT_LEN_AT).saturating_add(u64_at(tail, INPUT_LEN_AT));
    let hashed = (body.len() as u64).checked_sub(rest);
    if let Some(hashed) = hashed {
        let digest = blake3::hash(&body[..hashed as usize]);
        tail[DIGEST_AT..KIND_AT].copy_from_slice(digest.as_bytes());
    }
    tail[VERSION_AT..VERSION_AT + 4].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    tail[MAGIC_AT..].copy_from_slice(&MAGIC);
    let check = check_of(&array_at(tail, 0));
    tail[CHECK_AT..VERSION_AT].copy_from_slice(&check);
}

#[cfg(test)]
pub(in crate::cache) use tests::{Random, mutate};

#[cfg(test)]
mod tests {
    use super::super::tail::{padding, tail};
    use super::super::{EntryError, Kind, RawManifest, encode_alias};
    use super::*;
    use crate::cache::manifest::Manifest;
    use crate::signature::{Extension, Function, Parameter, Type};

    /// xorshift64*: the same numbers each time.
    pub struct Random(pub u64);

    impl Random {
        pub fn next(&mut self) -> u64 {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
        }

        /// A number below `end`, 0 if that is 0.
        pub fn below(&mut self, end: usize) -> usize {
            (self.next() >> 11).checked_rem(end as u64).unwrap_or(0) as usize
        }
    }

    /// Changes bytes in one to three of the ways in which files go wrong or are made to.
    pub fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
        const NUMBERS: [u64; 12] = [
            0,
            1,
            199,
            200,
            8192,
            1 << 28,
            1 << 31,
            1 << 40,
            (1 << 40) + 1,
            1 << 63,
            u64::MAX - 200,
            u64::MAX,
        ];
        for _ in 0..1 + random.below(3) {
            // The tail is short, and decides most.
            let len = bytes.len();
            let at = match random.below(2) {
                0 => random.below(len),
                _ => len.saturating_sub(1 + random.below(TAIL_LEN.min(len))),
            };
            match random.below(7) {
                0..=1 if at < len => bytes[at] ^= 1 << random.below(8),
                2 if at < len => bytes[at] = random.next() as u8,
                3 => {
                    // Fields lie at multiples of 8, counted from one end or the other.
                    let at = if random.below(2) == 0 {
                        at & !7
                    } else {
                        len.saturating_sub((len - at).next_multiple_of(8))
                    };
                    let number = NUMBERS[random.below(NUMBERS.len())].to_le_bytes();
                    for (byte, new) in bytes.iter_mut().skip(at).zip(number) {
                        *byte = new;
                    }
                }
                4 => bytes.truncate(random.below(len)),
                5 => {
                    let more = random.below(300);
                    let new: Vec<u8> = (0..more).map(|_| random.next() as u8).collect();
                    bytes.splice(at..at, new);
                }
                _ => {
                    let end = (at + random.below(300)).min(len);
                    if random.below(2) == 0 {
                        bytes.drain(at..end);
                    } else {
                        let part = bytes[at..end].to_vec();
                        let to = random.below(len + 1);
                        bytes.splice(to..to, part);
                    }
                }
            }
        }
    }

    fn entry(manifest: &Manifest, parts: [&[u8]; 3]) -> Vec<u8> {
        let manifest = RawManifest::encode(manifest)
            .expect("it encodes")
            .into_bytes();
        build(&manifest, parts)
    }

    /// An entry of these parts, whatever they are.
    fn build(manifest: &[u8], [image, object, input]: [&[u8]; 3]) -> Vec<u8> {
        let key = Key([7; 32]);
        let zeros = vec![0; padding(image.len() + manifest.len())];
        let lens = [image.len(), manifest.len(), object.len(), input.len()];
        let hashed = [image, manifest, &zeros].concat();
        let tail = tail(Kind::Entry, &key, lens, blake3::hash(&hashed), None);
        [&hashed, object, input, &tail].concat()
    }

    fn stored(bytes: &[u8], len: u64) -> Option<Stored> {
        let digest = *blake3::hash(bytes).as_bytes();
        Some(Stored { len, digest })
    }

    fn example() -> Manifest {
        let mut manifest = Manifest::example("m");
        manifest.functions = vec![Function {
            name: "f".to_owned(),
            result: Type::I32,
            parameters: vec![Parameter {
                ty: Type::Other("i128".to_owned()),
                extension: Extension::Sign,
            }],
            variadic: false,
            convention: "fastcc".to_owned(),
        }];
        manifest
    }

    #[test]
    fn changed_files_are_refused_or_whole() {
        let mut random = Random(1);
        let object = zstd::bulk::compress(&[5; 3000], 1).expect("it compresses");
        let mut manifest = example();
        manifest.about.object = stored(&object, 3000);
        let files = [
            entry(&manifest, [b"image", &object, b""]),
            encode_alias(&Key([1; 32]), &Key([2; 32]), None),
        ];
        for file in &files {
            check(file);
        }
        for _ in 0..6000 {
            let mut bytes = files[random.below(files.len())].clone();
            mutate(&mut bytes, &mut random);
            check(&bytes);
        }
    }

    #[test]
    fn changed_manifests_decode_or_not() {
        let mut random = Random(2);
        let whole = RawManifest::encode(&example())
            .expect("it encodes")
            .into_bytes();
        for _ in 0..6000 {
            let mut manifest = whole.clone();
            mutate(&mut manifest, &mut random);
            check_as_is(&build(&manifest, [b"image", b"", b""]));
        }
    }

    #[test]
    fn changed_attachments_decompress_or_not() {
        let mut random = Random(3);
        let bytes: Vec<u8> = (0..3000_u32).map(|number| (number % 700) as u8).collect();
        let whole = zstd::bulk::compress(&bytes, 1).expect("it compresses");
        let lens = [3000, 0, 1, 2999, 1 << 20, 1 << 32, (1 << 32) + 1, u64::MAX];
        for round in 0..4000 {
            let mut object = whole.clone();
            if round >= lens.len() {
                mutate(&mut object, &mut random);
            }
            let mut manifest = example();
            // Its digest is right, its length may be anything.
            manifest.about.object = stored(&object, lens[round % lens.len()]);
            check_as_is(&entry(&manifest, [b"image", &object, b""]));
            manifest.about.input = manifest.about.object.take();
            check_as_is(&entry(&manifest, [b"image", b"", &object]));
            // What the manifest does not know.
            manifest.about.input = None;
            check_as_is(&entry(&manifest, [b"image", b"", &object]));
        }
    }

    #[test]
    fn a_bomb_is_not_held_in_memory() {
        // 64 MiB and more, said to be 5 bytes or more than is believed.
        let mut bomb = zstd::bulk::compress(&[0; 5], 1).expect("it compresses");
        bomb.extend_from_slice(&zstd::bulk::compress(&vec![0; 64 << 20], 1).expect("it does"));
        for len in [5, (1 << 32) + 1, u64::MAX] {
            let mut manifest = example();
            manifest.about.object = stored(&bomb, len);
            let bytes = entry(&manifest, [b"image", &bomb, b""]);
            let mut file = tempfile::tempfile().expect("a file");
            file.write_all(&bytes).expect("write");
            let entry = Entry::verify(file, &Key([7; 32]), None).expect("its image is whole");
            let error = entry.verify_attachments().expect_err("it is longer");
            assert!(matches!(error, EntryError::Attachment("object")));
            entry.object(&manifest.about).expect_err("it is longer");
        }
    }
}
