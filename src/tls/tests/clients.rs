//! Whoever shows a certificate is let in, and given its rights only when it is good.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    date_time_ymd,
};

use super::*;
use crate::tls::expiry::DAY_SECONDS;

/// A server whose authority is `root`, and TAK's way to sign and to revoke.
fn bench() -> Bench {
    let bench = Bench::new();
    bench.pair("server", EC);
    bench.pair("root", RSA);
    bench
}

fn open(bench: &Bench, ca: &[&str], crl: &[&str]) -> Result<Tls, TlsError> {
    let files = bench.files("server.pem", Some("server.key"), "");
    bench.open_with(&files, &bench.clients(ca, crl))
}

/// Makes `LIST` as TAK's revokeCert.sh does, with all that were ever revoked.
fn revoke(bench: &Bench, names: &[&str], authority: &str, list: &str) {
    bench.write("tak.cfg", TAK_CONFIG);
    for name in ["crl_index.txt", "crl_index.txt.attr"] {
        bench.write(name, "");
    }
    let by = format!("-config tak.cfg -keyfile {authority}.key -cert {authority}.pem");
    for name in names {
        bench.openssl(&format!("ca {by} -revoke {name}.pem"));
    }
    bench.openssl(&format!("ca {by} -gencrl -out {list}"));
}

/// What the server makes of a client's certificate, in both versions.
async fn proof(tls: &Tls, bench: &Bench, name: &str) -> Result<Proven, ProofError> {
    let mut proofs = Vec::new();
    for version in [&TLS12, &TLS13] {
        let client = Arc::new(client(version, identity(bench, name)));
        // The second one is resumed, and must know the certificate, too.
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let shaken = shake(tls, client.clone()).await.expect("let through");
            assert_eq!(shaken.kind, Some(kind));
            assert!(!shaken.shown.is_empty());
            proofs.push(tls.prove(&shaken.shown));
        }
    }
    assert!(proofs.windows(2).all(|two| two[0] == two[1]), "{proofs:?}");
    proofs.remove(0)
}

#[tokio::test]
async fn a_good_certificate_tells_its_name() {
    let bench = bench();
    bench.signed("alice", "root", "client");
    bench.signed("between", "root", "v3_ca");
    bench.signed("bobby", "between", "client");
    bench.write("bobby.pem", [bench.read("bobby.pem"), bench.read("between.pem")].concat());
    let tls = open(&bench, &["root.pem"], &[]).expect("taken");
    let proven = proof(&tls, &bench, "alice").await.expect("good");
    assert_eq!((proven.name.as_str(), proven.trust), ("alice", tls.trust()));
    assert_eq!(proven.fingerprint, fingerprint(&bench.der("alice.pem")));
    let left = proven.not_after - now();
    assert!((59 * DAY_SECONDS..=60 * DAY_SECONDS).contains(&left), "{left}");
    assert_eq!(proof(&tls, &bench, "bobby").await.expect("good").name, "bobby");
    // The authority between alone may be named as well.
    let tls = open(&bench, &["between.pem"], &[]).expect("taken");
    assert!(proof(&tls, &bench, "bobby").await.is_ok());
    assert_eq!(proof(&tls, &bench, "alice").await, Err(ProofError::Foreign));
    // Several in one file.
    bench.write("both.pem", [bench.read("between.pem"), bench.read("root.pem")].concat());
    let tls = open(&bench, &["both.pem"], &[]).expect("taken");
    assert!(proof(&tls, &bench, "alice").await.is_ok());
}

#[test]
fn it_is_shared_by_all_connections() {
    fn shared<T: Send + Sync>() {}
    shared::<Tls>();
}

#[tokio::test]
async fn nobody_must_show_one_and_nobody_is_asked_without_an_authority() {
    let bench = bench();
    bench.signed("alice", "root", "client");
    let tls = open(&bench, &["root.pem"], &[]).expect("taken");
    for version in [&TLS12, &TLS13] {
        let shaken = shake(&tls, Arc::new(client(version, None))).await.expect("let in");
        assert!(shaken.shown.is_empty());
        assert!(matches!(tls.prove(&shaken.shown), Err(ProofError::Unreadable(_))));
    }
    let tls = open(&bench, &[], &[]).expect("taken");
    let shaken = shake(&tls, client(&TLS13, identity(&bench, "alice")).into()).await;
    let shown = shaken.expect("let in").shown;
    assert!(shown.is_empty(), "it was not asked for");
    assert_eq!(tls.prove(&shown), Err(ProofError::NotTaken));
}

#[tokio::test]
async fn a_certificate_without_its_key_is_not_let_in() {
    let bench = bench();
    bench.signed("alice", "root", "client");
    bench.signed("mallory", "root", "client");
    let tls = open(&bench, &["root.pem"], &[]).expect("taken");
    let (chain, _) = identity(&bench, "alice").expect("there");
    let (_, key) = identity(&bench, "mallory").expect("there");
    for version in [&TLS12, &TLS13] {
        let mut client = client(version, None);
        let key = PROVIDER.key_provider.load_private_key(key.clone_key()).expect("a key");
        let stolen = rustls::sign::CertifiedKey::new(chain.clone(), key);
        client.client_auth_cert_resolver = Arc::new(rustls::sign::SingleCertAndKey::from(stolen));
        let fault = shake(&tls, client.into()).await.expect_err("refused");
        assert!(fault.contains("BadSignature"), "{fault}");
    }
}

#[tokio::test]
async fn a_foreign_one_is_let_in_and_refused_in_words() {
    let bench = bench();
    bench.pair("stranger", EC);
    bench.signed("alice", "stranger", "client");
    // An authority of the same name, with another key.
    bench.write("root.old", bench.read("root.pem"));
    bench.pair("root", RSA);
    bench.signed("bobby", "root", "client");
    let tls = open(&bench, &["root.old"], &[]).expect("taken");
    for name in ["alice", "bobby"] {
        assert_eq!(proof(&tls, &bench, name).await, Err(ProofError::Foreign), "{name}");
    }
    // An authority's own certificate is for nobody to sign in with.
    assert_eq!(proof(&tls, &bench, "stranger").await, Err(ProofError::Purpose));
}

/// A certificate of the root's with these dates, or without a name; PEM files like openssl's.
fn dated(bench: &Bench, name: &str, from: i32, until: i32, subject: Option<&str>) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(until, 1, 1));
    params.distinguished_name = DistinguishedName::new();
    if let Some(subject) = subject {
        params.distinguished_name.push(DnType::CommonName, subject);
    }
    let root_key = String::from_utf8(bench.read("mine.key")).expect("text");
    let root_key = KeyPair::from_pem(&root_key).expect("a key");
    let issuer = Issuer::new(root_params(), root_key);
    let certificate = params.signed_by(&key, &issuer).expect("signed");
    bench.write(&format!("{name}.pem"), certificate.pem());
    bench.write(&format!("{name}.key"), key.serialize_pem());
}

fn root_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "mine");
    params
}

#[tokio::test]
async fn what_is_out_of_time_or_without_a_name_is_let_in_and_refused_in_words() {
    let bench = bench();
    let key = KeyPair::generate().expect("a key");
    bench.write("mine.pem", root_params().self_signed(&key).expect("signed").pem());
    bench.write("mine.key", key.serialize_pem());
    dated(&bench, "old", 2000, 2001, Some("old"));
    dated(&bench, "new", 3000, 3001, Some("new"));
    dated(&bench, "good", 2000, 3001, Some("good"));
    dated(&bench, "none", 2000, 3001, None);
    dated(&bench, "empty", 2000, 3001, Some(""));
    dated(&bench, "bell", 2000, 3001, Some("a\u{7}\nb"));
    bench.signed("mailer", "root", "server");
    let tls = open(&bench, &["mine.pem", "root.pem"], &[]).expect("taken");
    assert_eq!(proof(&tls, &bench, "old").await, Err(ProofError::Expired("2001-01-01".into())));
    let early = Err(ProofError::NotYetValid("3000-01-01".into()));
    assert_eq!(proof(&tls, &bench, "new").await, early);
    assert_eq!(proof(&tls, &bench, "good").await.expect("good").name, "good");
    for name in ["none", "empty", "bell"] {
        assert_eq!(proof(&tls, &bench, name).await, Err(ProofError::NoName), "{name}");
    }
    assert_eq!(proof(&tls, &bench, "mailer").await, Err(ProofError::Purpose));
    let garbage = tls.prove(&[CertificateDer::from(vec![0x30, 0x03, 0x02, 0x01, 0x01])]);
    assert!(matches!(garbage, Err(ProofError::Unreadable(_))), "{garbage:?}");
}

#[tokio::test]
async fn what_taks_scripts_revoked_is_let_in_and_refused_in_words() {
    let bench = bench();
    bench.signed("alice", "root", "client");
    bench.signed("mallory", "root", "client");
    revoke(&bench, &["mallory"], "root", "root.crl");
    bench.openssl("crl -in root.crl -outform DER -out root.der");
    bench.pair("other", EC);
    let revoked = bench.read("crl_index.txt");
    revoke(&bench, &[], "other", "other.crl");
    bench.write("crl_index.txt", revoked);
    bench.openssl("crl -in other.crl -outform DER -out other.der");
    for (to, parts) in
        [("both.crl", ["other.crl", "root.crl"]), ("both.der", ["other.der", "root.der"])]
    {
        bench.write(to, parts.map(|part| bench.read(part)).concat());
    }
    for lists in
        [&["root.crl"][..], &["root.der"], &["both.crl"], &["both.der"], &["other.crl", "root.crl"]]
    {
        let tls = open(&bench, &["root.pem"], lists).expect("taken");
        assert_eq!(proof(&tls, &bench, "mallory").await, Err(ProofError::Revoked), "{lists:?}");
        assert!(proof(&tls, &bench, "alice").await.is_ok(), "{lists:?}");
    }
    // Others make lists with extensions.
    let by = "ca -config tak.cfg -gencrl -keyfile root.key -cert root.pem";
    for (section, list) in [("version_2", "v2.crl"), ("difference", "delta.crl")] {
        bench.openssl(&format!("{by} -crlexts {section} -out {list}"));
    }
    let tls = open(&bench, &["root.pem"], &["v2.crl"]).expect("taken");
    assert_eq!(proof(&tls, &bench, "mallory").await, Err(ProofError::Revoked), "version 2");
    let fault = open(&bench, &["root.pem"], &["delta.crl"]);
    says(fault, &bench.path("delta.crl"), &["the difference to another list"]);
    let tls = open(&bench, &["root.pem"], &["other.crl"]).expect("taken");
    assert!(proof(&tls, &bench, "mallory").await.is_ok(), "its authority has no list");
}

#[tokio::test]
async fn a_revoked_authority_between_vouches_for_nobody() {
    let bench = bench();
    bench.signed("between", "root", "v3_ca");
    bench.signed("bobby", "between", "client");
    bench.write("bobby.pem", [bench.read("bobby.pem"), bench.read("between.pem")].concat());
    revoke(&bench, &["between"], "root", "root.crl");
    let tls = open(&bench, &["root.pem"], &["root.crl"]).expect("taken");
    assert_eq!(proof(&tls, &bench, "bobby").await, Err(ProofError::Revoked));
}

#[tokio::test]
async fn a_list_that_its_authority_has_not_signed_is_not_believed() {
    let bench = bench();
    bench.signed("between", "root", "v3_ca");
    bench.signed("bobby", "between", "client");
    bench.write("bobby.pem", [bench.read("bobby.pem"), bench.read("between.pem")].concat());
    bench.openssl(&format!(
        "req -x509 -newkey {EC} -nodes -keyout root2.key -out root2.pem -subj /CN=root"
    ));
    bench.openssl(&format!(
        "req -x509 -newkey {EC} -nodes -keyout b2.key -out b2.pem -subj /CN=between"
    ));
    revoke(&bench, &[], "root2", "root2.crl");
    revoke(&bench, &[], "b2", "b2.crl");
    says(
        open(&bench, &["root.pem"], &["root2.crl"]),
        &bench.path("root2.crl"),
        &["has not signed it", "auth.client_certificates.crl"],
    );
    let tls = open(&bench, &["root.pem"], &["b2.crl"]).expect("it names nobody that is known");
    assert_eq!(proof(&tls, &bench, "bobby").await, Err(ProofError::ForgedList));
}

#[tokio::test]
async fn lists_are_read_again_and_trust_tells_so() {
    let bench = bench();
    bench.signed("alice", "root", "client");
    revoke(&bench, &[], "root", "root.crl");
    let tls = open(&bench, &["root.pem"], &["root.crl"]).expect("taken");
    let before = proof(&tls, &bench, "alice").await.expect("good");
    assert_eq!(logged(|| tls.look()), "");
    assert_eq!(before.trust, tls.trust());

    bench.write("root.crl", "nothing");
    let told = logged(|| tls.look());
    assert!(told.contains("WARN") && told.contains("what was read before still counts"), "{told}");
    assert_eq!(logged(|| tls.look()), "", "it is told once");
    assert_eq!(before.trust, tls.trust());

    revoke(&bench, &["alice"], "root", "root.crl");
    assert!(logged(|| tls.look()).contains("INFO"));
    assert_ne!(before.trust, tls.trust());
    assert_eq!(proof(&tls, &bench, "alice").await, Err(ProofError::Revoked));

    // A new certificate of our own is no reason to ask for proofs again.
    let trust = tls.trust();
    bench.pair("server", EC);
    tls.look();
    assert_eq!(tls.own().der, bench.der("server.pem"));
    assert_eq!(tls.trust(), trust);
    assert_eq!(proof(&tls, &bench, "alice").await, Err(ProofError::Revoked));
}

#[test]
fn every_fault_of_authorities_and_lists_says_what_to_do() {
    let bench = bench();
    bench.openssl("x509 -in root.pem -addtrust clientAuth -out trusted.pem");
    bench.write("bent.crl", "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n");
    bench.write("cut.der", b"\x30\x82\x01");
    let cases: [(&str, Option<&str>, &str, &[&str]); 7] = [
        ("none.pem", None, "none.pem", &["No such file", "(auth.client_certificates.ca)"]),
        ("root.key", None, "root.key", &["no certificate of an authority", "ca.pem"]),
        ("trusted.pem", None, "trusted.pem", &["no certificate of an authority"]),
        ("root.pem", Some("none.crl"), "none.crl", &["(auth.client_certificates.crl)"]),
        ("root.pem", Some("root.pem"), "root.pem", &["it holds none", "revokeCert.sh"]),
        ("root.pem", Some("bent.crl"), "bent.crl", &["that can be read", "gencrl"]),
        ("root.pem", Some("cut.der"), "cut.der", &["that can be read", "gencrl"]),
    ];
    for (ca, crl, named, words) in cases {
        let lists: Vec<&str> = crl.into_iter().collect();
        says(open(&bench, &[ca], &lists), &bench.path(named), words);
    }
}

#[test]
fn every_refusal_says_what_to_do() {
    for (refusal, words) in [
        (ProofError::NotTaken, "sign in with a password"),
        (ProofError::Foreign, "choose another"),
        (ProofError::Expired("2001-01-01".into()), "on 2001-01-01; ask for a new one"),
        (ProofError::NotYetValid("3000-01-01".into()), "from 3000-01-01 on; is the clock"),
        (ProofError::Revoked, "ask for a new one"),
        (ProofError::ForgedList, "auth.client_certificates.crl"),
        (ProofError::Purpose, "makeCert.sh client"),
        (ProofError::NoName, "ask for one with your name"),
        (ProofError::Unreadable("why".into()), "why; ask for a new one"),
    ] {
        assert!(refusal.to_string().contains(words), "{refusal}");
    }
}
