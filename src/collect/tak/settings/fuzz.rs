//! Each parser against texts that no server ever wrote. The seeds are fixed: what fails, fails again.

use std::fmt::Write as _;

use super::fault::Syntax;
use super::owner::Environment;
use super::{MAX_PLACES, MAX_PORTS, Settings};
use super::{core_config, free_tak, open_tak, taky};
use crate::collect::tak::presence::Component;

/// Texts that each format trips over sooner than over noise.
const SPLICES: [&str; 24] = [
    "<a>",
    "</a>",
    "\"",
    "'",
    "&amp;",
    "&x;",
    "<![CDATA[",
    "<!--",
    "<!DOCTYPE a [",
    "{",
    "}",
    "[",
    "]",
    ": ",
    "- ",
    "? ",
    "&a ",
    "*a",
    "!!int ",
    "|\n",
    ">\n  ",
    "[x]\n",
    "= ",
    "\u{0}\u{feff}\u{1f4a9}",
];

/// Changes a text in a few places: cuts, flips, repeats, splices.
fn mutated(random: &mut fastrand::Rng, text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..random.usize(1..6) {
        let at = random.usize(0..=bytes.len());
        let to = (at + random.usize(0..40)).min(bytes.len());
        match random.u8(0..5) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] ^= 1 << random.u8(0..8),
            2 => drop(bytes.drain(at..to)),
            3 => {
                let again = bytes[at..to].to_vec();
                bytes.splice(at..at, again);
            }
            _ => {
                let splice = random.choice(SPLICES).unwrap_or_default();
                let times = random.usize(1..5);
                bytes.splice(at..at, splice.repeat(times).into_bytes());
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whatever the text, the answer is bounded and shows no secret.
fn fuzz(name: &str, text: &str, parse: impl Fn(&str) -> Result<Settings, Syntax>) {
    let mut random = fastrand::Rng::with_seed(5);
    let (mut good, mut bad) = (0, 0);
    for _ in 0..1500 {
        let text = mutated(&mut random, text);
        match parse(&text) {
            Ok(settings) => {
                good += 1;
                assert!(settings.ports.len() <= MAX_PORTS, "{name}: {text}");
                assert!(settings.places.len() <= MAX_PLACES, "{name}: {text}");
                assert!(settings.ports.iter().all(|port| port.port > 0), "{name}: {text}");
            }
            Err(why) => {
                bad += 1;
                let message = why.of(name).to_string();
                assert!(message.len() < 300 && !message.contains("hush"), "{name}: {message}");
            }
        }
    }
    // Neither all nor none of it is understood, or this tries nothing.
    assert!(good > 50 && bad > 50, "{name}: {good} read, {bad} refused");
}

#[test]
fn core_config_takes_anything() {
    let owner = core_config::tests::owner();
    fuzz("CoreConfig.xml", core_config::tests::EXAMPLE, |text| core_config::parse(text, &owner));
    let mut many = String::from("<Configuration><network>");
    for port in 1..5000 {
        let _ = write!(many, "<input port='{port}' protocol='tls' _name='{}'/>", "x".repeat(100));
        let _ = write!(many, "<connector port='{port}' keystoreFile='/{port}/x.jks'/>");
    }
    many.push_str("</network></Configuration>");
    let settings = core_config::parse(&many, &owner).expect("it is well-formed");
    assert_eq!((settings.ports.len(), settings.places.len()), (MAX_PORTS, MAX_PLACES));
    assert_eq!(settings.ports[0].name.len(), 60);
}

#[test]
fn config_yml_takes_anything() {
    let owner = open_tak::tests::owner("");
    fuzz("config.yml", open_tak::tests::EXAMPLE, |text| open_tak::parse(text, &owner));
}

#[test]
fn fts_config_takes_anything() {
    let owner = open_tak::tests::owner("");
    fuzz("FTSConfig.yaml", free_tak::tests::EXAMPLE, |text| free_tak::parse(text, &owner));
}

#[test]
fn taky_conf_takes_anything() {
    let owner = taky::tests::owner(&[Component::TakyCot]);
    fuzz("taky.conf", taky::tests::EXAMPLE, |text| taky::parse(Some(text), &owner));
}

#[test]
fn an_environment_takes_anything() {
    let mut random = fastrand::Rng::with_seed(5);
    let text = "HOME=/home/ots\0OTS_CA_PASSWORD=hush\0FTS_COT_PORT=1\0";
    for _ in 0..1000 {
        let environment = Environment::parse(mutated(&mut random, text).as_bytes());
        assert!(!format!("{environment:?}").contains("hush"));
    }
}
