//! What `openssl` and Java's `keytool` made (`fixtures/make.sh`) is read, and nothing else hurts.

use rustls::crypto::ring::default_provider;

use super::*;

/// A file of `fixtures`.
macro_rules! fixture {
    ($name:literal) => {
        ($name, include_bytes!(concat!("fixtures/", $name)).as_slice())
    };
}

const LEAF: &[u8] = include_bytes!("fixtures/server.der");
const ROOT: &[u8] = include_bytes!("fixtures/ca.der");

fn secrets(passwords: &[&str]) -> Vec<Secret> {
    passwords.iter().map(|password| Secret::new((*password).to_owned())).collect()
}

#[test]
fn the_content_says_which_format_it_is() {
    let cases = [
        (fixture!("server.pem"), Some(Format::Pem)),
        (fixture!("server.key"), Some(Format::Pem)),
        (fixture!("ca.crl"), Some(Format::Pem)),
        (fixture!("server.der"), Some(Format::Certificate)),
        (fixture!("key.der"), Some(Format::OtherDer)),
        (fixture!("request.der"), Some(Format::OtherDer)),
        (fixture!("crl.der"), Some(Format::OtherDer)),
        (fixture!("legacy.p12"), Some(Format::Pkcs12)),
        (fixture!("modern.p12"), Some(Format::Pkcs12)),
        (fixture!("truststore.p12"), Some(Format::Pkcs12)),
        (fixture!("truststore.jks"), Some(Format::Jks)),
        (fixture!("truststore.jceks"), Some(Format::Jceks)),
        (("nothing", b""), None),
        (("text", b"0 s:CN=takserver"), None),
        (("some DER", b"\x30\x03\x02\x01\x07"), None),
        (("a cut certificate", &LEAF[..200]), None),
    ];
    for ((name, bytes), format) in cases {
        assert_eq!(Format::of(bytes), format, "{name}");
    }
    let text_before = [b"0 s:CN=takserver\n", fixture!("server.pem").1].concat();
    assert_eq!(Format::of(&text_before), Some(Format::Pem));
}

#[test]
fn certificates_of_every_format_are_read() {
    let wrong_first = &["wr0ng", "", "atakatak"][..];
    let cases = [
        (fixture!("server.pem"), &[][..], vec![LEAF, ROOT]),
        (fixture!("server.der"), &[], vec![LEAF]),
        (fixture!("server.key"), &[], vec![]),
        (fixture!("key.der"), &[], vec![]),
        (fixture!("ca.crl"), &[], vec![]),
        (fixture!("legacy.p12"), wrong_first, vec![LEAF, ROOT]),
        (fixture!("modern.p12"), wrong_first, vec![LEAF, ROOT]),
        (fixture!("nomac.p12"), &["atakatak"], vec![LEAF, ROOT]),
        (fixture!("empty.p12"), &["atakatak", ""], vec![LEAF, ROOT]),
        (fixture!("empty.p12"), &[], vec![LEAF, ROOT]),
        (fixture!("certificates.p12"), wrong_first, vec![ROOT]),
        // Java marks these as trusted, and gives them no key.
        (fixture!("truststore.p12"), wrong_first, vec![ROOT]),
        // A password has no say here.
        (fixture!("truststore.jks"), &["wr0ng"], vec![ROOT]),
        (fixture!("truststore.jks"), &[], vec![ROOT]),
        (fixture!("keystore.jks"), &["wr0ng"], vec![LEAF, ROOT]),
    ];
    for ((name, bytes), passwords, expected) in cases {
        let found = certificates(bytes, &secrets(passwords)).expect(name);
        assert_eq!(found.iter().map(|der| &der[..]).collect::<Vec<_>>(), expected, "{name}");
    }
}

#[test]
fn an_encrypted_key_does_not_hide_the_certificate_beside_it() {
    for (name, key) in [fixture!("pkcs8-encrypted.key"), fixture!("sec1-encrypted.key")] {
        let both = [key, fixture!("server.pem").1].concat();
        let found = certificates(&both, &[]).expect(name);
        assert_eq!(found.first().map(|der| &der[..]), Some(LEAF), "{name}");
        assert_eq!(pem::key(&both).err(), Some(Fault::Encrypted), "{name}");
    }
}

#[test]
fn what_cannot_be_read_says_why() {
    let cut_pem = &fixture!("server.pem").1[..200];
    let cut_jks = &fixture!("truststore.jks").1[..200];
    let cases: [(&str, &[u8], &str); 9] = [
        ("foreign.p12", fixture!("foreign.p12").1, "no known password opens it"),
        ("jceks", fixture!("truststore.jceks").1, "a Java keystore of the kind JCEKS"),
        ("cut PEM", cut_pem, "a section has no END line"),
        ("cut JKS", cut_jks, "as a Java keystore, it ends too early"),
        ("cut p12", &fixture!("modern.p12").1[..200], "as PKCS#12 it says "),
        (
            "JKS of version 3",
            b"\xfe\xed\xfe\xed\0\0\0\x03\0\0\0\0",
            "a version that does not exist",
        ),
        (
            "a secret in JKS",
            b"\xfe\xed\xfe\xed\0\0\0\x02\0\0\0\x01\0\0\0\x03\0\0\0\0\0\0\0\0\0\0",
            "an entry of an unknown kind",
        ),
        ("text", b"hello", "neither PEM, DER, PKCS#12 nor JKS"),
        ("nothing", b"", "neither PEM, DER, PKCS#12 nor JKS"),
    ];
    for (name, bytes, words) in cases {
        let fault = certificates(bytes, &secrets(&["atakatak", ""])).expect_err(name);
        assert!(fault.to_string().contains(words), "{name}: {fault}");
    }
    assert_eq!(pem::key(fixture!("server.pem").1).err(), Some(Fault::NoKey));
}

#[test]
fn lengths_that_a_keystore_only_claims_cost_nothing() {
    let entry = b"\0\0\0\x01\0\x01a\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff";
    for (count, rest) in [
        (b"\xff\xff\xff\xff", &b""[..]),
        (b"\xff\xff\xff\xff", entry),
        (b"\0\0\0\x01", b"\0\0\0\x02\xff\xff"),
        (b"\0\0\0\x01", b"\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\0\x05X.509\xff\xff\xff\xff"),
    ] {
        let bytes = [b"\xfe\xed\xfe\xed\0\0\0\x02", &count[..], rest].concat();
        let fault = jks::certificates(&bytes).expect_err("it is not whole");
        assert!(fault.to_string().ends_with("it ends too early"), "{fault}");
    }
}

#[test]
fn a_file_that_asks_for_minutes_is_not_opened() {
    let bytes = fixture!("modern.p12").1;
    // The count stands behind PBKDF2's salt: `02 02 08 00`, 2,048 rounds.
    let rounds = b"\x02\x02\x08\x00";
    let places: Vec<_> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(rounds)).collect();
    assert_eq!(places.len(), 3, "two keys and the checksum");
    let scrypt = [bytes, b"\x06\x09\x2b\x06\x01\x04\x01\xda\x47\x04\x0b"].concat();
    let mut many = bytes.to_vec();
    let derivation = &bytes[places[0] - 23..places[0] + 4];
    assert!(derivation.starts_with(b"\x06\x09\x2a\x86\x48"), "{derivation:x?}");
    for _ in 0..1000 {
        many.extend_from_slice(derivation);
    }
    for hostile in [scrypt, many] {
        let fault = pkcs12::read(&hostile, "atakatak").err().expect("refused");
        assert!(fault.to_string().contains("minutes"), "{fault}");
    }
}

#[test]
fn a_chain_is_put_in_order_by_its_key() {
    let key = pem::key(fixture!("server.key").1).expect("a key");
    let key = default_provider().key_provider.load_private_key(key).expect("of a known kind");
    let public = key.public_key().expect("it has one");
    let ders = |order: &[&[u8]]| -> Vec<CertificateDer<'static>> {
        order.iter().map(|der| der.to_vec().into()).collect()
    };
    let other = include_bytes!("../collect/tak/fixtures/server.der");
    for shuffled in [[LEAF, ROOT, other], [other, ROOT, LEAF], [ROOT, LEAF, other]] {
        let chain = in_order(ders(&shuffled), &public).expect("in order");
        assert_eq!(chain, (ders(&[LEAF, ROOT]), ders(&[other])));
    }
    assert_eq!(in_order(ders(&[ROOT]), &public), Err(Fault::Stranger));
    assert_eq!(in_order(Vec::new(), &public), Err(Fault::Stranger));
    assert!(matches!(in_order(ders(&[b"no"]), &public), Err(Fault::Damaged(_))));
}

/// Cuts, flips, doubles and mixes; the same at every run.
fn mutate(random: &mut fastrand::Rng, bytes: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..random.usize(1..4) {
        let at = random.usize(..bytes.len().max(1)).min(bytes.len().saturating_sub(1));
        match random.u8(..6) {
            0 => bytes.truncate(at),
            1 => {
                let from = random.usize(..other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            2 => bytes.extend_from_within(at..),
            3 if !bytes.is_empty() => {
                bytes[at] = *b"\0\x01\x7f\x80\xff0".get(random.usize(..6)).unwrap_or(&0)
            }
            _ if !bytes.is_empty() => bytes[at] ^= 1 << random.u8(..8),
            _ => bytes.push(random.u8(..)),
        }
    }
    bytes
}

#[test]
fn mutated_files_never_panic_and_never_yield_more_than_they_hold() {
    let files = [
        fixture!("server.pem"),
        fixture!("server.der"),
        fixture!("nomac.p12"),
        fixture!("truststore.jks"),
        fixture!("keystore.jks"),
        fixture!("truststore.jceks"),
        fixture!("pkcs8-encrypted.key"),
    ];
    let mut random = fastrand::Rng::with_seed(5);
    let passwords = secrets(&["atakatak"]);
    let (mut read, mut refused) = (0, 0);
    for round in 0..2100 {
        let (_, bytes) = files[round % files.len()];
        let (_, other) = files[random.usize(..files.len())];
        let bent = mutate(&mut random, bytes, other);
        match certificates(&bent, &passwords) {
            Ok(found) => {
                read += 1;
                let size: usize = found.iter().map(|der| der.len()).sum();
                assert!(size <= bent.len(), "{size} of {}", bent.len());
                let _either = in_order(found, b"");
            }
            Err(why) => {
                refused += 1;
                assert!(why.to_string().len() < 500, "{why}");
            }
        }
        let _either = pem::key(&bent);
    }
    assert!(read > 200 && refused > 200, "both are tried: {read} {refused}");
}
