//! Promise: nothing weak is offered to who connects with encryption: no old version, no weak cipher,
//! no known hole. Asked of `openssl`, and of sslyze, which knows what Mozilla recommends.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use x509_parser::pem::parse_x509_pem;

use crate::app::App;
use crate::asker::assert_hardened;

/// Only the web server, with the certificate that it makes itself.
const ENCRYPTED: &str = "[tls]\nmode = \"self-signed\"\n[collect.system]\nenabled = false\n\
    [collect.docker]\nenabled = false\n[collect.tak]\nenabled = false\n";

/// What `openssl s_client` says of a connection with these options.
fn s_client(app: &App, options: &[&str]) -> String {
    let mut child = Command::new("openssl")
        .args(["s_client", "-connect", &app.address().to_string(), "-servername", "localhost"])
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl runs");
    // Its quit command; who was refused has ended already.
    let _unread = child.stdin.take().expect("piped").write_all(b"Q\n");
    let output = child.wait_with_output().expect("it ends");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn old_versions_and_old_ciphers_are_refused() {
    let app = App::start(ENCRYPTED);
    // Security level 0: what is refused is refused by takpulse, and not by openssl itself.
    for refused in [
        &["-tls1", "-cipher", "ALL:@SECLEVEL=0"][..],
        &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
        &["-tls1_2", "-cipher", "kRSA:@SECLEVEL=0"],
        &["-tls1_2", "-cipher", "ALL:!AESGCM:!CHACHA20:@SECLEVEL=0"],
        &["-tls1_2", "-cipher", "aNULL:eNULL:@SECLEVEL=0"],
        &["-curves", "secp521r1:X448"],
    ] {
        let said = s_client(&app, refused);
        assert!(said.contains("Cipher is (NONE)") && said.contains("alert"), "{refused:?}: {said}");
    }
    for (taken, wanted) in [
        (&["-tls1_2"][..], "New, TLSv1.2, Cipher is ECDHE-ECDSA-"),
        (&["-tls1_3"], "New, TLSv1.3, Cipher is TLS_"),
        (&["-tls1_2"], "Secure Renegotiation IS supported"),
        (&["-tls1_2", "-comp"], "Compression: NONE"),
    ] {
        let said = s_client(&app, taken);
        assert!(said.contains(wanted), "{taken:?}, {wanted}: {said}");
    }
}

#[test]
fn who_can_speak_http_2_is_answered_in_it() {
    let app = App::start(ENCRYPTED);
    for (offered, said) in [
        ("h2,http/1.1", "ALPN protocol: h2"),
        ("http/1.1,h2", "ALPN protocol: h2"),
        ("http/1.1", "ALPN protocol: http/1.1"),
    ] {
        let all = s_client(&app, &["-alpn", offered]);
        assert!(all.contains(said), "{offered}: {all}");
    }
    assert!(s_client(&app, &[]).contains("No ALPN negotiated"));
    assert!(s_client(&app, &["-alpn", "spdy/3"]).contains("alert no application protocol"));
}

#[test]
fn who_comes_without_encryption_is_told_where_to_go_and_nothing_else() {
    let app = App::start(ENCRYPTED);
    let host = app.address().to_string();
    for path in ["/", "/login", "/healthz", "/stream", "/api/state"] {
        let answer =
            app.anonymous(format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n").as_bytes());
        assert_eq!((answer.status, answer.body.len()), (308, 0), "{answer:?}");
        assert_eq!(answer.header("location"), Some(&*format!("https://{host}{path}")));
        assert_hardened(&answer, path);
    }
    let nowhere = app.anonymous(b"GET / HTTP/1.0\r\n\r\n");
    assert_eq!(
        (nowhere.status, nowhere.json()["error"]["code"].as_str()),
        (400, Some("only_encrypted"))
    );
    assert_hardened(&nowhere, "without a host");
}

/// What sslyze finds; it fails itself where Mozilla would recommend something else.
fn scan(app: &App) -> Value {
    let bin = std::env::var_os("TEST_TAKPULSE_SSLYZE").expect(
        "TEST_TAKPULSE_SSLYZE is the bin directory of a venv with sslyze (tests/run sets it)",
    );
    let found = app.dir().join("found.json");
    let output = Command::new(Path::new(&bin).join("sslyze"))
        .args(["--mozilla_config", "intermediate", "--certinfo", "--json_out"])
        .arg(&found)
        // The certificate is trusted by those who have seen its fingerprint.
        .arg("--certinfo_ca_file")
        .arg(app.dir().join("state/tls.pem"))
        .args(["--sslv2", "--sslv3", "--tlsv1", "--tlsv1_1", "--tlsv1_2", "--tlsv1_3"])
        .args(["--reneg", "--compression", "--heartbleed", "--robot", "--openssl_ccs", "--ems"])
        .args(["--elliptic_curves", "--fallback", "--early_data"])
        .arg(app.address().to_string())
        .output()
        .expect("sslyze runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("OK - Compliant"), "{said}");
    let found = std::fs::read(found).expect("what it found");
    let found: Value = serde_json::from_slice(&found).expect("JSON");
    let server = &found["server_scan_results"][0];
    assert_eq!(server["scan_status"], "COMPLETED", "{said}");
    server["scan_result"].clone()
}

/// The names in a list of sslyze's.
fn names<'a>(list: &'a Value, of: &str) -> Vec<&'a str> {
    let rows = list.as_array().into_iter().flatten();
    rows.filter_map(|row| row.pointer(of).and_then(Value::as_str)).collect()
}

#[test]
#[ignore = "needs sslyze, run tests/run"]
fn a_scanner_finds_nothing_weak() {
    let app = App::start(ENCRYPTED);
    let found = scan(&app);
    let result = |scan: &str, key: &str| {
        assert_eq!(found[scan]["status"], "COMPLETED", "{scan}: {}", found[scan]);
        found[scan]["result"][key].clone()
    };
    for (version, supported) in [
        ("ssl_2_0", false),
        ("ssl_3_0", false),
        ("tls_1_0", false),
        ("tls_1_1", false),
        ("tls_1_2", true),
        ("tls_1_3", true),
    ] {
        let scan = format!("{version}_cipher_suites");
        assert_eq!(result(&scan, "is_tls_version_supported"), supported, "{version}");
        let accepted = result(&scan, "accepted_cipher_suites");
        for cipher in names(&accepted, "/cipher_suite/name") {
            let strong = cipher.contains("_GCM_") || cipher.contains("_CHACHA20_POLY1305_");
            let forward = version == "tls_1_3" || cipher.starts_with("TLS_ECDHE_");
            assert!(strong && forward, "{version}: {cipher}");
        }
    }
    for (scan, key, wanted) in [
        ("tls_compression", "supports_compression", false),
        ("tls_1_3_early_data", "supports_early_data", false),
        ("openssl_ccs_injection", "is_vulnerable_to_ccs_injection", false),
        ("heartbleed", "is_vulnerable_to_heartbleed", false),
        ("session_renegotiation", "is_vulnerable_to_client_renegotiation_dos", false),
        ("session_renegotiation", "supports_secure_renegotiation", true),
        ("tls_fallback_scsv", "supports_fallback_scsv", true),
        ("tls_extended_master_secret", "supports_ems_extension", true),
    ] {
        assert_eq!(result(scan, key), wanted, "{scan}");
    }
    assert_eq!(result("robot", "robot_result"), "NOT_VULNERABLE_RSA_NOT_SUPPORTED");
    let curves = result("elliptic_curves", "supported_curves");
    assert_eq!(names(&curves, "/name"), ["X25519", "secp256r1", "secp384r1"]);
    let chains = result("certificate_info", "certificate_deployments");
    assert_eq!(chains.as_array().map(Vec::len), Some(1), "one certificate for everybody");
    check_certificate(&chains[0]["received_certificate_chain"][0]);
}

fn check_certificate(certificate: &Value) {
    let names_of = |key: &str| certificate["subject_alternative_name"][key].to_string();
    assert!(names_of("dns_names").contains("localhost"), "{certificate}");
    assert!(names_of("ip_addresses").contains("127.0.0.1"), "{certificate}");
    let pem = certificate["as_pem"].as_str().expect("PEM");
    let (_, pem) = parse_x509_pem(pem.as_bytes()).expect("PEM");
    let validity = pem.parse_x509().expect("a certificate").validity().clone();
    let seconds = validity.not_after.timestamp() - validity.not_before.timestamp();
    assert!((1..=398 * 86_400).contains(&seconds), "{seconds} s: {certificate}");
    assert_eq!(certificate["signature_hash_algorithm"]["name"], "sha256", "{certificate}");
}
