use super::*;
use crate::arch::image::MACHINE;
use std::io::Write;
use std::os::fd::AsFd;

/// An ELF file with a code segment of one page and a writable one with 8 bytes of the file and zeros on two
/// pages, whose offset in the file is `offset`.
fn image(offset: u64, file_len: u64) -> Vec<u8> {
    let mut image = vec![0; 0x3000];
    let mut header = Vec::new();
    header.extend_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    let half = |header: &mut Vec<u8>, value: u16| header.extend(value.to_le_bytes());
    let word = |header: &mut Vec<u8>, value: u32| header.extend(value.to_le_bytes());
    let long = |header: &mut Vec<u8>, value: u64| header.extend(value.to_le_bytes());
    half(&mut header, 3);
    half(&mut header, MACHINE.0);
    word(&mut header, 1);
    long(&mut header, 0);
    long(&mut header, 64);
    long(&mut header, 0);
    word(&mut header, 0);
    for value in [64, 56, 3, 0, 0, 0] {
        half(&mut header, value);
    }
    // Type, flags, offset, address, length in the file, length in memory.
    for (kind, flags, offset, address, file_len, memory_len) in [
        (1, 5, 0, 0, 0x1000, 0x1000),
        (1, 6, offset, 0x2100, file_len, 0x1800),
        (2, 6, offset, 0x2100, file_len, 16),
    ] {
        word(&mut header, kind);
        word(&mut header, flags);
        for value in [offset, address, address, file_len, memory_len, 0x1000] {
            long(&mut header, value);
        }
    }
    image[..header.len()].copy_from_slice(&header);
    image[0x800..0x808].copy_from_slice(b"the code");
    image[0x1100..0x1108].copy_from_slice(b"the data");
    image[0x1108..0x2000].fill(0xff);
    image
}

#[test]
fn a_file_and_memory_give_the_same() {
    for (offset, file_len, data) in [
        (0x1100, 8, b"the data"),
        // Zeros alone.
        (0x1100, 0, b"\0\0\0\0\0\0\0\0"),
    ] {
        let image = image(offset, file_len);
        let headers = Headers::parse(&image, image.len() as u64).expect("an image");
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&image).expect("written");
        file.write_all(&image).expect("written");
        let copied = |at| Source::Copied {
            file: file.as_fd(),
            at,
            image: &image,
        };
        let mapped = |at, start| Source::File {
            file: file.as_fd(),
            at,
            start,
        };
        let at = |at| [mapped(at, &image), mapped(at, &[]), copied(at)];
        let in_files = [at(0), at(0x3000)].concat();
        for source in in_files.into_iter().chain([Source::Memory(&image)]) {
            let mapping = Mapping::new(source, &headers, image.len() as u64).expect("mapped");
            assert_eq!(mapping.len(), 0x4000);
            assert_eq!(mapping.slice::<u8>(0x800, 8).expect("code"), b"the code");
            assert_eq!(mapping.slice::<u8>(0x2100, 8).expect("data"), data);
            let zeros = mapping.slice::<u8>(0x2108, 0x17f8).expect("zeros");
            assert!(zeros.iter().all(|byte| *byte == 0));

            mapping.write(0x2100, 7).expect("writable");
            mapping.write(0x38f8, 7).expect("the last word");
            for address in [0, 0x800, 0x1ff9, 0x38f9, 0x4000, usize::MAX] {
                mapping.write(address, 7).expect_err("not writable");
            }
            mapping.slice::<u8>(0x4000, 1).expect_err("outside");
            mapping.slice::<u64>(0x3ff8, 2).expect_err("outside");
            mapping.slice::<u64>(0x2001, 1).expect_err("not aligned");
            mapping.slice::<u64>(8, usize::MAX).expect_err("too many");
        }
    }
}

/// What runs is the copy; what tells the file's name is told where the file would lie.
#[test]
fn a_copy_is_the_files_in_name_only() {
    let image = image(0x1100, 8);
    let headers = Headers::parse(&image, image.len() as u64).expect("an image");
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(&image).expect("written");
    let source = Source::Copied {
        file: file.as_file().as_fd(),
        at: 0,
        image: &image,
    };
    let mapping = Mapping::new(source, &headers, image.len() as u64).expect("mapped");
    let maps = std::fs::read_to_string("/proc/self/maps").expect("a list");
    let path = file.path().to_str().expect("a path");
    let places = maps
        .lines()
        .filter(|line| line.ends_with(path))
        .map(|line| {
            let (start, rest) = line.split_once('-').expect("a range");
            let offset = rest.split(' ').nth(2).expect("an offset");
            let number = |text| usize::from_str_radix(text, 16).expect("a number");
            number(start) - number(offset)
        });
    let places: Vec<usize> = places.collect();
    assert!(!places.is_empty() && places.iter().all(|base| *base == mapping.base()));

    file.as_file().set_len(0).expect("cut");
    file.as_file().set_len(0x3000).expect("zeros");
    assert_eq!(mapping.slice::<u8>(0x800, 8).expect("code"), b"the code");
    assert_eq!(mapping.slice::<u8>(0x2100, 8).expect("data"), b"the data");
    mapping.write(0x38f8, 7).expect("the last word");
}

#[test]
fn impossible_headers_are_refused() {
    let image = image(0x1100, 8);
    let parse = |image: &[u8], len: u64| Headers::parse(image, len).map(|_| ());
    parse(&image, 0x3000).expect("an image");
    // Cut within the program headers, and shorter than a segment.
    for len in 0..64 + 3 * 56 {
        parse(&image[..len], 0x3000).expect_err("cut headers");
    }
    parse(&image, 0x1104).expect_err("a cut segment");
    let zeros = self::image(0x1108, 0);
    parse(&zeros, 0x3000).expect_err("zeros at an offset that the system refuses");
    let broken = |at: usize, value: u8| {
        let mut image = image.clone();
        image[at] = value;
        parse(&image, 0x3000).expect_err(&format!("byte {at:#x} is {value:#x}"));
    };
    broken(0, 0);
    // 32 bits; big-endian; not a shared object; another machine; another size of program headers.
    broken(4, 1);
    broken(5, 2);
    broken(16, 2);
    broken(18, 3);
    broken(54, 32);
    let second = 64 + 56;
    // Writable code; an offset on another place in the page; overlap; longer than memory; beyond all bounds.
    broken(second + 4, 7);
    broken(second + 8, 0x10);
    broken(second + 17, 0);
    broken(second + 33, 0x20);
    broken(second + 47, 0x7f);
}

#[test]
fn property_notes_say_whether_code_is_guarded() {
    fn note(properties: &[(u32, &[u8])]) -> Vec<u8> {
        let mut list = Vec::new();
        for (kind, data) in properties {
            list.extend(kind.to_le_bytes());
            list.extend((data.len() as u32).to_le_bytes());
            list.extend(*data);
            list.resize(list.len().next_multiple_of(8), 0);
        }
        let words = [4, list.len() as u32, 5].map(u32::to_le_bytes).concat();
        [&words[..], b"GNU\0", &list].concat()
    }
    let (kind, _) = image::GUARD.unwrap_or((0xc000_0002, 1));
    let check = |note: &[u8], expect: bool| {
        let expect = expect && image::GUARD.is_some();
        assert_eq!(super::super::elf::says_guarded(note), expect, "{note:x?}");
    };
    check(&note(&[(kind, &[3, 0, 0, 0])]), true);
    check(&note(&[(kind, &[2, 0, 0, 0])]), false);
    check(&note(&[(1, &[0; 8]), (kind, &[1, 0, 0, 0])]), true);
    check(&note(&[(1, &[1; 4])]), false);
    check(&note(&[]), false);
    let whole = note(&[(kind, &[1, 0, 0, 0])]);
    for len in 0..whole.len() - 7 {
        check(&whole[..len], false);
    }
    let mut other = whole.clone();
    other[12] = b'X';
    check(&other, false);
    check(&note(&[(1, &[]), (kind + 1, &[0xff; 40])]), false);
    let mut endless = note(&[(1, &[0; 8])]);
    endless[20..24].fill(0xff);
    check(&endless, false);
}
