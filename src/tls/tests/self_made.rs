//! The certificate that takpulse makes itself is kept, and made anew only when it must be.

use std::os::unix::fs::PermissionsExt;

use x509_parser::extensions::ParsedExtension;
use x509_parser::parse_x509_certificate;

use super::*;
use crate::tls::expiry::DAY_SECONDS;
use crate::tls::self_signed::keep;

const NOW: i64 = 1_900_000_000;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn it_is_made_once_and_served() {
    let bench = Bench::new();
    let mode = TlsMode::SelfSigned { names: names(&["tak.example.org", "10.0.0.5"]) };
    let config = TlsConfig { mode, hsts: false };
    let first = bench.open(&config).expect("made");
    let again = bench.open(&config).expect("kept");
    assert_eq!(first.own(), again.own());
    assert_eq!(served(&again).await, [first.own().der]);
    assert_eq!(first.own().source, bench.path("state/tls.pem").display().to_string());
    let mode = std::fs::metadata(bench.path("state/tls.pem")).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(logged(|| again.look()), "", "nothing has changed");
    let fingerprint = first.own().fingerprint;
    let digits = fingerprint.chars().filter(|one| matches!(one, '0'..='9' | 'A'..='F')).count();
    assert_eq!((digits, fingerprint.len()), (64, 95), "{fingerprint}");
    let shown = Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(bench.path("state/tls.pem"))
        .output()
        .expect("openssl is installed");
    assert!(String::from_utf8_lossy(&shown.stdout).contains(&fingerprint));
}

#[test]
fn it_says_what_browsers_look_for() {
    let bench = Bench::new();
    let asked = names(&["TAK.example.org", "10.0.0.5", "2001:DB8:0::1", "localhost"]);
    let pair = keep(&bench.state(), &asked, NOW).expect("made");
    let (_, read) = parse_x509_certificate(pair.der()).expect("a certificate");
    assert_eq!(read.validity().not_before.timestamp(), NOW - DAY_SECONDS);
    assert_eq!(pair.not_after, NOW + 364 * DAY_SECONDS);
    let host = rustix::system::uname().nodename().to_str().expect("a name").to_owned();
    assert_eq!(read.subject().to_string(), format!("CN=takpulse {host}"));
    assert_eq!(read.issuer(), read.subject());
    let text: Vec<String> =
        read.extensions().iter().map(|one| format!("{:?}", one.parsed_extension())).collect();
    let text = text.join("\n");
    let alternatives = read.subject_alternative_name().expect("one").expect("there").value;
    assert_eq!(alternatives.general_names.len(), 7, "{text}");
    for name in [&host.to_ascii_lowercase(), "\"localhost\"", "tak.example.org"] {
        assert!(text.contains(name), "{name}: {text}");
    }
    assert!(read.basic_constraints().expect("one").is_some(), "it says that it signs nothing");
    for extension in read.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::BasicConstraints(constraints) => assert!(!constraints.ca),
            ParsedExtension::ExtendedKeyUsage(usage) => assert!(usage.server_auth && !usage.any),
            ParsedExtension::KeyUsage(usage) => assert!(usage.digital_signature()),
            ParsedExtension::SubjectAlternativeName(_)
            | ParsedExtension::AuthorityKeyIdentifier(_)
            | ParsedExtension::SubjectKeyIdentifier(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(keep(&bench.state(), &asked, NOW).expect("kept").der(), pair.der());
}

#[test]
fn it_is_made_anew_when_it_must_be_and_only_then() {
    let year = 364 * DAY_SECONDS;
    let month = 30 * DAY_SECONDS;
    for (asked, later, is_kept) in [
        (&["tak.example"][..], 0, true),
        (&[], 0, true),
        (&["TAK.Example", "127.0.0.1", "::1", "0:0::1"], 0, true),
        (&["tak.example", "other.example"], 0, false),
        (&["10.0.0.5"], 0, false),
        (&[], -DAY_SECONDS, true),
        (&[], -50 * year, true),
        (&[], year - month - 1, true),
        (&[], year - month, false),
        (&[], year + 1, false),
    ] {
        let bench = Bench::new();
        let old = keep(&bench.state(), &names(&["tak.example"]), NOW).expect("made");
        let new = keep(&bench.state(), &names(asked), NOW + later).expect("kept or made");
        assert_eq!(new.der() == old.der(), is_kept, "{asked:?} {later}");
        assert!(self_signed::is_of_use(&new, &names(asked), NOW + later));
    }
}

#[test]
fn what_takpulse_did_not_write_is_left_alone() {
    let bench = Bench::new();
    let config = TlsConfig { mode: TlsMode::SelfSigned { names: Vec::new() }, hsts: false };
    let whole = {
        bench.open(&config).expect("made");
        bench.read("state/tls.pem")
    };
    bench.pair("foreign", EC);
    let foreign = [bench.read("foreign.pem"), bench.read("foreign.key")].concat();
    let key_at = String::from_utf8_lossy(&whole).find("-----BEGIN PRIVATE").expect("a key");
    let crossed = [&whole[..key_at], &bench.read("foreign.key")].concat();
    let twice = [&whole[..], &whole].concat();
    let cases: [(&[u8], &str); 8] = [
        (b"", "0 certificates"),
        (b"\xff\xfe", "0 certificates"),
        (&whole[..key_at], "no key in it"),
        (&whole[..whole.len() - 40], "no END line"),
        (&whole[..100], "no END line"),
        (&foreign, "another subject"),
        (&crossed, "belongs to another certificate"),
        (&twice, "2 certificates"),
    ];
    for (content, words) in cases {
        bench.write("state/tls.pem", content);
        let fault = bench.open(&config);
        let file = bench.path("state/tls.pem");
        says(fault, &file, &["not what takpulse wrote", words, "remove the file"]);
        assert_eq!(bench.read("state/tls.pem"), content, "it is still there");
    }
}

#[test]
fn a_directory_of_others_and_a_name_that_cannot_be_are_refused() {
    let bench = Bench::new();
    let open = |name: &str| {
        let mode = TlsMode::SelfSigned { names: names(&[name]) };
        let fault = bench.open(&TlsConfig { mode, hsts: false }).err().expect("refused");
        fault.to_string()
    };
    let fault = open("t\u{e4}k.example");
    assert!(fault.starts_with("tls.names: \"t\u{e4}k.example\""), "{fault}");
    std::fs::set_permissions(bench.path("state"), PermissionsExt::from_mode(0o777))
        .expect("changed");
    assert!(open("tak.example").contains("chmod 700"));
}

#[test]
fn many_at_once_make_one() {
    let bench = Bench::new();
    let dir = bench.state();
    let made: Vec<Vec<u8>> = std::thread::scope(|scope| {
        let keep = || keep(&dir, &[], NOW).expect("made").der().to_vec();
        let all: Vec<_> = (0..4).map(|_| scope.spawn(keep)).collect();
        all.into_iter().map(|one| one.join().expect("no panic")).collect()
    });
    assert!(made.iter().all(|one| *one == made[0]));
}
