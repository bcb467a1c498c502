//! Admission of requests: load shedding, and the task that outlives a client which disconnects.

use std::sync::Arc;

use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use opentelemetry::context::FutureExt;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::{
    db::watchdog::DbWatchdog,
    error::{ApiError, Code},
    telemetry::spans,
};

/// Maximum number of requests in progress. Further ones get a 503, so that these do not all become slow.
const MAX_REQUESTS: usize = 2048;

pub struct Admission {
    /// One permit for each request in progress.
    permits: Semaphore,
    /// Tasks that the shutdown waits for.
    tasks: TaskTracker,
    watchdog: Arc<DbWatchdog>,
}

impl Admission {
    pub fn new(tasks: TaskTracker, watchdog: Arc<DbWatchdog>) -> Self {
        Self { permits: Semaphore::new(MAX_REQUESTS), tasks, watchdog }
    }

    /// Lets `handle` respond to `request`.
    ///
    /// - A request beyond [`MAX_REQUESTS`] gets a 503 at once; health checks and metrics are exempt.
    /// - A request that may change something runs in a task of its own, which the shutdown waits for. A client that disconnects
    ///   cannot cancel it half-way, nor leave a pooled connection inside a transaction. A panic is a 500 of this request only.
    /// - A request that waits for a Postgres which does not answer gets a 503. As with every 503, the client does not know whether
    ///   the change was made.
    pub async fn run<F>(&self, request: Request, handle: impl FnOnce(Request) -> F) -> Response
    where
        F: Future<Output = Response> + Send + 'static,
    {
        let path = request.uri().path();
        let is_exempt = path.starts_with("/health/") || path.starts_with("/metrics");
        let permit = self.permits.try_acquire();
        if permit.is_err() && !is_exempt {
            metrics::counter!("http_requests_shed_total").increment(1);
            return ApiError::from(Code::Unavailable).into_response();
        }
        let is_safe = request.method().is_safe();
        let handling = handle(request);
        let watchdog = Arc::clone(&self.watchdog);
        let work = async move {
            let response = watchdog.guard(async { Ok(handling.await) }).await;
            response.unwrap_or_else(IntoResponse::into_response)
        };
        if is_safe {
            return work.await;
        }
        let work = work.in_current_span();
        let task = match spans::current() {
            Some(trace) => self.tasks.spawn(work.with_context(trace)),
            None => self.tasks.spawn(work),
        };
        task.await.unwrap_or_else(|error| ApiError::internal(error).into_response())
    }
}
