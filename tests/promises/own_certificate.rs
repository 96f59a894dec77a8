//! Promise: a certificate of the administrator's own is served from the files that people have; what is
//! wrong with them is said before anything starts, and no secret with it. `takpulse publish` finds its
//! server with each, and speaks to no other.

use std::path::Path;
use std::process::Output;

use crate::app::{App, command};
use crate::authority::Authority;
use crate::credentials::TOKEN;
use crate::curl::ask;
use crate::encryption::SELF_SIGNED;
use crate::openssl::served_fingerprint;
use crate::secure;
use crate::wire::Stream;

const SECRET: &str = "a-secret-that-nobody-may-see";

/// Only the web server, with the certificate that these lines name.
fn config(files: &str) -> String {
    format!(
        "[tls]\nmode = \"files\"\n{files}\n[collect.system]\nenabled = false\n\
         [collect.docker]\nenabled = false\n[collect.tak]\nenabled = false\n"
    )
}

/// An authority with a certificate for the server in each form: PEM, and `.p12` old and new.
fn files() -> Authority {
    let authority = Authority::found("authority");
    authority.sign_server("box");
    for (file, more) in [
        ("modern.p12", "-passout pass:atakatak"),
        ("legacy.p12", "-passout pass:atakatak -legacy"),
        ("other.p12", &format!("-passout pass:{SECRET}")),
    ] {
        authority.openssl(&format!(
            "pkcs12 -export -in box.pem -inkey box.key -certfile ca.pem -out {file} {more}"
        ));
    }
    authority
}

#[test]
fn the_files_that_people_have_are_served() {
    let authority = files();
    let path = |name: &str| authority.text(name);
    let certificate = |name: &str| format!("certificate = {:?}", path(name));
    for lines in [
        certificate("modern.p12"),
        certificate("legacy.p12"),
        format!("{}\npassword = {SECRET:?}", certificate("other.p12")),
        format!("{}\nkey = {:?}", certificate("box.pem"), path("box.key")),
    ] {
        let app = App::start(&config(&lines));
        assert_eq!(served_fingerprint(app.address()), authority.fingerprint("box"), "{lines}");
        // By a client that asks whose it is.
        let trusted = ["--no-insecure", "--cacert", &path("ca.pem")];
        assert_eq!(ask(app.address(), "/healthz", &trusted).status, 200, "{lines}");
        assert!(!app.log().contains(SECRET) && !app.said().contains(SECRET), "{}", app.log());
    }
}

/// What this configuration comes to.
fn run(config: &str, arguments: &[&str]) -> Output {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("config.toml"), config).expect("written");
    run_in(dir.path(), arguments)
}

/// takpulse in this directory, with the tests' token.
fn run_in(dir: &Path, arguments: &[&str]) -> Output {
    command()
        .args(arguments)
        .current_dir(dir)
        .env("TAKPULSE_STATE_DIR", "state")
        .env("TAKPULSE_TOKEN", TOKEN)
        .output()
        .expect("takpulse starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn what_is_wrong_with_a_file_is_said_before_anything_starts_and_no_secret_with_it() {
    let authority = files();
    authority.sign_server("another");
    let certificate = |name: &str| format!("certificate = {:?}", authority.text(name));
    let key = |name: &str| format!("\nkey = {:?}", authority.text(name));
    let password = format!("\npassword = {SECRET:?}");
    for (lines, names, advice) in [
        (certificate("other.p12"), "other.p12", "correct tls.password"),
        (certificate("modern.p12") + &password, "modern.p12", "correct tls.password"),
        (certificate("legacy.p12") + &password, "legacy.p12", "correct tls.password"),
        (certificate("gone.p12"), "gone.p12", "put it there, or correct the setting"),
        (certificate("box.pem") + &key("gone.key"), "gone.key", "(tls.key)"),
        (certificate("box.pem"), "box.pem", "name the PEM file of the key in tls.key"),
        (certificate("box.pem") + &key("another.key"), "another.key", "the key in"),
    ] {
        let refused = run(&config(&lines), &["--listen", "127.0.0.1:0"]);
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{lines}: {said}");
        assert_eq!(text(&refused.stdout), "", "{lines}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains(&authority.text(names)) && said.contains(advice), "{said}");
        assert!(!said.contains(SECRET) && !said.contains("atakatak"), "{said}");
    }
}

#[test]
fn the_password_is_masked_where_the_configuration_is_shown() {
    let authority = files();
    let lines = format!("certificate = {:?}\npassword = {SECRET:?}", authority.text("other.p12"));
    let checked = run(&config(&lines), &["check"]);
    let said = text(&checked.stdout);
    assert!(said.contains("tls.password = MASKED"), "{said}");
    assert!(!said.contains(SECRET) && !text(&checked.stderr).contains(SECRET), "{said}");
}

/// `takpulse publish` beside a running one, for the address of that or of another.
fn publish(app: &App, to: &App, id: &str) -> Output {
    let listen = to.address().to_string();
    run_in(app.dir(), &["--listen", &listen, "publish", "note", "1", "--id", id])
}

#[test]
fn a_script_publishes_to_its_own_server_and_to_no_other() {
    let authority = files();
    let pem = format!(
        "certificate = {:?}\nkey = {:?}",
        authority.text("box.pem"),
        authority.text("box.key")
    );
    let p12 = format!("certificate = {:?}", authority.text("legacy.p12"));
    let other = App::start(SELF_SIGNED);
    let open = |app: &App| Stream::open_at(secure::open(app.address()), "/stream?topics=note", "");
    let mut elsewhere = open(&other);
    for (number, config) in [SELF_SIGNED.to_owned(), config(&pem), config(&p12)].iter().enumerate()
    {
        let app = App::start(config);
        let mut stream = open(&app);
        let done = publish(&app, &app, "mine");
        assert_eq!((done.status.code(), &*text(&done.stdout)), (Some(0), "mine\n"), "{done:?}");
        assert_eq!(stream.next().expect("it goes on").id.as_deref(), Some("mine"));
        // Whoever answers there must not even see the token; this one would take it.
        let refused = publish(&app, &other, "astray");
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains(&other.address().to_string()), "{said}");
        assert!(said.contains("another certificate"), "{said}");
        let id = format!("own-{number}");
        assert!(publish(&other, &other, &id).status.success());
        assert_eq!(elsewhere.next().expect("it goes on").id, Some(id), "nothing went astray");
    }
}
