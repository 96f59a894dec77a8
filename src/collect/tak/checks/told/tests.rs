//! Rounds against a server that closes each connection after its answer, as taky's does.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::collect::tak::checks::examine;
use crate::collect::tak::targets::Target;

/// What is asked of it, and how it answers: its version, and the status of its list.
#[derive(Default)]
struct Site {
    asked: Vec<String>,
    version: &'static str,
    status: u16,
}

async fn serve(listener: TcpListener, site: Arc<Mutex<Site>>) {
    loop {
        let (mut socket, _) = listener.accept().await.expect("a client");
        let mut chunk = [0; 4096];
        let length = socket.read(&mut chunk).await.expect("a request");
        let request = String::from_utf8_lossy(&chunk[..length]).into_owned();
        let path = request.split(' ').nth(1).expect("a path").to_owned();
        let answer = {
            let mut site = site.lock().expect("not poisoned");
            let (status, body) = match path.as_str() {
                api::VERSION_PATH => (200, site.version),
                _ => (site.status, r#"{"data":[]}"#),
            };
            site.asked.push(path);
            let length = body.len();
            format!(
                "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
            )
        };
        socket.write_all(answer.as_bytes()).await.expect("sent");
    }
}

#[tokio::test]
async fn a_list_that_never_changes_is_told_in_each_round_and_asked_seldom() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let site = Arc::new(Mutex::new(Site::default()));
    let serving = tokio::spawn(serve(listener, site.clone()));
    let role = Role::Http;
    let target = Target { host: "127.0.0.1".into(), port, role, expected: true, answered: true };
    let (mut asker, mut first) = (Asker::default(), None);
    for (what, version, status, asked, answered) in [
        ("at first", "taky-0.10", 200, true, Ok(0)),
        ("then it is known", "taky-0.10", 500, false, Ok(0)),
        ("another version", "taky-0.11", 500, true, Err(())),
        ("an error may pass", "taky-0.11", 200, true, Ok(0)),
        ("and then it is known", "taky-0.11", 200, false, Ok(0)),
        ("another server", "FreeTAKServer-2.2.1", 200, true, Ok(0)),
    ] {
        *site.lock().expect("not poisoned") = Site { version, status, ..Site::default() };
        let facts = examine(target.clone(), &asker).await;
        let told = *facts.told.expect("something is told");
        let [roster] = &told.rosters[..] else { panic!("{what}: {told:?}") };
        let entries = roster.entries.as_ref().map(Vec::len).map_err(|_| ());
        assert_eq!((entries, roster.believed), (answered, false), "{what}");
        assert_eq!(told.heard_of(END_POINTS).expect(what).miss.is_none(), answered.is_ok());
        let paths = &site.lock().expect("not poisoned").asked;
        let want: &[&str] =
            if asked { &[api::VERSION_PATH, END_POINTS] } else { &[api::VERSION_PATH] };
        assert_eq!(paths, want, "{what}");
        let note = first.get_or_insert_with(|| roster.note.clone());
        assert_eq!(roster.note == *note, version.starts_with("taky"), "{what}: {}", roster.note);
        asker.memory = told.memory;
    }
    serving.abort();
}
