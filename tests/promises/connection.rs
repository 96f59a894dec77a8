//! A connection that stays open: answers one after the other, and then, perhaps, a stream in chunks.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};

use rustix::net::{AddressFamily, SocketType, sockopt};

use crate::wire::{Answer, PATIENCE, connect};

/// A connection to takpulse, encrypted or not.
pub struct Connection<S = TcpStream> {
    reader: BufReader<S>,
}

impl Connection {
    /// Connects.
    pub fn open(address: SocketAddr) -> Connection {
        Connection::over(connect(address))
    }
}

impl<S: Read + Write> Connection<S> {
    /// As [`Connection::open`], on a socket of the test's own.
    pub fn over(socket: S) -> Connection<S> {
        Connection { reader: BufReader::new(socket) }
    }

    /// What carries it.
    pub fn socket(&self) -> &S {
        self.reader.get_ref()
    }

    /// Sends these exact bytes.
    pub fn send(&mut self, bytes: &[u8]) {
        self.reader.get_mut().write_all(bytes).expect("sent");
    }

    /// The next answer without a body, as `HEAD` gets it, and as a stream begins.
    pub fn head(&mut self) -> Answer {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let read = self.reader.read_line(&mut head).expect("a header line");
            assert_ne!(read, 0, "the connection ended in {head:?}");
        }
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        Answer { status: status.unwrap_or_else(|| panic!("{head:?}")), head, body: Vec::new() }
    }

    /// The next answer with its body.
    pub fn answer(&mut self) -> Answer {
        let head = self.head();
        self.body_of(head)
    }

    /// The answer of which this is the head.
    pub fn body_of(&mut self, mut answer: Answer) -> Answer {
        let length = answer.header("content-length").and_then(|length| length.parse().ok());
        answer.body = vec![0; length.unwrap_or_else(|| panic!("a length: {}", answer.head))];
        self.reader.read_exact(&mut answer.body).expect("the whole body");
        answer
    }

    /// The next chunk; `None` when the last one and then the end of the connection has come.
    pub fn chunk(&mut self) -> Option<String> {
        let mut line = String::new();
        self.reader.read_line(&mut line).expect("a chunk's length");
        let length = usize::from_str_radix(line.trim_end(), 16);
        let length = length.unwrap_or_else(|why| panic!("{why}: {line:?}"));
        let mut chunk = vec![0; length + 2];
        self.reader.read_exact(&mut chunk).expect("the whole chunk");
        assert_eq!(chunk.split_off(length), b"\r\n", "after a chunk of {length}");
        if length == 0 {
            let mut rest = Vec::new();
            self.reader.read_to_end(&mut rest).expect("the end");
            assert_eq!(rest, b"", "after the last chunk");
            return None;
        }
        Some(String::from_utf8(chunk).expect("whole characters in a chunk"))
    }

    /// Chunks up to the one that ends with this, joined.
    pub fn chunks_until(&mut self, end: &str) -> String {
        let mut text = String::new();
        while !text.ends_with(end) {
            text += &self.chunk().unwrap_or_else(|| panic!("ended before {end:?}: {text}"));
        }
        text
    }
}

/// A connection from this address of the machine (`0.0.0.0`: the customary one) whose kernel takes
/// few bytes when nobody reads them: about as many as here, or `None` for the customary number.
pub fn connect_from(source: IpAddr, takes: Option<usize>, address: SocketAddr) -> TcpStream {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None);
    let socket = socket.expect("a socket");
    if let Some(bytes) = takes {
        sockopt::set_socket_recv_buffer_size(&socket, bytes).expect("a small buffer");
    }
    rustix::net::bind(&socket, &SocketAddr::new(source, 0)).expect("an address of this machine");
    rustix::net::connect(&socket, &address).expect("takpulse accepts");
    let socket = TcpStream::from(socket);
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout is set");
    socket
}
