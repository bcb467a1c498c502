//! Channels of the company: Slack and webhooks that get events.
//!
//! The outbox writes a delivery for each channel in the transaction of the event. Every server sends the due ones.

pub mod client;
pub mod guard;
pub mod masked_url;
pub mod message;
pub mod resolver;
pub mod routes;
pub mod rules;
pub mod sender;
pub mod slack;
pub mod state;
pub mod store;

use std::sync::Arc;

use axum::extract::FromRef;
use sqlx::PgPool;
use utoipa_axum::{router::OpenApiRouter, routes};

use self::state::ChannelState;
use crate::{
    auth::state::AuthState,
    error::Code::{TooManyChannels, ValidationFailed},
    http::openapi::admin,
};

pub fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    PgPool: FromRef<S>,
    Arc<AuthState>: FromRef<S>,
    Arc<ChannelState>: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(admin(routes!(routes::list_channels), &[]))
        .routes(admin(routes!(routes::create_channel), &[ValidationFailed, TooManyChannels]))
        .routes(admin(routes!(routes::change_channel), &[ValidationFailed]))
        .routes(admin(routes!(routes::delete_channel), &[]))
        .routes(admin(routes!(routes::test_channel), &[]))
        .routes(admin(routes!(routes::list_deliveries), &[]))
        .routes(admin(routes!(routes::retry_delivery), &[]))
}
