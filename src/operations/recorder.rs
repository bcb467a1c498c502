//! The recorder of the metrics.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::error::ApiError;

/// Upper bounds of the buckets of all histograms, in seconds.
const BUCKETS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// Installs the recorder of `metrics`. A process has one, even if tests start several servers in it.
///
/// # Errors
/// The buckets are invalid.
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
    // Fails when another thread was faster: then its recorder is in place.
    let _ = metrics::set_global_recorder(recorder);
    Ok(handle.clone())
}
