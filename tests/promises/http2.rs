//! One HTTP/2 connection of the test's own: with several requests at a time, and, where a test wants
//! it, with less room for answers than any good client has.

use std::net::TcpStream;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::credentials::TOKEN;
use crate::secure;
use crate::wire::PATIENCE;

/// When the socket is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// At all times, as far as there is room for what comes.
    Always,
    /// Only within a call.
    WithinCalls,
}

/// A connection.
pub struct Http2 {
    runtime: Runtime,
    sender: SendRequest<Empty<Bytes>>,
}

impl Http2 {
    /// Over this socket, with this much room for each answer that is not read yet, in bytes.
    pub fn over(socket: TcpStream, room: u32, reads: Reads) -> Http2 {
        // hyper's tasks live on the runtime, which runs on a thread of its own or within calls.
        let mut runtime = match reads {
            Reads::Always => tokio::runtime::Builder::new_multi_thread(),
            Reads::WithinCalls => tokio::runtime::Builder::new_current_thread(),
        };
        let runtime = runtime.worker_threads(1).enable_all().build().expect("a runtime");
        let sender = runtime.block_on(async {
            socket.set_nonblocking(true).expect("set");
            let socket = tokio::net::TcpStream::from_std(socket).expect("a socket");
            let connector = TlsConnector::from(secure::client(&["h2"]));
            let session = connector.connect(secure::name(), socket).await.expect("a handshake");
            assert_eq!(session.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            let (sender, work) = Builder::new(TokioExecutor::new())
                .initial_stream_window_size(room)
                .initial_connection_window_size(1 << 30)
                .handshake(TokioIo::new(session))
                .await
                .expect("the preface is sent");
            tokio::spawn(work);
            sender
        });
        Http2 { runtime, sender }
    }

    /// `GET path`, with the tests' token, as far as the answer's head.
    pub fn get(&mut self, path: &str) -> Response<Incoming> {
        let request = Request::get(format!("https://127.0.0.1{path}"))
            .header("authorization", format!("Bearer {TOKEN}"))
            .body(Empty::new())
            .expect("a request");
        let answer = self.sender.send_request(request);
        let late = self.runtime.block_on(async { timeout(PATIENCE, answer).await });
        late.expect("an answer in time").expect("an answer")
    }

    /// Reads a body up to and with this text; returns all of it.
    pub fn read_until(&self, answer: &mut Response<Incoming>, end: &str) -> String {
        let mut text = String::new();
        while !text.contains(end) {
            let more = self.piece(answer).unwrap_or_else(|| panic!("ended before {end:?}: {text}"));
            text.push_str(&more);
        }
        text
    }

    /// Reads a body to its end, which is a proper one.
    pub fn read_to_end(&self, answer: &mut Response<Incoming>) -> String {
        std::iter::from_fn(|| self.piece(answer)).collect()
    }

    fn piece(&self, answer: &mut Response<Incoming>) -> Option<String> {
        let next = async { timeout(PATIENCE, answer.frame()).await };
        let frame = self.runtime.block_on(next).expect("a frame in time")?;
        let data = frame.expect("an unbroken stream").into_data().expect("data");
        Some(String::from_utf8(data.to_vec()).expect("text"))
    }
}
