//! One HTTP request on one connection, bounded.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Trouble;

/// Of a longer body only the beginning is taken.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// A response.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The body's first [`MAX_BODY_BYTES`].
    pub body: Vec<u8>,
}

/// `GET path` as the only request on this connection.
///
/// # Errors
/// The connection ends early, or what comes is not HTTP. The caller limits the time.
pub async fn get<S>(socket: S, host: &str, path: &str) -> Result<Response, Trouble>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let request = Request::get(path)
        .header(HOST, host)
        .header(USER_AGENT, "takpulse")
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|why| Trouble::Other(format!("{host} makes no HTTP request: {why}")))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
    let exchange = async move {
        let response = sender.send_request(request).await?;
        Ok(Response {
            status: response.status().as_u16(),
            body: beginning(response.into_body()).await?,
        })
    };
    // The connection does the work while the exchange waits for it; how it ends after the answer is
    // of no interest.
    let (response, _ended) = tokio::join!(exchange, connection);
    response
}

async fn beginning(mut body: hyper::body::Incoming) -> Result<Vec<u8>, Trouble> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            let room = MAX_BODY_BYTES - bytes.len();
            bytes.extend_from_slice(&data[..data.len().min(room)]);
            if data.len() >= room {
                break;
            }
        }
    }
    Ok(bytes)
}

impl From<hyper::Error> for Trouble {
    fn from(error: hyper::Error) -> Trouble {
        if error.is_parse() {
            return Trouble::OtherProtocol;
        }
        let io = std::error::Error::source(&error)
            .and_then(|source| source.downcast_ref::<std::io::Error>());
        match io {
            Some(io) => match io.get_ref().and_then(|inner| inner.downcast_ref()) {
                Some(inner) => super::tls::trouble(inner),
                None => std::io::Error::from(io.kind()).into(),
            },
            None if error.is_incomplete_message() || error.is_canceled() => Trouble::Closed,
            None => Trouble::Other(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// What a server's raw bytes become.
    async fn answer_to(bytes: &[u8]) -> Result<Response, Trouble> {
        let (near, mut far) = tokio::io::duplex(1024);
        let bytes = bytes.to_vec();
        tokio::spawn(async move {
            let mut request = [0; 1024];
            let _length = far.read(&mut request).await;
            let _reader_may_be_gone = far.write_all(&bytes).await;
        });
        get(near, "127.0.0.1:8080", "/").await
    }

    #[tokio::test]
    async fn an_answer_is_read_and_bounded() {
        let short = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ntaky-0.10";
        let answer = answer_to(short).await.expect("an answer");
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"taky-0.10"[..]));
        let mut long = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        long.resize(long.len() + 1_000_000, b'x');
        let answer = answer_to(&long).await.expect("an answer");
        assert_eq!(answer.body.len(), MAX_BODY_BYTES);
    }

    #[tokio::test]
    async fn garbage_is_trouble() {
        let cases: [(&[u8], Trouble); 5] = [
            (b"", Trouble::Closed),
            (b"\x15\x03\x03\0\x02\x02\x46", Trouble::OtherProtocol),
            (b"<event/>", Trouble::OtherProtocol),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ntak", Trouble::Closed),
            (b"HTTP/1.1 200 OK\r\n", Trouble::Closed),
        ];
        for (bytes, want) in cases {
            let trouble = answer_to(bytes).await.expect_err("trouble");
            assert_eq!(trouble, want, "{}", String::from_utf8_lossy(bytes));
        }
    }
}
