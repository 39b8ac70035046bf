//! A hash in a manifest.

use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A hash, encoded as an array of bytes. `serde` reads such an array byte by byte, which took 4 % of a hit. Postcard writes a
/// `f64` as its 8 bytes in order, so four of them are the same bytes, read at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Hash(pub [u8; 32]);

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
        deserializer.deserialize_tuple(4, Words)
    }
}

struct Words;

impl<'de> Visitor<'de> for Words {
    type Value = Hash;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a hash")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Hash, A::Error> {
        let mut hash = [0; 32];
        for (index, word) in hash.chunks_exact_mut(8).enumerate() {
            let value: f64 = sequence
                .next_element()?
                .ok_or_else(|| A::Error::invalid_length(index, &self))?;
            // Whatever number the bits are, a copy has the same bits.
            word.copy_from_slice(&value.to_bits().to_le_bytes());
        }
        Ok(Hash(hash))
    }
}

#[cfg(test)]
mod tests {
    use super::Hash;

    #[test]
    fn a_hash_is_encoded_as_an_array() {
        let signalling = [1, 0, 0, 0, 0, 0, 0xf0, 0x7f];
        let check = |array: [u8; 32]| {
            let bytes = postcard::to_stdvec(&array).expect("encoded");
            assert_eq!(bytes, array);
            assert_eq!(postcard::to_stdvec(&Hash(array)), Ok(bytes.clone()));
            assert_eq!(postcard::from_bytes(&bytes), Ok(Hash(array)));
            postcard::from_bytes::<Hash>(&bytes[1..]).expect_err("cut");
        };
        check(std::array::from_fn(|index| index as u8));
        // Bits that are no number.
        check(std::array::from_fn(|index| signalling[index % 8]));
        check([0xff; 32]);
        check([0; 32]);
    }
}
