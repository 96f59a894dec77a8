//! The server under test: the application as the binary runs it, with the collectors switched off and
//! the driver's orders published on its bus.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use takpulse::app::{self, App};
use takpulse::bus::Bus;
use takpulse::config::{self, Overrides};
use takpulse::telemetry;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::control::Orders;
use super::{Outcome, Wrong};

/// The limits of the HTTP server that would be in the way; older configurations lack some.
const LIMITS: [&str; 4] =
    ["max_connections", "max_viewers", "max_viewers_per_address", "max_connections_per_address"];

/// The configuration: the defaults but for what the benchmark's viewers would run into.
pub fn config_file() -> String {
    let known = |key: &&&str| {
        let line = format!("{key} = ");
        config::REFERENCE.lines().any(|known| known.starts_with(&line))
    };
    let limits: String =
        LIMITS.iter().filter(known).map(|key| format!("{key} = 100000\n")).collect();
    let collectors: String = ["system", "docker", "tak"]
        .iter()
        .map(|name| format!("[collect.{name}]\nenabled = false\n"))
        .collect();
    format!(
        "node = \"bench\"\n[http]\nlisten = \"127.0.0.1:0\"\n{limits}\
         [log]\nlevel = \"warn\"\n{collectors}"
    )
}

/// Runs until the driver ends the connection.
///
/// # Errors
/// The application cannot start, or the driver is not there.
pub fn serve(control: SocketAddr, config: &Path) -> Outcome {
    let overrides = Overrides { config: Some(config.to_owned()), ..Overrides::default() };
    let config = config::load(overrides).map_err(|faults| Wrong::from(faults.to_string()))?.config;
    telemetry::start(config.log);
    app::block_on(async {
        let app = App::bind(config).await?;
        let mut control = TcpStream::connect(control).await?;
        control.write_all(format!("{}\n", app.address()).as_bytes()).await?;
        let bus = app.bus();
        tokio::select! {
            () = app.run(CancellationToken::new()) => Ok(()),
            ended = publish(control, bus) => ended,
        }
    })?
}

async fn publish(mut control: TcpStream, bus: Arc<dyn Bus>) -> Outcome {
    let mut orders = Orders::default();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let length = control.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        orders.feed(&buffer[..length], |event| bus.publish(Arc::new(event)));
    }
}
