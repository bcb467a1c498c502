//! The recorder of the metrics.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::error::ApiError;

/// Upper bounds of the buckets of all histograms, in seconds.
const BUCKETS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// Counters with their values of a label, if they have one. They begin at zero, because an increase from nothing is none.
const COUNTERS: &[(&str, &str, &[&str], &str)] = &[
    ("http_requests_shed_total", "", &[], "Requests rejected because too many were under way."),
    ("http_bodies_shed_total", "", &[], "Bodies rejected because all bodies together were too large."),
    ("http_connections_refused_total", "", &[], "Connections above the limit of their address."),
    ("postgres_pool_timeouts_total", "", &[], "Waits for a connection of the pool that were given up."),
    ("reaction_repairs_total", "", &[], "Snacks whose counts in Redis differed at a reconcile or a sweep."),
    ("deliveries_total", "outcome", &["delivered", "repeated", "failed"], "Attempts of deliveries."),
    ("trace_spans_total", "outcome", &["exported", "lost"], "Spans that were sent to the collector."),
];

const GAUGES: &[(&str, &str)] = &[
    ("http_connections", "Open connections."),
    ("live_streams", "Open streams of events."),
    ("user_cache_connected", "1 if changes of roles are received, 0 if each request asks Postgres."),
];

/// Texts of the other metrics, which have values when they are read or after the first event.
const TEXTS: &[(&str, &str)] = &[
    ("http_requests_total", "Responses."),
    ("http_request_duration_seconds", "Time until the response began."),
    ("background_task_failures_total", "Failures of background tasks."),
    ("reaction_flush_seconds", "Duration of a flush that found changes."),
    ("reaction_reconcile_seconds", "Duration of a reconcile."),
    ("postgres_up", "1 if Postgres answers and accepts writes."),
    ("postgres_pool_connections", "Open connections of the pool."),
    ("postgres_pool_connections_in_use", "Connections of the pool that are in use."),
    ("redis_up", "1 if Redis answers."),
    ("deliveries_pending", "Deliveries that have not ended."),
    ("deliveries_overdue_seconds", "Lateness of the delivery that has been due for longest."),
    ("process_resident_memory_bytes", "Resident memory in bytes."),
    ("process_cpu_seconds_total", "CPU time in seconds."),
    ("process_open_fds", "Open file descriptors."),
    ("process_max_fds", "Limit of open file descriptors."),
];

/// Registers the metrics that exist before the first event, and the texts of all.
fn describe() {
    for (name, label, values, text) in COUNTERS {
        metrics::describe_counter!(*name, *text);
        if values.is_empty() {
            metrics::counter!(*name).increment(0);
        }
        for value in *values {
            metrics::counter!(*name, *label => *value).increment(0);
        }
    }
    for (name, text) in GAUGES {
        metrics::describe_gauge!(*name, *text);
        metrics::gauge!(*name).increment(0.0);
    }
    for (name, text) in TEXTS {
        // The kind is that of the value.
        metrics::describe_gauge!(*name, *text);
    }
}

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
    if metrics::set_global_recorder(recorder).is_ok() {
        describe();
    }
    Ok(handle.clone())
}
