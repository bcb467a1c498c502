//! The endpoint of the events.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};

use super::{event::LiveEvent, state::LiveState, stream};
use crate::{
    auth::{extract::CurrentUser, users},
    error::{ApiError, Code},
    http::openapi::LIVE,
};

/// Streams what has changed, as server-sent events.
///
/// Each event has a name and JSON data, as in the schema. Several changes of the same thing in a short time are one event with the
/// state after them, at most every 250 ms for a snack. A comment follows at least every 15 seconds. The stream ends with the access
/// token. Changes while there was no stream are not repeated: read again what is shown after each start of a stream. A user has at
/// most 10 streams.
#[utoipa::path(get, path = "/events", tag = LIVE,
    responses((status = 200, description = "Events until the stream ends.", body = LiveEvent, content_type = "text/event-stream")))]
pub async fn stream_events(State(live): State<Arc<LiveState>>, user: CurrentUser) -> Result<Response, ApiError> {
    let open = live.streams.open(user.id)?;
    let batches = live.batches.subscribe();
    if live.stop.is_cancelled() {
        return Err(Code::Unavailable.into());
    }
    // A resignation before the stream was counted has not ended it.
    let status = users::status(&live.db, user.id).await?;
    if status.is_none_or(|status| status.is_deleted) {
        return Err(Code::InvalidToken.into());
    }
    let headers: [(HeaderName, HeaderValue); 3] = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // For nginx.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, stream::body(open, batches, user.expires_at)).into_response())
}
