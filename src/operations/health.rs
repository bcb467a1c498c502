//! Health checks.

use std::{sync::Arc, time::Duration};

use axum::extract::State;
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::state::OperationsState;
use crate::{
    db::watchdog,
    error::{ApiError, Code},
    http::{body::Json, openapi::OPERATIONS},
};

/// Time limit of the query to Postgres.
const POSTGRES_TIMEOUT: Duration = Duration::from_secs(2);

/// Liveness of the process.
#[derive(Serialize, ToSchema)]
pub struct Live {
    #[schema(example = "live")]
    status: &'static str,
}

/// Reports that the process runs.
#[utoipa::path(get, path = "/health/live", tag = OPERATIONS, responses((status = 200, body = Live)))]
pub async fn is_live() -> Json<Live> {
    Json(Live { status: "live" })
}

/// Readiness of the server and of what it depends on.
#[derive(Serialize, ToSchema)]
pub struct Ready {
    #[schema(example = "ready")]
    status: &'static str,
    /// `up`. Without Postgres the response is a 503.
    #[schema(example = "up")]
    postgres: &'static str,
    /// `up` or `down`. Without Redis the server works, but slower.
    #[schema(example = "up")]
    redis: &'static str,
}

/// Reports that the server can handle requests.
///
/// A 503 when Postgres is out of reach or read-only, and when the server is stopping. Redis is not required.
#[utoipa::path(get, path = "/health/ready", tag = OPERATIONS, responses((status = 200, body = Ready)))]
pub async fn is_ready(State(operations): State<Arc<OperationsState>>) -> Result<Json<Ready>, ApiError> {
    if operations.stop.is_cancelled() {
        return Err(Code::Unavailable.into());
    }
    let is_read_only = sqlx::query_scalar!(r#"SELECT current_setting('transaction_read_only')::bool AS "read_only!""#);
    let (postgres, redis) = tokio::join!(
        timeout(POSTGRES_TIMEOUT, is_read_only.fetch_one(&operations.db)),
        operations.counters.is_reachable()
    );
    if postgres.map_err(ApiError::unavailable)?? {
        // The pool must drop this connection when the database is writable again.
        watchdog::suspect_connections();
        return Err(ApiError::unavailable("Postgres is read-only"));
    }
    Ok(Json(Ready { status: "ready", postgres: "up", redis: if redis { "up" } else { "down" } }))
}
