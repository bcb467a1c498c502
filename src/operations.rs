//! What operators look at, and what has to be cleaned up.

use std::{sync::OnceLock, time::Duration};

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    auth,
    error::{ApiError, Code},
    http::Json,
    openapi::{OPERATIONS, open},
    order::idempotency,
    state::AppState,
};

/// Upper bounds of the histogram of answer times, in seconds.
const BUCKETS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
/// How long Postgres may take to prove that it is there.
const PATIENCE: Duration = Duration::from_secs(2);
const CLEANING_INTERVAL: Duration = Duration::from_secs(3600);

/// Every route of operations.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(open(routes!(is_live), &[]))
        .routes(open(routes!(is_ready), &[Code::Unavailable]))
        .routes(open(routes!(show_metrics), &[]))
}

/// That the process runs.
#[derive(Serialize, ToSchema)]
pub struct Live {
    #[schema(example = "live")]
    status: &'static str,
}

/// Whether the process runs.
#[utoipa::path(get, path = "/health/live", tag = OPERATIONS, responses((status = 200, body = Live)))]
pub async fn is_live() -> Json<Live> {
    Json(Live { status: "live" })
}

/// Whether the server can work.
#[derive(Serialize, ToSchema)]
pub struct Ready {
    #[schema(example = "ready")]
    status: &'static str,
    /// `up`; without Postgres the answer is a 503.
    #[schema(example = "up")]
    postgres: &'static str,
    /// `up` or `down`; without Redis the server works, only slower.
    #[schema(example = "up")]
    redis: &'static str,
}

/// Whether the server can work: Postgres is needed, Redis is not. Red as well once the server has been told to stop.
#[utoipa::path(get, path = "/health/ready", tag = OPERATIONS, responses((status = 200, body = Ready)))]
pub async fn is_ready(State(state): State<AppState>) -> Result<Json<Ready>, ApiError> {
    if state.stop.is_cancelled() {
        return Err(Code::Unavailable.into());
    }
    let ping = sqlx::query("SELECT 1").execute(&state.db);
    let (postgres, redis) = tokio::join!(timeout(PATIENCE, ping), state.counters.is_reachable());
    postgres.map_err(ApiError::unavailable)??;
    Ok(Json(Ready {
        status: "ready",
        postgres: "up",
        redis: if redis { "up" } else { "down" },
    }))
}

/// Metrics in the text format of Prometheus.
#[utoipa::path(get, path = "/metrics", tag = OPERATIONS, responses((status = 200, body = String, content_type = "text/plain")))]
pub async fn show_metrics(State(state): State<AppState>) -> Response {
    metrics::gauge!("postgres_pool_connections").set(f64::from(state.db.size()));
    let text = state.metrics.render();
    (
        StatusCode::OK,
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        text,
    )
        .into_response()
}

/// The recorder behind `metrics`; there is one in a process, however many servers a test starts in it.
///
/// # Errors
/// When something else has installed a recorder.
pub fn recorder() -> Result<PrometheusHandle, ApiError> {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    if let Some(handle) = RECORDER.get() {
        return Ok(handle.clone());
    }
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), BUCKETS)
        .map_err(ApiError::internal)?
        .build_recorder();
    let handle = RECORDER.get_or_init(|| recorder.handle());
    // Of two servers that start at once the second's recorder is refused, and with it goes nothing.
    let _ = metrics::set_global_recorder(recorder);
    Ok(handle.clone())
}

/// Removes what has expired, now and then, until `stop`. Several servers may do so at once.
pub async fn clean(state: AppState, stop: CancellationToken) {
    let mut ticks = interval(CLEANING_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        state.metrics.run_upkeep();
        let sign_ins = auth::store::remove_expired(&state.db).await;
        let keys = idempotency::remove_expired(&state.db).await;
        match sign_ins.and_then(|sign_ins| Ok((sign_ins, keys?))) {
            Ok((sign_ins, keys)) => tracing::debug!(sign_ins, keys, "removed what has expired"),
            Err(error) => tracing::warn!(%error, "what has expired was not removed; the next round tries again"),
        }
    }
}
