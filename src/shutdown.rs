//! The signals that end the process.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

/// Cancels the token at the first SIGTERM (systemd, Docker), SIGINT (Ctrl-C) or SIGHUP (the terminal
/// is gone). Where signals cannot be listened to, they end the process in the system's way.
pub async fn cancel_when_requested(ending: CancellationToken) {
    match listen() {
        Ok(signals) => {
            let signal = first_of(signals).await;
            ending.cancel();
            info!(signal, "asked to end");
        }
        Err(why) => error!(%why, "signals cannot be listened to; streams will break at the end"),
    }
}

fn listen() -> std::io::Result<[Signal; 3]> {
    Ok([
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
        signal(SignalKind::hangup())?,
    ])
}

async fn first_of([mut terminate, mut interrupt, mut hang_up]: [Signal; 3]) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
        _ = hang_up.recv() => "SIGHUP",
    }
}
