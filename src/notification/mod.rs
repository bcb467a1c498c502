//! Notifications of users: the inbox, preferences, and mails, also those with links.

pub mod account_mail;
pub mod letter;
pub mod mail;
pub mod routes;
pub mod store;
pub mod text;

use std::sync::Arc;

use axum::extract::FromRef;
use chrono_tz::Tz;
use sqlx::PgPool;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{auth::state::AuthState, error::Code::ValidationFailed, http::openapi::signed_in, outbox::Outbox};

pub fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    PgPool: FromRef<S>,
    Tz: FromRef<S>,
    Arc<AuthState>: FromRef<S>,
    Arc<Outbox>: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(signed_in(routes!(routes::list_notifications), &[]))
        .routes(signed_in(routes!(routes::count_unread_notifications), &[]))
        .routes(signed_in(routes!(routes::read_notifications), &[ValidationFailed]))
        .routes(signed_in(
            routes!(routes::get_notification_preferences, routes::change_notification_preferences),
            &[ValidationFailed],
        ))
}
