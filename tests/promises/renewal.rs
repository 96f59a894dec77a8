//! Promise: a certificate is renewed by whoever renews it, while everybody watches: no request fails,
//! no stream has a gap, and half of a renewal changes nothing.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use crate::app::{App, wait_for};
use crate::authority::Authority;
use crate::connection::Connection;
use crate::curl::{CurlStream, ask, token};
use crate::openssl::served_fingerprint;
use crate::secure;
use crate::wire;

const CLIENTS: usize = 20;

/// A server with `live.pem` and `live.key`, and the authority's list of revoked certificates.
fn start(authority: &Authority) -> App {
    put(authority, "old.pem", "live.pem");
    put(authority, "old.key", "live.key");
    let text = |name: &str| authority.text(name);
    App::start(&format!(
        "[tls]\nmode = \"files\"\ncertificate = {:?}\nkey = {:?}\n\
         [auth.client_certificates]\nca = [{:?}]\ncrl = [{:?}]\n[publish]\nrate_per_s = 1000\n\
         [collect.system]\nenabled = false\n[collect.docker]\nenabled = false\n\
         [collect.tak]\nenabled = false\n",
        text("live.pem"),
        text("live.key"),
        text("ca.pem"),
        text("ca.crl")
    ))
}

/// Replaces a file as everybody does who knows how: beside the old one, and then in its place.
fn put(authority: &Authority, from: &str, to: &str) {
    fs::copy(authority.path(from), authority.path("new")).expect("copied");
    fs::rename(authority.path("new"), authority.path(to)).expect("renamed");
}

/// Clients that come anew for each request.
struct Crowd {
    stop: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<BTreeSet<Vec<u8>>>>,
}

impl Crowd {
    fn come(app: &App) -> Crowd {
        let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let address = app.address();
        let client = |_| {
            let (stop, served) = (stop.clone(), served.clone());
            std::thread::spawn(move || {
                // Resumes its sessions, as browsers do.
                let config = secure::client(&[]);
                let mut seen = BTreeSet::new();
                while !stop.load(Ordering::Relaxed) {
                    let session = secure::over(wire::connect(address), &config);
                    let mut connection = Connection::over(session);
                    connection.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
                    assert_eq!(connection.answer().json()["status"], "alive");
                    seen.insert(
                        connection.socket().conn.peer_certificates().expect("one")[0].to_vec(),
                    );
                    served.fetch_add(1, Ordering::Relaxed);
                }
                seen
            })
        };
        let threads = (0..CLIENTS).map(client).collect();
        Crowd { stop, served, threads }
    }

    /// Waits until each could have been served again.
    fn wait_for_more(&self) {
        let before = self.served.load(Ordering::Relaxed);
        wait_for("the crowd to be served", || {
            (self.served.load(Ordering::Relaxed) > before + 10 * CLIENTS).then_some(())
        });
    }

    /// Which certificates they have seen; a request that failed is a panic.
    fn leave(self) -> BTreeSet<Vec<u8>> {
        self.stop.store(true, Ordering::Relaxed);
        let seen = self.threads.into_iter().map(|thread| thread.join().expect("no request failed"));
        seen.flatten().collect()
    }
}

/// Publishes with the tests' token.
fn publish(app: &App, id: &str) {
    let body = format!("{{\"type\":\"note\",\"data\":1,\"id\":\"{id}\"}}");
    let answer = ask(app.address(), "/publish", &[&token()[..], &["-d", &body]].concat());
    assert_eq!(answer.status, 202, "{answer:?}");
}

fn wait_for_log(app: &App, says: &str, times: usize) {
    wait_for(says, || (app.log().matches(says).count() >= times).then_some(()));
}

const STAYS: &str = "the certificate cannot be read again, the old one is still served";
const SERVED: &str = "the certificate was read again and is served";
const LISTS: &str = "the authorities of client certificates and what they revoked were read again";

#[test]
fn a_certificate_is_exchanged_under_load_without_a_failure_or_a_gap() {
    let authority = Authority::found("authority");
    authority.sign_server("old");
    authority.sign_server("new-one");
    let app = start(&authority);
    assert_eq!(served_fingerprint(app.address()), authority.fingerprint("old"));
    let mut streams: Vec<CurlStream> = ["--http1.1", "--http2"]
        .map(|version| {
            let arguments = [&[version][..], &token()].concat();
            CurlStream::open(app.address(), "?topics=note", &arguments)
        })
        .into();
    for stream in &mut streams {
        assert!(stream.frames.frame().expect("open").contains("retry:"));
    }
    let crowd = Crowd::come(&app);
    crowd.wait_for_more();
    publish(&app, "before");
    put(&authority, "new-one.pem", "live.pem");
    // The key is still on its way.
    wait_for_log(&app, STAYS, 1);
    crowd.wait_for_more();
    assert_eq!(served_fingerprint(app.address()), authority.fingerprint("old"));
    publish(&app, "between");
    put(&authority, "new-one.key", "live.key");
    wait_for("the new one to be served", || {
        (served_fingerprint(app.address()) == authority.fingerprint("new-one")).then_some(())
    });
    crowd.wait_for_more();
    publish(&app, "after");
    assert_eq!(crowd.leave().len(), 2, "the old one and the new one");
    for stream in &mut streams {
        for id in ["before", "between", "after"] {
            assert_eq!(stream.frames.next().expect("it goes on").id.as_deref(), Some(id));
        }
    }
    assert_eq!(app.log().matches(STAYS).count(), 1, "{}", app.log());
    assert_eq!(app.log().matches(SERVED).count(), 1, "{}", app.log());
}

#[test]
fn a_broken_file_changes_nothing_and_is_said_once() {
    let authority = Authority::found("authority");
    authority.sign_server("old");
    let app = start(&authority);
    let whole = fs::read(authority.path("live.pem")).expect("read");
    fs::write(authority.path("half.pem"), &whole[..whole.len() / 2]).expect("written");
    put(&authority, "half.pem", "live.pem");
    wait_for_log(&app, STAYS, 1);
    // The list is looked at by the same looks: two of them have seen the broken file again.
    for look in 1..=3 {
        authority.list_revoked();
        wait_for_log(&app, LISTS, look);
    }
    assert_eq!(app.log().matches(STAYS).count(), 1, "{}", app.log());
    assert!(app.log().contains(&authority.text("live.pem")), "{}", app.log());
    assert_eq!(served_fingerprint(app.address()), authority.fingerprint("old"));
}
