//! The layers around the router that no library has: request ids that are safe to log, and changes that a client cannot
//! cut off half-way.

use std::sync::Arc;

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tracing::Instrument;
use uuid::Uuid;

use crate::error::{ApiError, Code};

/// The header that names a request, in logs and answers.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Keeps the client's request id when it is sane, makes one otherwise, and puts it into every log line and the answer.
pub async fn identify(mut request: Request, next: Next) -> Response {
    let sane = |value: &&HeaderValue| {
        (1..=128).contains(&value.len()) && value.as_bytes().iter().all(|byte| (0x21..=0x7e).contains(byte))
    };
    let id = request.headers().get(X_REQUEST_ID).filter(sane).cloned().unwrap_or_else(|| {
        HeaderValue::from_str(&Uuid::new_v4().to_string()).unwrap_or_else(|_| HeaderValue::from_static("-"))
    });
    let span = tracing::info_span!(
        "request",
        id = id.to_str().unwrap_or_default(),
        method = %request.method(),
        path = request.uri().path(),
    );
    request.headers_mut().insert(X_REQUEST_ID, id.clone());
    let mut response = next.run(request).instrument(span).await;
    response.headers_mut().insert(X_REQUEST_ID, id);
    response
}

/// Logs and counts every answer with its route's pattern, status and time.
pub async fn measure(request: Request, next: Next) -> Response {
    let started = std::time::Instant::now();
    let method = request.method().clone();
    let response = next.run(request).await;
    let seconds = started.elapsed().as_secs_f64();
    let route = response.extensions().get::<Route>().map_or_else(|| "unknown".to_owned(), |route| route.0.clone());
    let status = response.status().as_u16();
    let labels = [("method", known(&method).to_owned()), ("route", route.clone()), ("status", status.to_string())];
    metrics::counter!("http_requests_total", &labels).increment(1);
    metrics::histogram!("http_request_duration_seconds", &labels[..2]).record(seconds);
    tracing::info!(route, status, milliseconds = seconds * 1000.0, "answered");
    response
}

/// The methods that get a label of their own; a client may invent others without end.
fn known(method: &Method) -> &str {
    match *method {
        Method::GET | Method::HEAD | Method::POST | Method::PUT | Method::PATCH | Method::DELETE | Method::OPTIONS => {
            method.as_str()
        }
        _ => "other",
    }
}

#[derive(Clone)]
struct Route(String);

/// Hands the matched route's pattern out to [`measure`], which stands outside the router.
pub async fn name_route(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|path| Route(path.as_str().to_owned()));
    let mut response = next.run(request).await;
    if let Some(route) = route {
        response.extensions_mut().insert(route);
    }
    response
}

/// Runs whatever may change something as a task of its own, which the stop of the server waits for: a client that hangs up
/// cannot cancel it half-way, nor leave a connection of the pool inside a transaction. A panic is a 500 for this caller.
pub async fn detach(State(tasks): State<TaskTracker>, request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let work = tasks.spawn(next.run(request).in_current_span());
    work.await.unwrap_or_else(|failure| ApiError::internal(failure).into_response())
}

/// Refuses what is more than the server can carry, early and cheaply. Whoever looks after the server is let in all the same.
pub async fn shed(State(places): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    if request.uri().path().starts_with("/health/") || request.uri().path().starts_with("/metrics") {
        return next.run(request).await;
    }
    let Ok(_place) = places.try_acquire() else {
        metrics::counter!("http_requests_shed_total").increment(1);
        return ApiError::from(Code::Unavailable).into_response();
    };
    next.run(request).await
}
