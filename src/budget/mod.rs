//! Budgets: how much may be ordered in a month and currency.
//!
//! An order is committed from its approval on, to the month of its approval, until it is canceled. What is committed is always summed up
//! from the orders; only the limits are stored.

pub mod alert;
pub mod commitment;
pub mod limit;
pub mod routes;
pub mod store;

use std::sync::Arc;

use axum::extract::FromRef;
use chrono_tz::Tz;
use sqlx::PgPool;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    auth::state::AuthState,
    error::Code::ValidationFailed,
    http::openapi::{admin, signed_in},
    outbox::Outbox,
};

pub fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    PgPool: FromRef<S>,
    Tz: FromRef<S>,
    Arc<AuthState>: FromRef<S>,
    Arc<Outbox>: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(signed_in(routes!(routes::list_budgets), &[]))
        .routes(admin(routes!(routes::set_budget), &[ValidationFailed]))
}
