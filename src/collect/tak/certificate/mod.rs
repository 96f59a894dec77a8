//! Reads certificates and says in words how long they last. Expiry is the most common silent
//! outage of a TAK server: one day nobody can connect and every process looks well.

use x509_parser::certificate::X509Certificate;
use x509_parser::parse_x509_certificate;
use x509_parser::x509::X509Name;

mod known;
mod merge;
mod names;
mod signer;

pub use known::Known;
pub use merge::{Entry, Sighting, ends_first, merge};
pub use names::{Names, is_loopback};
pub use signer::{Signed, is_vouched_for, signer};

/// At 7 days and less the server counts as degraded; an expired certificate always does.
pub const URGENT_DAYS: i64 = 7;

/// At 30 days and less the message mentions it; the server stays healthy.
pub const SOON_DAYS: i64 = 30;

const DAY_SECONDS: i64 = 86_400;

/// The longest subject that is passed on, in characters.
const MAX_SUBJECT_CHARS: usize = 200;

/// What is told of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The common name, or the whole subject where there is none.
    pub subject: String,
    /// The same of who signed it.
    pub issuer: String,
    /// The end of the validity in Unix seconds.
    pub not_after: i64,
}

/// Reads a DER certificate; `None` when it is none.
pub fn read(der: &[u8]) -> Option<Facts> {
    let (_, certificate) = parse_x509_certificate(der).ok()?;
    Some(facts(&certificate))
}

fn facts(certificate: &X509Certificate<'_>) -> Facts {
    Facts {
        subject: name_of(certificate.subject()),
        issuer: name_of(certificate.issuer()),
        not_after: certificate.validity().not_after.timestamp(),
    }
}

fn name_of(name: &X509Name<'_>) -> String {
    let common = name.iter_common_name().find_map(|name| name.as_str().ok());
    let name = common.map_or_else(|| name.to_string(), str::to_owned);
    printable(&name, MAX_SUBJECT_CHARS)
}

/// A text from outside, without control characters and at most so many characters long.
pub fn printable(text: &str, max_chars: usize) -> String {
    text.chars().filter(|char| !char.is_control()).take(max_chars).collect()
}

/// How soon a certificate ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// In more than [`SOON_DAYS`].
    Fine,
    /// In more than [`URGENT_DAYS`].
    Soon,
    /// Within [`URGENT_DAYS`].
    Urgent,
    /// It has ended.
    Expired,
}

/// Whole days from `now` (Unix seconds) until `not_after`, rounded down: negative after the end.
pub fn days_left(not_after: i64, now: i64) -> i64 {
    not_after.saturating_sub(now).div_euclid(DAY_SECONDS)
}

/// How soon, by [`days_left`].
pub fn urgency(days_left: i64) -> Urgency {
    if days_left < 0 {
        Urgency::Expired
    } else if days_left <= URGENT_DAYS {
        Urgency::Urgent
    } else if days_left <= SOON_DAYS {
        Urgency::Soon
    } else {
        Urgency::Fine
    }
}

/// `expires in 12 days`, `expired 3 days ago`.
pub fn words(days_left: i64) -> String {
    match days_left {
        ..-2 => format!("expired {} days ago", -(days_left + 1)),
        -2 => "expired 1 day ago".into(),
        -1 => "expired today".into(),
        0 => "expires within a day".into(),
        1 => "expires in 1 day".into(),
        days => format!("expires in {days} days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_told_in_words_and_judged() {
        let cases: [(i64, i64, &str, Urgency); 11] = [
            (-3 * DAY_SECONDS, -3, "expired 2 days ago", Urgency::Expired),
            (-2 * DAY_SECONDS, -2, "expired 1 day ago", Urgency::Expired),
            (-1, -1, "expired today", Urgency::Expired),
            (0, 0, "expires within a day", Urgency::Urgent),
            (DAY_SECONDS - 1, 0, "expires within a day", Urgency::Urgent),
            (DAY_SECONDS, 1, "expires in 1 day", Urgency::Urgent),
            (7 * DAY_SECONDS, 7, "expires in 7 days", Urgency::Urgent),
            (8 * DAY_SECONDS, 8, "expires in 8 days", Urgency::Soon),
            (30 * DAY_SECONDS, 30, "expires in 30 days", Urgency::Soon),
            (31 * DAY_SECONDS, 31, "expires in 31 days", Urgency::Fine),
            (i64::MAX, i64::MAX / DAY_SECONDS, "expires in 106751991167300 days", Urgency::Fine),
        ];
        for (not_after, days, text, urgent) in cases {
            let left = days_left(not_after, 0);
            assert_eq!((left, words(left).as_str(), urgency(left)), (days, text, urgent));
        }
        assert_eq!(days_left(i64::MIN, i64::MAX), i64::MIN.div_euclid(DAY_SECONDS));
    }

    #[test]
    fn a_certificate_is_read_and_garbage_is_none() {
        let der = include_bytes!("../fixtures/server.der");
        let facts = read(der).expect("a certificate");
        let name = || "tak.example".to_owned();
        assert_eq!(facts, Facts { subject: name(), issuer: name(), not_after: 1_900_000_000 });
        for length in 0..der.len() {
            assert_eq!(read(&der[..length]), None, "cut at {length}");
        }
        for garbage in [&b""[..], b"\x30\x84\xff\xff\xff\xff", b"-----BEGIN CERTIFICATE-----"] {
            assert_eq!(read(garbage), None);
        }
    }

    #[test]
    fn of_whichever_server_it_is_the_one_that_ends_first_is_on_top() {
        let der = |bytes: &[u8]| vec![bytes.to_vec()];
        let late = der(include_bytes!("../../../keystore/fixtures/server.der"));
        let early = der(include_bytes!("../fixtures/server.der"));
        let report = |chain: &[Vec<u8>]| merge(Sighting::of_port(chain, "h:1"))[0].report(None, 0);
        let mut certificates = [report(&late), report(&early)];
        ends_first(&mut certificates);
        assert_eq!(certificates.map(|one| one.subject), ["tak.example", "takserver"]);
    }

    #[test]
    fn a_text_from_outside_is_made_harmless() {
        assert_eq!(printable("a\u{1b}[31mb\r\n\u{e9}", 6), "a[31mb");
        assert_eq!(printable("\u{e9}\u{e9}\u{e9}", 2), "\u{e9}\u{e9}");
    }
}
