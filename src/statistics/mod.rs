//! Ordered quantities and costs by year, month, week and day in the time zone of the office. Amounts of different currencies are
//! never added, and canceled orders do not count unless requested.

pub mod csv;
pub mod daily_rollup;
pub mod routes;
pub mod store;

use std::sync::Arc;

use axum::extract::FromRef;
use chrono_tz::Tz;
use sqlx::PgPool;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{auth::state::AuthState, http::openapi::signed_in};

pub fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    PgPool: FromRef<S>,
    Tz: FromRef<S>,
    Arc<AuthState>: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(signed_in(routes!(routes::list_period_orders), &[]))
        .routes(signed_in(routes!(routes::list_period_snacks), &[]))
        .routes(signed_in(routes!(routes::summarize), &[]))
}
