//! With files that the real `openssl` and `keytool` made (`src/keystore/fixtures/make.sh`).

use std::cell::Cell;
use std::fs;

use super::*;

const LEAF: &[u8] = include_bytes!("../../../../keystore/fixtures/server.der");
const ROOT: &[u8] = include_bytes!("../../../../keystore/fixtures/ca.der");

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/keystore/fixtures").join(name)
}

fn secret(password: &str) -> Secret {
    Secret::new(password.into())
}

fn load(
    certificate: &str,
    key: Option<&str>,
    password: Option<&str>,
) -> Result<Identity, IdentityError> {
    let (key, password) = (key.map(fixture), password.map(secret));
    Identity::load(&fixture(certificate), key.as_deref(), password.as_ref())
}

#[test]
fn pem_and_pkcs12_are_read_and_the_chain_begins_with_the_own_certificate() {
    let cases = [
        ("server.pem", Some("server.key"), None, vec![LEAF, ROOT]),
        ("server.pem", Some("key.der"), None, vec![LEAF, ROOT]),
        ("server.der", Some("server.key"), None, vec![LEAF]),
        ("server.pem", Some("modern.p12"), None, vec![LEAF, ROOT]),
        ("modern.p12", None, None, vec![LEAF, ROOT]),
        ("modern.p12", None, Some("atakatak"), vec![LEAF, ROOT]),
        ("legacy.p12", None, None, vec![LEAF, ROOT]),
        ("nomac.p12", None, None, vec![LEAF, ROOT]),
        ("empty.p12", None, None, vec![LEAF, ROOT]),
        ("empty.p12", None, Some(""), vec![LEAF, ROOT]),
        ("foreign.p12", None, Some("elsewhere"), vec![LEAF, ROOT]),
    ];
    for (certificate, key, password, chain) in cases {
        let identity = load(certificate, key, password).expect(certificate);
        let sent: Vec<&[u8]> = identity.key.cert.iter().map(|der| &der[..]).collect();
        assert_eq!(sent, chain, "{certificate} {key:?}");
        assert_eq!(identity.certificate(), LEAF);
    }
}

#[test]
fn one_pem_file_holds_both_in_any_order_and_nobody_elses_certificate_is_sent() {
    let folder = tempfile::tempdir().expect("a directory");
    let part = |name: &str| fs::read(fixture(name)).expect("a fixture");
    let stranger = include_bytes!("../../fixtures/server.der");
    let one = folder.path().join("one");
    let archive = part("modern.p12");
    for parts in [["server.key", "server.pem"], ["ca.pem", "server.pem"]] {
        let both = [part(parts[0]), part(parts[1]), part("server.key")].concat();
        fs::write(&one, both).expect("written");
        let identity = Identity::load(&one, None, None).expect("read");
        assert_eq!(identity.certificate(), LEAF, "{parts:?}");
    }
    fs::write(&one, archive).expect("written");
    Identity::load(&one, None, None).expect("an ending says nothing");
    let found = vec![stranger.to_vec().into(), LEAF.to_vec().into()];
    let key = pem::key(&part("server.key")).expect("a key");
    let key = PROVIDER.key_provider.load_private_key(key).expect("of a known kind");
    let public = key.public_key().expect("it has one");
    let (chain, strangers) = keystore::in_order(found, &public).expect("in order");
    assert_eq!((chain.len(), strangers.len()), (1, 1));
}

#[test]
fn every_fault_names_the_file_the_reason_and_the_setting() {
    let foreign = "set client_password";
    type Case<'a> = (&'a str, Option<&'a str>, Option<&'a str>, &'a str, &'a [&'a str]);
    let cases: [Case<'_>; 18] = [
        ("none.p12", None, None, "none.p12", &["it is not there", "correct client_certificate"]),
        ("server.pem", Some("none.key"), None, "none.key", &["not there", "correct client_key"]),
        ("", None, None, "", &["no regular file", "in client_certificate"]),
        ("server.pem", None, None, "server.pem", &["no private key", "client_key"]),
        ("server.der", None, None, "server.der", &["no private key", "client_key"]),
        ("certificates.p12", None, None, "certificates.p12", &["no private key", "client_key"]),
        ("server.key", None, None, "server.key", &["no certificate", "client_certificate"]),
        ("key.der", None, None, "key.der", &["no certificate", "client_certificate"]),
        ("ca.pem", Some("server.key"), None, "ca.pem", &["cannot be used together", "client_key"]),
        ("server.pem", Some("ca.pem"), None, "ca.pem", &["no private key", "client_key"]),
        (
            "server.pem",
            Some("pkcs8-encrypted.key"),
            None,
            "pkcs8-encrypted.key",
            &["is encrypted", "`openssl pkey -in /", "client_password"],
        ),
        (
            "server.pem",
            Some("sec1-encrypted.key"),
            None,
            "sec1-encrypted.key",
            &["is encrypted", "`openssl pkey -in /", "client_password"],
        ),
        ("foreign.p12", None, None, "foreign.p12", &["wants a password", foreign]),
        ("foreign.p12", None, Some("wr0ng"), "foreign.p12", &["client_password: correct it"]),
        ("modern.p12", None, Some("wr0ng"), "modern.p12", &["client_password: correct it"]),
        ("keystore.jks", None, None, "keystore.jks", &["a Java keystore", ".p12", "keytool"]),
        ("truststore.jceks", None, None, "truststore.jceks", &["a Java keystore", ".p12"]),
        ("make.sh", None, None, "make.sh", &["neither PEM", "correct client_certificate"]),
    ];
    for (certificate, key, password, named, words) in cases {
        let fault = load(certificate, key, password).expect_err(certificate).to_string();
        let file = fixture(named).display().to_string();
        assert!(fault.starts_with(&file), "{fault}");
        for word in words {
            assert!(fault.contains(word), "{certificate} {key:?}: {fault} lacks {word}");
        }
        assert!(!fault.contains("wr0ng") && !fault.contains("atakatak"), "{fault}");
    }
}

#[test]
fn a_file_that_may_not_be_read_says_so() {
    let why = Unread::Forbidden;
    let fault = IdentityError::File { path: "/a.p12".into(), setting: CERTIFICATE, why };
    assert_eq!(
        fault.to_string(),
        "/a.p12 cannot be read (permission denied): let the user that takpulse runs as read it (client_certificate)"
    );
}

#[test]
fn an_unchanged_file_is_read_once_and_a_changed_one_again() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("client.p12");
    let put = |name: &str| {
        let new = folder.path().join("new");
        fs::copy(fixture(name), &new).expect("copied");
        fs::rename(new, &path).expect("renamed");
    };
    let mut cache = IdentityCache::default();
    let loads = Cell::new(0);
    let mut get = |password: Option<&str>| {
        let password = password.map(secret);
        cache.get_by(&path, None, password.as_ref(), || {
            loads.set(loads.get() + 1);
            Identity::load(&path, None, password.as_ref())
        })
    };
    // What is not there is looked for each time.
    for _ in 0..2 {
        assert!(matches!(get(None), Err(IdentityError::File { .. })));
    }
    put("modern.p12");
    let first = get(None).expect("read");
    assert!(Arc::ptr_eq(&first, &get(None).expect("kept")));
    put("foreign.p12");
    for _ in 0..3 {
        assert!(matches!(get(None), Err(IdentityError::PasswordMissing(_))));
    }
    for _ in 0..2 {
        get(Some("elsewhere")).expect("another password is tried");
    }
    put("legacy.p12");
    let renewed = get(None).expect("read again");
    assert!(!Arc::ptr_eq(&first, &renewed));
    assert_eq!(loads.get(), 6);
}
