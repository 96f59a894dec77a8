//! Every kind of file is served, and every fault says what to do.

use super::*;

#[tokio::test]
async fn pem_files_of_every_kind_are_served() {
    let bench = Bench::new();
    bench.pair("rsa", RSA);
    bench.pair("ec", EC);
    bench.pair("ec384", "ec -pkeyopt ec_paramgen_curve:P-384");
    bench.pair("ed", "ed25519");
    bench.openssl("rsa -in rsa.key -traditional -out pkcs1.key");
    bench.openssl("ec -in ec.key -out sec1.key");
    let in_pem = |name: &str, label: &str| {
        assert!(String::from_utf8_lossy(&bench.read(name)).contains(label), "{name}");
    };
    in_pem("rsa.key", "-----BEGIN PRIVATE KEY");
    in_pem("pkcs1.key", "-----BEGIN RSA PRIVATE KEY");
    in_pem("sec1.key", "-----BEGIN EC PRIVATE KEY");
    for (certificate, key) in [
        ("rsa.pem", "rsa.key"),
        ("rsa.pem", "pkcs1.key"),
        ("ec.pem", "ec.key"),
        ("ec.pem", "sec1.key"),
        ("ec384.pem", "ec384.key"),
        ("ed.pem", "ed.key"),
    ] {
        let tls = bench.open(&bench.files(certificate, Some(key), "")).expect(key);
        assert_eq!(served(&tls).await, [bench.der(certificate)], "{certificate} {key}");
        assert_eq!(tls.own().der, bench.der(certificate));
        // The same in one file, the key first, with some text before it.
        let both = [&b"0 s:CN\n"[..], &bench.read(key), &bench.read(certificate)].concat();
        bench.write("both.pem", both);
        let tls = bench.open(&bench.files("both.pem", None, "")).expect(key);
        assert_eq!(served(&tls).await, [bench.der(certificate)], "{key} in one file");
    }
}

#[tokio::test]
async fn a_chain_is_served_in_the_order_of_signing_whatever_the_order_of_the_file() {
    let bench = Bench::new();
    bench.pair("root", EC);
    bench.signed("between", "root", "v3_ca");
    bench.signed("leaf", "between", "server");
    bench.pair("stranger", EC);
    let order = ["leaf.pem", "between.pem", "root.pem", "stranger.pem"];
    let expected: Vec<_> = order.iter().map(|name| bench.der(name)).collect();
    for shuffled in [[0, 1, 2, 3], [2, 1, 3, 0], [3, 2, 0, 1]] {
        let chain: Vec<u8> = shuffled.iter().flat_map(|at| bench.read(order[*at])).collect();
        bench.write("chain.pem", chain);
        let tls = bench.open(&bench.files("chain.pem", Some("leaf.key"), "")).expect("taken");
        assert_eq!(served(&tls).await, expected, "{shuffled:?}");
    }
}

/// `openssl pkcs12 -export` as TAK's makeCert.sh calls it: on old systems, on new ones, and for FIPS.
const WAYS: [&str; 4] = [
    "-legacy",
    "",
    "-macalg SHA256 -aes256 -descert -keypbe AES-256-CBC -certpbe AES-256-CBC",
    "-legacy -descert",
];

#[tokio::test]
async fn pkcs12_files_of_every_age_are_served() {
    let bench = Bench::new();
    bench.pair("root", RSA);
    bench.signed("ec", "root", "server");
    bench.pair("rsa", RSA);
    for way in WAYS {
        for (name, extra, expected) in [
            ("rsa", "", vec![bench.der("rsa.pem")]),
            ("ec", "-certfile root.pem", vec![bench.der("ec.pem"), bench.der("root.pem")]),
        ] {
            bench.openssl(&format!(
                "pkcs12 {way} -export -in {name}.pem -inkey {name}.key {extra} -name {name} \
                 -out any.ending -passout pass:atakatak"
            ));
            let tls = bench.open(&bench.files("any.ending", None, "atakatak")).expect(way);
            assert_eq!(served(&tls).await, expected, "{name} {way}");
            assert_eq!(tls.own().source, bench.path("any.ending").display().to_string());
            let wrong = bench.open(&bench.files("any.ending", None, "wr0ng"));
            says(wrong, &bench.path("any.ending"), &["does not open it; correct tls.password"]);
        }
    }
}

#[tokio::test]
async fn a_pkcs12_file_may_have_no_password_and_no_checksum() {
    let bench = Bench::new();
    bench.pair("rsa", RSA);
    for (way, password) in [("", ""), ("-legacy", ""), ("-nomac", "atakatak")] {
        bench.openssl(&format!(
            "pkcs12 -export {way} -in rsa.pem -inkey rsa.key -out a.p12 -passout pass:{password}"
        ));
        let tls = bench.open(&bench.files("a.p12", None, password)).expect(way);
        assert_eq!(served(&tls).await, [bench.der("rsa.pem")], "{way}");
        let wrong = bench.open(&bench.files("a.p12", None, "wr0ng"));
        says(wrong, &bench.path("a.p12"), &["correct tls.password"]);
    }
}

#[test]
fn garbage_is_refused_and_never_panics() {
    let bench = Bench::new();
    bench.pair("ec", EC);
    bench.openssl(
        "pkcs12 -export -in ec.pem -inkey ec.key -out a.p12 -passout pass:atakatak -nomac -iter 1",
    );
    let whole = bench.read("a.p12");
    let open = |bytes: &[u8]| {
        bench.write("b.p12", bytes);
        bench.open(&bench.files("b.p12", None, "atakatak"))
    };
    assert!(open(&whole).is_ok());
    for length in (0..whole.len()).step_by(7) {
        says(open(&whole[..length]), &bench.path("b.p12"), &["; "]);
    }
    for at in (0..whole.len()).step_by(3) {
        let mut bent = whole.clone();
        bent[at] ^= 0x5a;
        // A name may change without harm.
        let _either = open(&bent);
    }
    for garbage in [&b"\x30"[..], b"\x30\x84\xff\xff\xff\xff", &[0x30; 4096], b"\xfe\xed\xfe\xed"] {
        says(open(garbage), &bench.path("b.p12"), &["; "]);
    }
}

#[test]
fn every_fault_says_what_to_do() {
    let bench = Bench::new();
    bench.pair("ec", EC);
    bench.pair("other", EC);
    bench.pair("odd", "ec -pkeyopt ec_paramgen_curve:P-521");
    bench.pair("small", "rsa:1024");
    bench.openssl("pkcs12 -export -in ec.pem -nokeys -out nokey.p12 -passout pass:atakatak");
    bench.openssl("pkcs12 -export -inkey ec.key -in ec.pem -out whole.p12 -passout pass:atakatak");
    bench.openssl("pkey -in ec.key -aes256 -out pkcs8.enc -passout pass:atakatak");
    bench.openssl("ec -in ec.key -aes256 -out sec1.enc -passout pass:atakatak");
    bench.openssl("x509 -in ec.pem -outform DER -out ec.der");
    bench.write("cut.pem", &bench.read("ec.pem")[..200]);
    bench.write("bent.pem", "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n");
    bench.write("no.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    for name in ["pkcs8", "sec1"] {
        let both = [bench.read("ec.pem"), bench.read(&format!("{name}.enc"))].concat();
        bench.write(&format!("{name}.both"), both);
    }
    let cases: [(&str, Option<&str>, &str, &[&str]); 19] = [
        ("none.pem", None, "none.pem", &["No such file", "put it there", "(tls.certificate)"]),
        ("ec.pem", Some("none.key"), "none.key", &["No such file", "(tls.key)"]),
        (".", None, "", &["directory", "name a file that can be read"]),
        ("ec.key", None, "ec.key", &["no certificate in it", "PEM or a PKCS#12"]),
        ("ec.pem", None, "ec.pem", &["no private key in it", "tls.key"]),
        ("ec.pem", Some("other.pem"), "other.pem", &["no private key in it"]),
        ("ec.pem", Some("other.key"), "ec.pem", &["other.key belongs to no certificate in it"]),
        ("whole.p12", Some("other.key"), "whole.p12", &["belongs to no certificate"]),
        ("ec.pem", Some("pkcs8.enc"), "pkcs8.enc", &["is encrypted", "openssl pkey -in /"]),
        ("ec.pem", Some("sec1.enc"), "sec1.enc", &["is encrypted", "openssl pkey -in /"]),
        ("pkcs8.both", None, "pkcs8.both", &["is encrypted", "tls.password"]),
        ("sec1.both", None, "sec1.both", &["is encrypted", "tls.password"]),
        ("odd.pem", Some("odd.key"), "odd.key", &["cannot be used", "EC on P-256"]),
        ("small.pem", Some("small.key"), "small.key", &["cannot be used", "2048"]),
        ("nokey.p12", None, "nokey.p12", &["no private key in it"]),
        ("ec.der", None, "ec.der", &["as PKCS#12", "openssl pkcs12 -export"]),
        ("cut.pem", Some("ec.key"), "cut.pem", &["no END line", "copy it again"]),
        ("bent.pem", Some("ec.key"), "bent.pem", &["no base64", "copy it again"]),
        ("no.pem", Some("ec.key"), "no.pem", &["it is damaged", "copy it again"]),
    ];
    for (certificate, key, named, words) in cases {
        let fault = bench.open(&bench.files(certificate, key, "atakatak"));
        says(fault, &bench.path(named), words);
    }
    let apart = bench.open(&bench.files("nokey.p12", Some("ec.key"), "atakatak"));
    assert!(apart.is_ok(), "the key may stand beside a .p12 file");
}

#[test]
fn without_encryption_nothing_is_opened() {
    let bench = Bench::new();
    let off = TlsConfig { mode: TlsMode::Off, hsts: true };
    let none = Tls::open(&off, &bench.clients(&["none.pem"], &[]), &bench.state());
    assert!(none.expect("no fault").is_none());
    assert!(!bench.path("state").exists());
}

#[tokio::test]
async fn the_protocol_is_agreed_on_and_sessions_are_resumed() {
    let bench = Bench::new();
    bench.pair("ec", EC);
    let tls = bench.open(&bench.files("ec.pem", Some("ec.key"), "")).expect("taken");
    for (offered, agreed) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["http/1.1", "h2"], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&[], None),
    ] {
        let mut client = client(&TLS13, None);
        client.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
        let shaken = shake(&tls, client.into()).await.expect("shaken");
        assert_eq!(shaken.alpn.as_deref(), agreed.map(str::as_bytes), "{offered:?}");
    }
    for version in [&TLS12, &TLS13] {
        let client = Arc::new(client(version, None));
        let kinds = [shake(&tls, client.clone()).await, shake(&tls, client).await];
        let kinds = kinds.map(|shaken| shaken.expect("shaken").kind);
        assert_eq!(kinds, [Some(HandshakeKind::Full), Some(HandshakeKind::Resumed)]);
    }
}

#[tokio::test]
async fn takpulses_own_client_believes_one_certificate_only() {
    let bench = Bench::new();
    bench.pair("ec", EC);
    bench.pair("other", EC);
    let tls = bench.open(&bench.files("ec.pem", Some("ec.key"), "")).expect("taken");
    let client = |name: Option<&str>| {
        super::super::client::client_config(name.map(|name| bench.der(name))).expect("set up")
    };
    assert!(shake(&tls, client(Some("ec.pem"))).await.is_ok());
    assert!(shake(&tls, client(None)).await.is_ok());
    assert!(shake(&tls, client(Some("other.pem"))).await.is_err());
}
