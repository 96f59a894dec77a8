//! `takpulse publish`: one event for a running takpulse, from a shell script.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::access::StateDir;
use crate::app;
use crate::cli::PublishCommand;
use crate::config::Config;
use crate::tls::{self, ClientConfig, ServerName, TlsError};

/// Where the token is taken from: an argument would be seen in the list of processes.
const TOKEN: &str = "TAKPULSE_TOKEN";
/// For the whole exchange.
const PATIENCE: Duration = Duration::from_secs(15);
/// Of the answer.
const MOST_BYTES: usize = 64 << 10;

/// Why an event was not published.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// No token.
    #[error(
        "there is no token in ${TOKEN}; make one with `takpulse token new NAME --scope publish`, and export it"
    )]
    NoToken,
    /// The data is no JSON.
    #[error("the data is no JSON: {0}; a text needs its quotes: '\"like this\"'")]
    NoJson(serde_json::Error),
    /// The standard input.
    #[error("the standard input cannot be read: {0}")]
    Input(io::Error),
    /// Nobody there.
    #[error(
        "takpulse does not answer at {address}: {why}; is it running? (http.listen or --listen say where)"
    )]
    NoAnswer {
        /// Where it was looked for.
        address: SocketAddr,
        /// What the system said.
        why: String,
    },
    /// Somebody else there.
    #[error(
        "another certificate answers at {address} than the one of this configuration; nothing was sent: is that \
         another takpulse (http.listen or --listen), or has the certificate just been exchanged?"
    )]
    Stranger {
        /// Where it was met.
        address: SocketAddr,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// It refused.
    #[error("takpulse refused the event ({status}): {message}")]
    Refused {
        /// The status code.
        status: u16,
        /// What it said.
        message: String,
    },
}

/// Publishes an event; the text is the id that it was given.
///
/// # Errors
/// It could not be published.
pub fn publish(config: &Config, command: PublishCommand) -> Result<String, PostError> {
    // A file from Windows ends its lines with more than was meant.
    let token = std::env::var(TOKEN).ok().map(|token| token.trim().to_owned());
    let token = token.filter(|token| !token.is_empty());
    let token = token.ok_or(PostError::NoToken)?;
    let body = body(&command)?;
    let address = app::local(config.http.listen);
    let no_answer = |why: &dyn ToString| PostError::NoAnswer { address, why: why.to_string() };
    let tls = tls::client_of(&config.tls, &StateDir::at(&config.state_dir))?;
    let exchange =
        app::block_on(async { timeout(PATIENCE, post(address, tls, token, body)).await });
    let answered = exchange.map_err(|why| no_answer(&why))?.map_err(|late| no_answer(&late))?;
    let (status, answer) = answered.map_err(|why| match tls::is_of_another(&*why) {
        true => PostError::Stranger { address },
        false => no_answer(&why),
    })?;
    let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
    if !(200..300).contains(&status) {
        let message = answer["error"]["message"].as_str().unwrap_or("it does not say why");
        return Err(PostError::Refused { status, message: message.to_owned() });
    }
    Ok(format!("{}\n", answer["id"].as_str().unwrap_or_default()))
}

fn body(command: &PublishCommand) -> Result<String, PostError> {
    let mut text = command.data.clone();
    if text == "-" {
        text.clear();
        io::stdin().read_to_string(&mut text).map_err(PostError::Input)?;
    }
    let data: Box<RawValue> = serde_json::from_str(&text).map_err(PostError::NoJson)?;
    let event = Body {
        topic: &command.topic,
        data: &data,
        id: command.id.as_deref(),
        channel: command.channel.as_deref(),
        retry: command.retry,
    };
    serde_json::to_string(&event).map_err(PostError::NoJson)
}

/// What is posted; the data as it was given.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    topic: &'a str,
    data: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<u64>,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn post(
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
    token: String,
    body: String,
) -> Result<(u16, Bytes), Failure> {
    let request = Request::post("/publish")
        .header(HOST, address.to_string())
        .header(AUTHORIZATION, format!("Bearer {token}"))
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))?;
    let socket = TcpStream::connect(address).await?;
    match tls {
        None => exchange(socket, request).await,
        Some(config) => {
            let name = ServerName::from(address.ip());
            exchange(TlsConnector::from(config).connect(name, socket).await?, request).await
        }
    }
}

async fn exchange(
    socket: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Full<Bytes>>,
) -> Result<(u16, Bytes), Failure> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
    let exchange = async move {
        let answer = sender.send_request(request).await?;
        let status = answer.status().as_u16();
        let whole = Limited::new(answer.into_body(), MOST_BYTES).collect().await?;
        Ok((status, whole.to_bytes()))
    };
    // The connection does the work; how it ends after the answer is of no interest.
    let (outcome, _ended) = tokio::join!(exchange, connection);
    outcome
}
