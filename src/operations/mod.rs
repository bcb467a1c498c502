//! Endpoints and commands for operators, and the cleanup task.

pub mod audit_log;
pub mod backup;
pub mod cleanup;
pub mod erasure;
pub mod gauges;
pub mod health;
pub mod metrics;
pub mod recorder;
pub mod state;

use std::sync::Arc;

use axum::extract::FromRef;
use chrono_tz::Tz;
use sqlx::PgPool;
use utoipa_axum::{router::OpenApiRouter, routes};

use self::state::OperationsState;
use crate::{
    auth::state::AuthState,
    error::Code,
    http::openapi::{admin, open},
};

pub fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    PgPool: FromRef<S>,
    Tz: FromRef<S>,
    Arc<AuthState>: FromRef<S>,
    Arc<OperationsState>: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(open(routes!(health::is_live), &[]))
        .routes(open(routes!(health::is_ready), &[Code::Unavailable]))
        .routes(admin(routes!(audit_log::list_audit), &[]))
}

/// The metrics, which may have an address of their own.
pub fn metrics_router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<OperationsState>: FromRef<S>,
{
    OpenApiRouter::new().routes(open(routes!(metrics::show_metrics), &[]))
}
