//! Helpers that were made to harm: whatever one says, an answer is read or refused.

use super::wire::{Incoming, Value, read_done, read_exists, read_greeting, read_info, read_value};

/// Reads any bytes as each kind of answer. Returns how many of them were one.
pub fn answers(bytes: &[u8]) -> usize {
    let limit = 1 << 20;
    let value = read_value(&mut &*bytes, &mut Incoming::default(), limit);
    if let Ok(Some(Value::Bytes(value))) = &value {
        assert!(value.len() < bytes.len());
    }
    let info = read_info(&mut &*bytes);
    if let Ok((identity, diagnostics)) = &info {
        let all: Vec<&String> = diagnostics.iter().chain([identity]).collect();
        assert!(all.iter().all(|text| !text.contains(char::is_control)));
    }
    [
        read_greeting(&mut &*bytes).is_ok(),
        value.is_ok(),
        read_done(&mut &*bytes).is_ok(),
        read_exists(&mut &*bytes).is_ok(),
        info.is_ok(),
    ]
    .into_iter()
    .filter(|is_one| *is_one)
    .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// xorshift64*.
    struct Random(u64);

    impl Random {
        fn below(&mut self, end: usize) -> usize {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as usize % end
        }
    }

    #[test]
    fn whatever_a_helper_says_is_read_or_refused() {
        let seeds: [&[u8]; 5] = [
            &[1, 3, 0, 1, 2],
            &[0, 3, 0, 0, 0, 0, 0, 0, 0, b'a', b'b', b'c'],
            b"\x02\x05sorry",
            &[0, 1],
            b"\x04name\x01\x02hi",
        ];
        let mut random = Random(18);
        let mut read = 0;
        for round in 0..20_000 {
            let mut bytes = seeds[round % seeds.len()].to_vec();
            for _ in 0..random.below(4) {
                let at = random.below(bytes.len());
                match random.below(4) {
                    0 => bytes[at] = random.below(256) as u8,
                    1 => bytes.truncate(at.max(1)),
                    2 => bytes.insert(at, [0, 1, 0x7f, 0xff][random.below(4)]),
                    _ => bytes.extend_from_slice(seeds[random.below(seeds.len())]),
                }
            }
            read += answers(&bytes);
        }
        assert!(read > 10_000, "{read} answers were read");
    }
}
