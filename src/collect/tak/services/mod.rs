//! What the TAK server itself leans on: its database and its message broker. A server that has lost
//! one of them goes on answering pings and calling itself healthy.
//!
//! They are asked without any credential, and in the way that leaves the least in their logs.
//!
//! Architecture invariant: [`database()`] and [`broker()`] gather facts, [`judge`] is pure.

use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::checks::{Timed, Trouble};

mod broker;
mod database;
mod judge;

pub use broker::{Broker, BrokerAnswer, Question, broker};
pub use database::{DatabaseAnswer, database};

/// Connecting takes a fraction of it on a sane link.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// Each sends a few bytes at once when it is well.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// Connects and asks. A service that takes the connection and does not answer gives `silence`; so
/// an error always means that it was not reached or closed the connection.
async fn asked<T, F>(
    host: &str,
    port: u16,
    silence: T,
    ask: impl FnOnce(TcpStream) -> F,
) -> Timed<T>
where
    F: Future<Output = Result<T, Trouble>>,
{
    let started = Instant::now();
    let result = match connect(host, port).await {
        Ok(socket) => timeout(ANSWER_LIMIT, ask(socket)).await.unwrap_or(Ok(silence)),
        Err(why) => Err(why),
    };
    Timed { result, took: started.elapsed() }
}

async fn connect(host: &str, port: u16) -> Result<TcpStream, Trouble> {
    let connecting = async {
        let addresses: Vec<_> = tokio::net::lookup_host((host, port))
            .await
            .map_err(|why| Trouble::Unresolved(why.to_string()))?
            .collect();
        Ok(TcpStream::connect(addresses.as_slice()).await?)
    };
    timeout(CONNECT_LIMIT, connecting).await.unwrap_or(Err(Trouble::Silent(CONNECT_LIMIT)))
}
