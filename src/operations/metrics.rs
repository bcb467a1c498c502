//! The endpoint of the metrics.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::state::OperationsState;
use crate::http::openapi::OPERATIONS;

/// Metrics in the text format of Prometheus.
///
/// `METRICS_ADDR` moves them to an address of their own.
#[utoipa::path(get, path = "/metrics", tag = OPERATIONS, responses((status = 200, body = String, content_type = "text/plain")))]
pub async fn show_metrics(State(operations): State<Arc<OperationsState>>) -> Response {
    operations.gauges.read(&operations.db, &operations.counters).await;
    let text = operations.metrics.render();
    (StatusCode::OK, [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
