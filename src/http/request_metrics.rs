//! Metrics of requests.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
    time::Duration,
};

use axum::http::StatusCode;
use metrics::{Counter, Histogram};

/// Counts responses and measures their time. Keeps the handles, because the recorder would build and look up the labels each time. There
/// are as many as combinations of labels.
#[derive(Default)]
pub struct RequestMetrics(RwLock<HashMap<String, HandlesOfRoute>>);

/// Handles by method and status.
type HandlesOfRoute = HashMap<(&'static str, u16), Handles>;

#[derive(Clone)]
struct Handles {
    requests: Counter,
    duration: Histogram,
}

impl RequestMetrics {
    /// `route` is a pattern and `method` one of a few names: clients may send any, and each label takes memory.
    pub fn record(&self, method: &'static str, route: &str, status: StatusCode, duration: Duration) {
        let key = (method, status.as_u16());
        let found = {
            let routes = self.0.read().unwrap_or_else(PoisonError::into_inner);
            routes.get(route).and_then(|handles| handles.get(&key)).cloned()
        };
        let handles = found.unwrap_or_else(|| {
            let labels =
                [("method", method.to_owned()), ("route", route.to_owned()), ("status", status.as_str().to_owned())];
            let handles = Handles {
                requests: metrics::counter!("http_requests_total", &labels),
                duration: metrics::histogram!("http_request_duration_seconds", &labels[..2]),
            };
            let mut routes = self.0.write().unwrap_or_else(PoisonError::into_inner);
            routes.entry(route.to_owned()).or_default().entry(key).or_insert(handles).clone()
        });
        handles.requests.increment(1);
        handles.duration.record(duration.as_secs_f64());
    }
}
