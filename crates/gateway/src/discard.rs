//! Bodies of refused requests: read on for a while and thrown away.
//!
//! A client that writes its whole body before it reads would otherwise find its connection reset under it, and never see why it was
//! refused. What must stay true: the refusal does not wait for this; bytes, time and number are bounded, strangers' more tightly, since
//! they choose what we read; beyond the bounds the connection is closed as before.

use std::sync::Arc;
use std::time::Duration;

use http::header;
use http::request::Parts;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use tokio::sync::Semaphore;

use crate::Gateway;

/// A body that came with its head is taken off the connection by hyper itself.
const IN_BUFFER_BYTES: u64 = 8 * 1024;

/// A stranger's part of `discard_bytes`.
const STRANGERS_PART: u64 = 64;

/// Longest time for a body that nobody wants.
const DEADLINE: Duration = Duration::from_secs(5);

/// Room for so many at once.
pub(crate) fn places(count: u64) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(usize::try_from(count).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS)))
}

/// Takes what is left of the body of a request that is being refused. `is_known`: the caller showed a valid credential.
pub(crate) fn take(gateway: &Gateway, parts: &Parts, incoming: Incoming, is_known: bool) {
    let most = gateway.limits.discard_bytes / if is_known { 1 } else { STRANGERS_PART };
    let said = parts.headers.get(header::CONTENT_LENGTH).and_then(|len| len.to_str().ok()?.parse::<u64>().ok());
    // Whoever asks first whether to go on is answered by the refusal; over HTTP/2 a refused stream harms no other.
    let is_asking_first = parts.headers.contains_key(header::EXPECT);
    if incoming.is_end_stream() || is_asking_first || parts.version > http::Version::HTTP_11 {
        return;
    }
    if said.is_some_and(|len| len <= IN_BUFFER_BYTES || len > most) {
        return;
    }
    let reserve = usize::try_from(gateway.limits.discards / 2).unwrap_or(0);
    if !is_known && gateway.discards.available_permits() <= reserve {
        return;
    }
    let Ok(place) = Arc::clone(&gateway.discards).try_acquire_owned() else { return };
    let reading = async move {
        let _late = tokio::time::timeout(DEADLINE, read(incoming, most)).await;
        drop(place);
    };
    if is_known { gateway.tasks.spawn_light(reading) } else { gateway.tasks.spawn_for_stranger(reading) }
}

async fn read(mut incoming: Incoming, most: u64) {
    let mut len = 0_u64;
    while let Some(Ok(frame)) = incoming.frame().await {
        len += frame.data_ref().map_or(0, |data| data.len() as u64);
        if len > most {
            return;
        }
    }
}
