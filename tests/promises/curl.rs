//! curl, which has its own TLS (OpenSSL's) and its own HTTP/2 (nghttp2's), and has read none of our code.

use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::credentials::AUTHORIZATION;
use crate::wire::{Answer, Stream};

/// No file of its user's, no proxy, patience as in [`crate::wire`], and no question whose certificate it is.
const ARGUMENTS: [&str; 8] = ["-q", "-sS", "-k", "--max-time", "60", "--noproxy", "*", "-N"];

/// curl with these arguments for this path.
fn curl(address: SocketAddr, path: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("curl");
    command.args(ARGUMENTS).args(arguments).arg(format!("https://{address}{path}"));
    command
}

/// The tests' token, as two of curl's arguments.
pub fn token() -> [&'static str; 2] {
    ["-H", AUTHORIZATION.trim_ascii_end()]
}

/// Sends a request without the tests' token, and returns the whole answer.
pub fn ask(address: SocketAddr, path: &str, arguments: &[&str]) -> Answer {
    let done = curl(address, path, arguments).arg("-i").output().expect("curl is installed");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "curl {arguments:?}: {said}");
    Answer::read(&done.stdout[..])
}

/// A stream that curl reads; ended when dropped.
pub struct CurlStream {
    child: Child,
    /// What it has read.
    pub frames: Stream<ChildStdout>,
}

impl CurlStream {
    /// Opens `/stream` with this query.
    pub fn open(address: SocketAddr, query: &str, arguments: &[&str]) -> CurlStream {
        let mut child = curl(address, &format!("/stream{query}"), arguments)
            .args(["-w", "%{stderr}HTTP/%{http_version}"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("curl is installed");
        let frames = Stream::of(child.stdout.take().expect("piped"));
        CurlStream { child, frames }
    }

    /// Waits for curl's end; returns its exit code (0: the stream was ended as its protocol wants it)
    /// and the protocol.
    pub fn end(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        let mut stderr = self.child.stderr.take().expect("piped");
        std::io::Read::read_to_string(&mut stderr, &mut said).expect("text");
        (self.child.wait().expect("it ends").code(), said)
    }
}

impl Drop for CurlStream {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _status = self.child.wait();
    }
}
