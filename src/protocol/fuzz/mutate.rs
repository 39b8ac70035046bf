//! Changes of conversations, the same each time.

use super::frames::{Descriptor, Frame};

/// xorshift64*.
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

/// What headers claim that lie.
const LENGTHS: [u32; 8] = [0, 1, 3, 4096, 64 << 20, (64 << 20) + 1, 1 << 31, u32::MAX];

/// Changes frames in one to three ways. With `lies`, also what their headers claim: then the connection is out of step.
pub fn mutate(frames: &mut Vec<Frame>, random: &mut Random, lies: bool) {
    for _ in 0..1 + random.below(3) {
        if frames.is_empty() {
            return;
        }
        let index = random.below(frames.len());
        match random.below(if lies { 10 } else { 9 }) {
            0 => {
                let frame = frames[index].clone();
                frames.insert(random.below(frames.len() + 1), frame);
            }
            1 => {
                frames.remove(index);
            }
            2 => {
                let other = random.below(frames.len());
                frames.swap(index, other);
            }
            3 => frames[index].descriptor = Descriptor::ALL[random.below(Descriptor::ALL.len())],
            9 => frames[index].claimed = LENGTHS[random.below(LENGTHS.len())],
            _ => {
                let body = &mut frames[index].body;
                change(body, random);
                frames[index].claimed = frames[index].body.len() as u32;
            }
        }
    }
}

fn change(body: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(body.len());
    match random.below(6) {
        0..=1 if at < body.len() => body[at] ^= 1 << random.below(8),
        2 if at < body.len() => body[at] = random.next() as u8,
        // The largest number that postcard's integers take.
        3 => {
            let end = (at + 1).min(body.len());
            body.splice(at..end, [[0xff; 9].as_slice(), &[1]].concat());
        }
        4 => body.truncate(at),
        _ => {
            let new: Vec<u8> = (0..random.below(20)).map(|_| random.next() as u8).collect();
            body.splice(at..at, new);
        }
    }
}
