//! What changes is put in force; what is broken changes nothing and is told once.

use super::*;
use crate::tls::expiry::DAY_SECONDS;

#[tokio::test]
async fn a_renewed_certificate_is_served_to_new_connections() {
    let bench = Bench::new();
    bench.pair("old", EC);
    bench.pair("new", EC);
    bench.write("a.pem", bench.read("old.pem"));
    bench.write("a.key", bench.read("old.key"));
    let tls = bench.open(&bench.files("a.pem", Some("a.key"), "")).expect("taken");
    let before = tls.acceptor();
    let client = Arc::new(client(&TLS13, None));
    assert!(shake(&tls, client.clone()).await.is_ok());
    assert_eq!(logged(|| tls.look()), "");

    // The certificate without its key: half of it is on its way.
    bench.write("a.pem", bench.read("new.pem"));
    let told = logged(|| tls.look());
    assert!(told.contains("WARN") && told.contains("the old one is still served"), "{told}");
    assert!(told.contains("a.key belongs to no certificate in it; name the key"), "{told}");
    assert_eq!(logged(|| tls.look()), "", "it is told once");
    assert_eq!(served(&tls).await, [bench.der("old.pem")]);
    std::fs::remove_file(bench.path("a.pem")).expect("removed");
    assert!(logged(|| tls.look()).contains("No such file"), "another fault is told");

    bench.write("a.pem", bench.read("new.pem"));
    bench.write("a.key", bench.read("new.key"));
    let told = logged(|| tls.look());
    let own = tls.own();
    assert!(told.contains("INFO") && told.contains(&own.fingerprint), "{told}");
    assert!(told.contains(&expiry::date(own.not_after)), "{told}");
    assert_eq!(own.der, bench.der("new.pem"));
    assert_eq!(served(&tls).await, [bench.der("new.pem")]);
    // Nobody is left with the old one by a session that is resumed.
    let shaken = shake(&tls, client).await.expect("shaken");
    assert_eq!(shaken.served, [bench.der("new.pem")]);
    assert!(!Arc::ptr_eq(before.config(), tls.acceptor().config()));
    assert_eq!(logged(|| tls.look()), "");
}

#[tokio::test]
async fn a_certificate_that_cannot_be_read_for_a_while_is_tried_again() {
    let bench = Bench::new();
    bench.pair("a", EC);
    let tls = bench.open(&bench.files("a.pem", Some("a.key"), "")).expect("taken");
    std::fs::rename(bench.path("a.key"), bench.path("away")).expect("renamed");
    assert!(logged(|| tls.look()).contains("WARN"));
    // The very same file comes back: nothing but its absence has changed.
    std::fs::rename(bench.path("away"), bench.path("a.key")).expect("renamed");
    assert!(logged(|| tls.look()).contains("INFO"));
    assert_eq!(logged(|| tls.look()), "");
    assert_eq!(served(&tls).await, [bench.der("a.pem")]);
}

#[test]
fn the_end_is_told_once_for_each_threshold() {
    let bench = Bench::new();
    bench.pair("a", EC);
    let tls = bench.open(&bench.files("a.pem", Some("a.key"), "")).expect("taken");
    let end = tls.own().not_after;
    for (days_left, words) in [
        (80, ""),
        (31, ""),
        (30, "ends soon"),
        (29, ""),
        (14, "ends soon"),
        (13, ""),
        (7, "ends soon"),
        (0, ""),
        (-1, "has expired"),
        (-2, ""),
    ] {
        let told = logged(|| tls.look_at(end - days_left * DAY_SECONDS));
        assert_eq!(told.is_empty(), words.is_empty(), "{days_left}: {told}");
        assert!(told.contains(words), "{days_left}: {told}");
    }
    bench.pair("a", EC);
    let told = logged(|| tls.look_at(end));
    assert!(told.contains("INFO") && told.contains("ends soon"), "of the new one: {told}");
}

#[tokio::test]
async fn the_self_signed_certificate_is_renewed_while_the_server_runs() {
    let bench = Bench::new();
    let config = TlsConfig { mode: TlsMode::SelfSigned { names: Vec::new() }, hsts: false };
    let tls = bench.open(&config).expect("made");
    let old = tls.own();
    tls.look_at(old.not_after - 31 * DAY_SECONDS);
    assert_eq!(tls.own(), old);
    let later = old.not_after - 30 * DAY_SECONDS;
    let told = logged(|| tls.look_at(later));
    assert!(told.contains("INFO") && !told.contains("WARN"), "{told}");
    assert_ne!(tls.own().fingerprint, old.fingerprint);
    assert_eq!(served(&tls).await, [tls.own().der]);
    assert_eq!(logged(|| tls.look_at(later)), "");
}
