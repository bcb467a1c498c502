//! What operators look at, and what has to be cleaned up.

use std::{sync::OnceLock, time::Duration};

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::Utc;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    app::state::AppState,
    audit::log::{self, Action, AuditEntry, Filter},
    auth::{self, Admin},
    db::watchdog,
    domain::period::PeriodQuery,
    error::{ApiError, Code},
    http::{
        Json, Page, PageQuery, Query, Sorted,
        openapi::{OPERATIONS, admin, open},
    },
    order::idempotency,
    snack::sweep,
};

/// Upper bounds of the histogram of answer times, in seconds.
const BUCKETS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
/// How long Postgres may take to prove that it is there.
const PATIENCE: Duration = Duration::from_secs(2);
/// Names the lock that elects who cleans; any number that nothing else uses.
pub const CLEANING_LOCK: i64 = 0x0063_6c65_616e;
const CLEANING_INTERVAL: Duration = Duration::from_hours(1);

/// Every route of operations.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(open(routes!(is_live), &[]))
        .routes(open(routes!(is_ready), &[Code::Unavailable]))
        .routes(open(routes!(show_metrics), &[]))
        .routes(admin(routes!(list_audit), &[]))
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

/// Whether the server can work: Postgres is needed and has to take writes, Redis is not needed. A 503 as well once the server
/// has been told to stop.
#[utoipa::path(get, path = "/health/ready", tag = OPERATIONS, responses((status = 200, body = Ready)))]
pub async fn is_ready(State(state): State<AppState>) -> Result<Json<Ready>, ApiError> {
    if state.stop.is_cancelled() {
        return Err(Code::Unavailable.into());
    }
    let is_read_only = sqlx::query_scalar!(r#"SELECT current_setting('transaction_read_only')::bool AS "read_only!""#);
    let (postgres, redis) =
        tokio::join!(timeout(PATIENCE, is_read_only.fetch_one(&state.db)), state.counters.is_reachable());
    if postgres.map_err(ApiError::unavailable)?? {
        // The pool has to part with this connection once the database takes writes again.
        watchdog::suspect_connections();
        return Err(ApiError::unavailable("Postgres is read-only"));
    }
    Ok(Json(Ready { status: "ready", postgres: "up", redis: if redis { "up" } else { "down" } }))
}

/// Metrics in the text format of Prometheus.
#[utoipa::path(get, path = "/metrics", tag = OPERATIONS, responses((status = 200, body = String, content_type = "text/plain")))]
pub async fn show_metrics(State(state): State<AppState>) -> Response {
    metrics::gauge!("postgres_pool_connections").set(f64::from(state.db.size()));
    let text = state.metrics.render();
    (StatusCode::OK, [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// Which entries of the audit log.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// A user's id.
    actor: Option<i64>,
    action: Option<Action>,
}

/// The audit log, newest first.
#[utoipa::path(get, path = "/audit", tag = OPERATIONS, params(AuditQuery, PeriodQuery, PageQuery),
    responses((status = 200, body = Page<AuditEntry>)))]
pub async fn list_audit(
    State(state): State<AppState>,
    _: Admin,
    Query(query): Query<AuditQuery>,
    Query(period): Query<PeriodQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<AuditEntry>>, ApiError> {
    let (from, until) = period.range()?.instants(state.config.timezone);
    let sorted = Sorted::new(log::ORDERINGS, "-at", None, &page)?;
    let filter = Filter { actor: query.actor, action: query.action, from, until };
    log::list(&state.db, &filter, &sorted).await.map(Json)
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

/// Removes what has expired, now and then, until `stop`.
pub async fn clean(state: AppState, stop: CancellationToken) {
    let mut ticks = interval(CLEANING_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        state.metrics.run_upkeep();
        match remove_expired(&state.db).await {
            // Apart from the removal's transaction: listing a store takes long.
            Ok(true) => {
                if let Err(error) = sweep::remove_unnamed(&state.db, &state.media, Utc::now()).await {
                    tracing::warn!(%error, "pictures that no snack has were not removed; the next round tries again");
                }
            }
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "what has expired was not removed; the next round tries again"),
        }
    }
}

/// Removes refresh tokens and idempotency keys that have expired, unless another server is at it. Returns whether this
/// server was elected.
///
/// # Errors
/// Postgres out of reach.
pub async fn remove_expired(db: &PgPool) -> Result<bool, ApiError> {
    let mut tx = db.begin().await?;
    let elected = sqlx::query_scalar!(r#"SELECT pg_try_advisory_xact_lock($1) AS "elected!""#, CLEANING_LOCK);
    let is_elected = elected.fetch_one(&mut *tx).await?;
    if is_elected {
        let sign_ins = auth::sessions::remove_expired(&mut *tx).await?;
        let keys = idempotency::remove_expired(&mut *tx).await?;
        tx.commit().await?;
        tracing::debug!(sign_ins, keys, "removed what has expired");
    }
    Ok(is_elected)
}
