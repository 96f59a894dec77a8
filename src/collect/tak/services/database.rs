//! PostgreSQL: does it answer?
//!
//! An `SSLRequest` is the one question that needs no user and leaves nothing in PostgreSQL's log
//! (seen with 15: a connection that ends after it is not logged, unless `log_connections` is on). A
//! `StartupMessage` would also tell of a server that is still recovering (SQLSTATE 57P03), but each
//! one leaves a FATAL line there, whatever is in it: no user, an unknown user, a version that does
//! not exist. Every 15 seconds that is too much for what it tells.
//!
//! <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL>

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::asked;
use crate::collect::tak::checks::{Timed, Trouble};

/// `SSLRequest`: its length and the number that stands for it.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// An error message that is longer is cut here.
const MAX_ERROR_BYTES: u64 = 4096;

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseAnswer {
    /// It answered as PostgreSQL does.
    Accepts,
    /// It sent an error at once, with this SQLSTATE if it had one.
    Unwell(Option<String>),
    /// It took the connection and did not answer.
    Hangs,
}

/// Asks the PostgreSQL at `host` and `port`. Takes at most 4 s.
pub async fn database(host: &str, port: u16) -> Timed<DatabaseAnswer> {
    asked(host, port, DatabaseAnswer::Hangs, ask).await
}

async fn ask<S>(mut socket: S) -> Result<DatabaseAnswer, Trouble>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    socket.write_all(&SSL_REQUEST).await?;
    match socket.read_u8().await? {
        b'S' | b'N' => Ok(DatabaseAnswer::Accepts),
        b'E' => {
            let mut rest = Vec::new();
            let _cut_off_or_ended = socket.take(MAX_ERROR_BYTES).read_to_end(&mut rest).await;
            Ok(DatabaseAnswer::Unwell(sqlstate(&rest)))
        }
        _ => Err(Trouble::OtherProtocol),
    }
}

/// The SQLSTATE in an `ErrorResponse` after its first byte: a length, then fields of a letter and a
/// text that ends with NUL.
fn sqlstate(message: &[u8]) -> Option<String> {
    let fields = message.get(4..)?;
    let code = fields.split(|byte| *byte == 0).find_map(|field| field.strip_prefix(b"C"))?;
    let plain = code.len() == 5 && code.iter().all(u8::is_ascii_alphanumeric);
    plain.then(|| String::from_utf8_lossy(code).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARTING: &[u8] = b"E\0\0\0\x50SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0Fpostmaster.c\0L1\0\0";

    /// What a service that answers with `bytes` and closes is taken for.
    async fn answer_to(bytes: &[u8]) -> Result<DatabaseAnswer, Trouble> {
        let (near, mut far) = tokio::io::duplex(8192);
        let bytes = bytes.to_vec();
        tokio::spawn(async move {
            let mut request = [0; 8];
            far.read_exact(&mut request).await.expect("a request");
            assert_eq!(request, SSL_REQUEST);
            let _reader_may_be_gone = far.write_all(&bytes).await;
        });
        ask(near).await
    }

    #[tokio::test]
    async fn answers_are_told_apart() {
        use DatabaseAnswer::{Accepts, Unwell};
        let cases: [(&[u8], Result<DatabaseAnswer, Trouble>); 9] = [
            (b"N", Ok(Accepts)),
            (b"S", Ok(Accepts)),
            (STARTING, Ok(Unwell(Some("57P03".into())))),
            (b"Ecould not fork new process for connection\n\0", Ok(Unwell(None))),
            (b"E\0\0\0\x08C57\0\0", Ok(Unwell(None))),
            (b"E", Ok(Unwell(None))),
            (b"", Err(Trouble::Closed)),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", Err(Trouble::OtherProtocol)),
            (b"\x15\x03\x01\0\x02\x02\x46", Err(Trouble::OtherProtocol)),
        ];
        for (bytes, want) in cases {
            assert_eq!(answer_to(bytes).await, want, "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[tokio::test]
    async fn an_endless_error_is_cut() {
        let mut endless = STARTING.to_vec();
        endless.resize(1 << 20, b'x');
        assert_eq!(answer_to(&endless).await, Ok(DatabaseAnswer::Unwell(Some("57P03".into()))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_takes_the_connection_and_is_silent_hangs() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let answer = database("127.0.0.1", port).await;
        assert_eq!(answer.result, Ok(DatabaseAnswer::Hangs));
        drop(listener);
        assert_eq!(database("127.0.0.1", port).await.result, Err(Trouble::Refused));
    }

    #[test]
    fn garbage_has_no_sqlstate() {
        let mut random = fastrand::Rng::with_seed(5);
        for _ in 0..20_000 {
            let mut message = STARTING[1..].to_vec();
            for _ in 0..random.usize(1..6) {
                let at = random.usize(..message.len());
                message[at] = random.u8(..);
            }
            message.truncate(random.usize(..=message.len()));
            if let Some(code) = sqlstate(&message) {
                assert!(code.len() == 5 && code.bytes().all(|byte| byte.is_ascii_alphanumeric()));
            }
        }
    }
}
