//! A client of a TAK server, as a phone is one: it says who it is, and hears what the server sends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crate::app::wait_for;

/// Who a client says it is.
#[derive(Clone, Copy)]
pub struct Who {
    /// The device.
    pub uid: &'static str,
    /// The name on the map.
    pub callsign: &'static str,
    /// The team's colour.
    pub team: &'static str,
    /// The role in the team.
    pub role: &'static str,
}

/// Two phones.
pub const ALPHA: Who =
    Who { uid: "ANDROID-a1", callsign: "ALPHA", team: "Cyan", role: "Team Lead" };
pub const BRAVO: Who = Who { uid: "ANDROID-b2", callsign: "BRAVO", team: "Red", role: "Medic" };

/// Program and version of both.
pub const SOFTWARE: &str = "ATAK-CIV 5.2.0.1 (Pixel 7, OS 34)";

/// A connected client; it leaves when dropped.
pub struct CotClient {
    to: Box<dyn Write + Send>,
    heard: Arc<Mutex<String>>,
    line: Line,
}

/// What carries it.
enum Line {
    Plain(TcpStream),
    /// `openssl s_client`.
    Tls(Child),
}

impl CotClient {
    /// Connects, and says nothing yet.
    pub fn plain(port: u16) -> CotClient {
        let socket = TcpStream::connect(("127.0.0.1", port)).expect("the server accepts a client");
        let copy = || socket.try_clone().expect("a socket is copied");
        let (to, from) = (copy(), copy());
        CotClient { to: Box::new(to), heard: gather(from), line: Line::Plain(socket) }
    }

    /// As [`CotClient::plain`], over TLS with this certificate and its key.
    pub fn tls(port: u16, (certificate, key): (&Path, &Path)) -> CotClient {
        let mut child = Command::new("openssl")
            .args(["s_client", "-quiet", "-connect", &format!("127.0.0.1:{port}"), "-cert"])
            .arg(certificate)
            .arg("-key")
            .arg(key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl is installed");
        let to = child.stdin.take().expect("piped");
        let heard = gather(child.stdout.take().expect("piped"));
        CotClient { to: Box::new(to), heard, line: Line::Tls(child) }
    }

    /// Says where and who it is, and waits until the server has dealt with that.
    pub fn appear(&mut self, who: Who) {
        let Who { uid, callsign, team, role } = who;
        self.send(
            uid,
            "a-f-G-U-C",
            &format!(
                "<takv device=\"Pixel 7\" platform=\"ATAK-CIV\" os=\"34\" version=\"5.2.0.1\"/>\
                 <contact callsign=\"{callsign}\" endpoint=\"*:-1:stcp\"/><uid Droid=\"{callsign}\"/>\
                 <__group name=\"{team}\" role=\"{role}\"/><status battery=\"73\"/>\
                 <track course=\"90\" speed=\"0\"/>"
            ),
        );
        self.ping(uid);
    }

    /// Asks whether the server is there until it answers: FreeTAKServer loses what comes right behind
    /// somebody's first event.
    pub fn ping(&mut self, name: &str) {
        let asked = format!("{name}-ping");
        // taky has one name for its answers, the others send the ping back.
        let answers =
            |heard: &str| heard.matches("takPong").count() + heard.matches(&asked).count();
        let (before, mut looked) = (answers(&self.heard()), 0);
        wait_for("the answer to a ping", || {
            if looked % 50 == 0 {
                self.send(&asked, "t-x-c-t", "");
            }
            looked += 1;
            (answers(&self.heard()) > before).then_some(())
        });
    }

    /// What the server has sent so far.
    pub fn heard(&self) -> String {
        self.heard.lock().expect("not poisoned").clone()
    }

    fn send(&mut self, uid: &str, kind: &str, detail: &str) {
        let now = SystemTime::now();
        let (time, stale) = (stamp(now), stamp(now + Duration::from_secs(120)));
        let event = format!(
            "<event version=\"2.0\" uid=\"{uid}\" type=\"{kind}\" how=\"m-g\" time=\"{time}\" \
             start=\"{time}\" stale=\"{stale}\"><point lat=\"47.1\" lon=\"9.5\" hae=\"9999999.0\" \
             ce=\"9999999.0\" le=\"9999999.0\"/><detail>{detail}</detail></event>"
        );
        self.to.write_all(event.as_bytes()).expect("the server takes an event");
        self.to.flush().expect("the server takes an event");
    }
}

impl Drop for CotClient {
    fn drop(&mut self) {
        match &mut self.line {
            Line::Plain(socket) => {
                let _already_gone = socket.shutdown(std::net::Shutdown::Both);
            }
            Line::Tls(child) => {
                let _already_gone = child.kill();
                let _status = child.wait();
            }
        }
    }
}

fn stamp(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

/// Copies what comes into a text, on a thread that ends with the connection.
fn gather(mut from: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let heard = Arc::new(Mutex::new(String::new()));
    let copy = heard.clone();
    std::thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(length @ 1..) = from.read(&mut chunk) {
            let text = String::from_utf8_lossy(&chunk[..length]);
            copy.lock().expect("not poisoned").push_str(&text);
        }
    });
    heard
}
