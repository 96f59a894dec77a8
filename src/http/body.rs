//! The body of a request, when it is not too large and comes in time.

use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::time::timeout;
use tokio_stream::{Stream, StreamExt};

use super::reject::ApiError;

/// Until it must be there.
const PATIENCE: Duration = Duration::from_secs(10);

/// The whole body.
///
/// # Errors
/// It is larger than this, ends early, or takes too long.
pub(super) async fn read_whole<B: Buf>(
    body: impl Stream<Item = Result<B, warp::Error>>,
    most_bytes: usize,
) -> Result<Bytes, ApiError> {
    let gather = async {
        let mut body = std::pin::pin!(body);
        let mut whole = Vec::new();
        while let Some(part) = body.next().await {
            let mut part = part.map_err(|_| ApiError::body_broken())?;
            if whole.len() + part.remaining() > most_bytes {
                return Err(ApiError::body_too_large(most_bytes));
            }
            whole.extend_from_slice(&part.copy_to_bytes(part.remaining()));
        }
        Ok(whole.into())
    };
    timeout(PATIENCE, gather).await.unwrap_or_else(|_| Err(ApiError::body_timeout()))
}
