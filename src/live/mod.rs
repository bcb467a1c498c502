//! Events for open pages: what has changed, on this server or another one.
//!
//! A hub loads the state of what has changed once for all streams of this server and sends it to them. The state is read when it is
//! sent, so that the last event of a thing has its newest state, in whatever order changes arrive.

pub mod event;
pub mod hub;
pub mod open_streams;
pub mod routes;
pub mod state;
pub mod store;
pub mod stream;

use std::sync::Arc;

use axum::extract::FromRef;
use utoipa_axum::{router::OpenApiRouter, routes};

use self::state::LiveState;
use crate::{auth::state::AuthState, error::Code::TooManyRequests, http::openapi::signed_in};

pub fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<AuthState>: FromRef<S>,
    Arc<LiveState>: FromRef<S>,
{
    OpenApiRouter::new().routes(signed_in(routes!(routes::stream_events), &[TooManyRequests]))
}
