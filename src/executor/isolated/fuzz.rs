//! A page and a connection that another process has filled with anything: nothing happens but an error. The tests here try the same
//! few thousand each time; the targets below `fuzz/` look for others.

use super::capture;
use super::channel::{Channel, Side};
use super::talk::{Answer, Order};
use crate::protocol::isolated::Part;
use crate::protocol::transport;
use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

/// The longest message that is taken in.
const MOST: u64 = 1 << 20;

/// Has both sides read a page. Returns how many messages were read.
pub fn page(bytes: &[u8]) -> usize {
    let Ok((channel, _file)) = Channel::new() else {
        return 0;
    };
    let mut count = 0;
    for side in [Side::Host, Side::Guest] {
        channel.scribble(bytes);
        if let Some(message) = channel.receive(side, MOST, &mut || None) {
            assert!(message.len() as u64 <= MOST);
            let is_answer = postcard::from_bytes::<Answer>(&message).is_ok();
            let is_order = postcard::from_bytes::<Order<'_>>(&message).is_ok();
            count += usize::from(is_answer) + usize::from(is_order);
        }
    }
    count
}

/// Has a host follow a run of which this is said, and a program's process read it. Returns whether the run has ended.
pub fn run(bytes: &[u8]) -> bool {
    let both = UnixStream::pair().and_then(|(ours, theirs)| {
        (&theirs).write_all(&bytes[..bytes.len().min(100_000)])?;
        theirs.shutdown(Shutdown::Write)?;
        Ok((ours, theirs))
    });
    let Ok((ours, _theirs)) = both else {
        return false;
    };
    if let Some(body) = bytes.get(4..) {
        let _ = transport::decode::<Part>(body);
    }
    let followed = capture::follow(&ours, [None, None], 0, None);
    followed.is_ok_and(|captured| captured.ended.is_some())
}

#[cfg(test)]
mod tests {
    use super::super::talk::encode;
    use super::*;
    use crate::executor::value::Value;
    use crate::protocol::isolated::{Ended, Failure, Missing, Reply};
    use crate::signature::Type;

    /// xorshift64*.
    struct Random(u64);

    impl Random {
        fn below(&mut self, end: usize) -> usize {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as usize % end.max(1)
        }
    }

    /// Changes a few bytes, most of them near the start, or cuts it.
    fn change(bytes: &mut Vec<u8>, random: &mut Random) {
        const ODD: [u8; 6] = [0, 1, 2, 0x7f, 0x80, 0xff];
        for _ in 0..=random.below(4) {
            let end = match random.below(3) {
                0 => bytes.len(),
                _ => bytes.len().min(24),
            };
            let at = random.below(end);
            match random.below(8) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, ODD[random.below(ODD.len())]),
                2 if at < bytes.len() => bytes[at] = ODD[random.below(ODD.len())],
                _ if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
                _ => {}
            }
        }
    }

    /// A page with a message of a side.
    fn written(side: Side, message: &[u8]) -> Vec<u8> {
        let mut page = (side as u32).to_le_bytes().to_vec();
        page.extend_from_slice(&(message.len() as u32).to_le_bytes());
        page.extend_from_slice(&(message.len() as u64).to_le_bytes());
        page.extend_from_slice(message);
        page
    }

    fn pages() -> Vec<Vec<u8>> {
        let failure = Failure::invalid("it is wrong".to_owned());
        let arguments = vec![Value::I8(-1), Value::Double(0.5), Value::Pointer(7)];
        let answers = [
            Answer::Returned(Value::I64(i64::MIN)),
            Answer::Added(u64::MAX),
            Answer::Done,
            Answer::Asks {
                number: 3,
                arguments: arguments.clone(),
            },
            Answer::Failed(failure),
        ];
        let orders = [
            Order::Call {
                name: "name",
                arguments,
            },
            Order::Add {
                name: "m",
                manifest: b"manifest",
                image: b"image",
            },
            Order::Remove(1),
            Order::Define {
                name: "f",
                parameters: vec![Type::I32, Type::Other("i128".to_owned())],
            },
            Order::Return(Value::Void),
        ];
        let answers = answers
            .iter()
            .map(|answer| written(Side::Guest, &encode(answer)));
        let orders = orders
            .iter()
            .map(|order| written(Side::Host, &encode(order)));
        answers.chain(orders).collect()
    }

    fn runs() -> Vec<Vec<u8>> {
        let ready = Reply::Ready {
            bases: vec![1, 2],
            missing: Missing::default(),
        };
        let failed = Reply::Failed(Failure::invalid("it is wrong".to_owned()));
        let ended = Reply::Ended(Ended::default());
        let said = |replies: &[&Reply]| -> Vec<u8> {
            let frames = replies
                .iter()
                .map(|reply| transport::encode(reply).expect("it encodes"));
            frames.flatten().collect()
        };
        vec![
            said(&[&ready, &ended]),
            said(&[&failed, &ended]),
            said(&[&ended]),
        ]
    }

    fn check(seeds: &[Vec<u8>], read: impl Fn(&[u8]) -> bool) {
        let mut random = Random(7);
        for seed in seeds {
            assert!(read(seed), "{seed:?}");
            for _ in 0..500 {
                let mut bytes = seed.clone();
                change(&mut bytes, &mut random);
                read(&bytes);
            }
        }
    }

    #[test]
    fn a_page_of_anything_is_read_or_refused() {
        check(&pages(), |bytes| page(bytes) > 0);
        // Every number where numbers are.
        const LEN: u64 = 64 << 10;
        for state in [0, 1, 2, 3, 1 << 31, 1 << 31 | 1, u32::MAX] {
            for part in [0, 1, 64, LEN as u32 - 16, LEN as u32 - 15, u32::MAX] {
                for whole in [0, 1, 64, LEN - 16, 1 << 19, u64::MAX] {
                    let mut bytes = state.to_le_bytes().to_vec();
                    bytes.extend_from_slice(&part.to_le_bytes());
                    bytes.extend_from_slice(&whole.to_le_bytes());
                    bytes.extend_from_slice(&[0xff; 64]);
                    page(&bytes);
                }
            }
        }
    }

    #[test]
    fn a_run_of_which_anything_is_said_has_an_end() {
        check(&runs(), run);
    }
}
