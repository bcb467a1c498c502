//! Sign-in through an identity provider: OpenID Connect, authorization code flow with PKCE.
//!
//! The callback leads to the web app with a code instead of tokens, because URLs end up in histories and logs. The code is good once
//! and for a minute.

mod codes;
mod cookie;
mod http_client;
mod next;
mod provider;
mod routes;
mod sign_in;
pub mod state;

use std::sync::Arc;

use axum::extract::FromRef;
use utoipa_axum::{router::OpenApiRouter, routes};

pub use self::codes::remove_expired;
use self::state::OidcState;
use crate::{
    error::Code::{InvalidToken, NotFound, TooManyRequests, ValidationFailed},
    http::openapi::open,
};

pub fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<OidcState>: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(open(routes!(routes::start_oidc_sign_in), &[NotFound, TooManyRequests]))
        .routes(open(routes!(routes::finish_oidc_sign_in), &[NotFound, TooManyRequests]))
        .routes(open(routes!(routes::exchange_sign_in_code), &[ValidationFailed, InvalidToken]))
}
