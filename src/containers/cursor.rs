//! Where a reader of a log has got to, so that it can come back and go on there.
//!
//! An engine numbers no lines, and several may carry the same moment (Podman's monitor gives one to all
//! that it reads at once). So a line is known by its moment, by its text, and by how many of the same
//! moment and text came before it: that stays true wherever in the log one begins to read.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// The digits of a container's id that stand in a cursor.
pub const ID_DIGITS: usize = 12;

/// A line of one container's log, as text for the way there and back: `<id>-<nanoseconds>-<digest>-<nth>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The first [`ID_DIGITS`] digits of the container's id: a container that was made anew under the same
    /// name has another log.
    pub container: Arc<str>,
    /// Which line.
    pub place: Place,
}

/// A line of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// When it was written, in nanoseconds of Unix time.
    pub at_nanoseconds: u64,
    /// Of its text.
    pub digest: u32,
    /// Counted from 1 among those of this moment and this text.
    pub nth: u32,
}

impl Cursor {
    /// Reads what [`Display`](fmt::Display) writes. `None`: it is none of ours.
    pub fn parse(text: &str) -> Option<Cursor> {
        let mut parts = text.split('-');
        let container = parts.next().filter(|id| id.len() == ID_DIGITS && is_hex(id))?;
        let at_nanoseconds = decimal(parts.next()?, 19)?;
        let digest = parts.next().filter(|digest| digest.len() == 8 && is_hex(digest))?;
        let nth = decimal(parts.next()?, 9)?;
        let place = Place {
            at_nanoseconds,
            digest: u32::from_str_radix(digest, 16).ok()?,
            nth: u32::try_from(nth).ok()?,
        };
        parts.next().is_none().then(|| Cursor { container: container.into(), place })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { at_nanoseconds, digest, nth } = self.place;
        write!(f, "{}-{at_nanoseconds}-{digest:08x}-{nth}", self.container)
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn decimal(text: &str, most_digits: usize) -> Option<u64> {
    let right = text.len() <= most_digits && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| right)
}

/// More texts of one moment than this are not told apart by their number any more: no monitor reads so
/// many lines at once (conmon's buffer has 8 KiB).
const MOST_OF_A_MOMENT: usize = 8192;

/// Gives lines their places, in the order in which they stand in the log.
#[derive(Debug, Default)]
pub struct Places {
    at_nanoseconds: u64,
    counts: HashMap<u32, u32>,
}

impl Places {
    /// The place of the next line.
    pub fn next(&mut self, at_nanoseconds: u64, text: &[u8]) -> Place {
        let other = std::mem::replace(&mut self.at_nanoseconds, at_nanoseconds) != at_nanoseconds;
        if other || self.counts.len() >= MOST_OF_A_MOMENT {
            self.counts.clear();
        }
        let digest = digest(text);
        let count = self.counts.entry(digest).or_default();
        *count = count.saturating_add(1);
        Place { at_nanoseconds, digest, nth: *count }
    }
}

/// FNV-1a (<http://www.isthe.com/chongo/tech/comp/fnv/>): the same in every version of takpulse, and cheap.
fn digest(text: &[u8]) -> u32 {
    text.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(at_nanoseconds: u64, nth: u32) -> Cursor {
        let place = Place { at_nanoseconds, digest: digest(b"text"), nth };
        Cursor { container: "0123456789ab".into(), place }
    }

    #[test]
    fn a_cursor_comes_back_as_it_went() {
        for cursor in [cursor(1, 1), cursor(1_700_000_000_123_456_789, 999_999_999), cursor(0, 0)] {
            assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor.clone()), "{cursor}");
        }
        assert_eq!(digest(b""), 0x811c_9dc5);
        assert_eq!(digest(b"foobar"), 0xbf9c_f968, "as published");
    }

    #[test]
    fn what_is_no_cursor_is_none() {
        let good = cursor(5, 1).to_string();
        for text in [
            "",
            "-",
            "edge-1-17-3",
            &good[1..],
            &good[..good.len() - 2],
            &format!("{good}-"),
            &format!("{good}-1"),
            &good.to_uppercase(),
            &good.replace("-5-", "-+5-"),
            &good.replace("-5-", "--"),
            &good.replace("-5-", "-99999999999999999999-"),
            &good.replace('0', "\u{e4}"),
        ] {
            assert_eq!(Cursor::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn no_text_at_all_breaks_the_reader_of_cursors() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            let letters = b"0123456789abcdef--- \xc3\xa4";
            let text: Vec<u8> =
                (0..random.usize(..50)).map(|_| letters[random.usize(..letters.len())]).collect();
            let text = String::from_utf8_lossy(&text);
            if let Some(cursor) = Cursor::parse(&text) {
                assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
            }
        }
    }

    #[test]
    fn equal_lines_of_one_moment_are_counted_and_others_are_not_among_them() {
        let mut places = Places::default();
        let nth: Vec<u32> = [(1, "a"), (1, "b"), (1, "a"), (2, "a"), (2, "a"), (1, "a")]
            .map(|(at, text)| places.next(at, text.as_bytes()).nth)
            .into();
        assert_eq!(nth, [1, 1, 2, 1, 2, 1]);
    }
}
