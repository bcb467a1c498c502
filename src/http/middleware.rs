//! The layers around the router that no library has: request ids that are safe to log, changes that a client cannot cut off
//! half-way, and bounds on the bytes of bodies in memory.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, OnceLock},
    time::Instant,
};

use axum::{
    body::{Body, Bytes, HttpBody, to_bytes},
    extract::{ConnectInfo, MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};
use ipnet::IpNet;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tracing::Instrument;
use uuid::Uuid;

use super::{
    Address,
    body_budget::{BodyBudget, Reservation, metered},
};
use crate::{
    db::watchdog::Pulse,
    error::{ApiError, Code},
};

/// A response of at most so many bytes is not counted: the connections are bounded, and so are all of these together.
const SMALL_RESPONSE: u64 = 64 * 1024;

/// The header that names a request, in logs and answers.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The user who has signed in, for the request's access line, once the handler's extractor knows.
#[derive(Clone, Debug, Default)]
pub struct RequestUser(Arc<OnceLock<i64>>);

impl RequestUser {
    /// Notes the user's id.
    pub fn set(&self, id: i64) {
        // An extractor that runs twice finds the same user.
        let _ = self.0.set(id);
    }
}

/// Keeps the client's request id when it is sane and makes one otherwise, puts it into every log line and the answer, finds the
/// client's address behind the proxies that are trusted, and logs and counts the answer with its route's pattern, status, time,
/// user and address.
pub async fn observe(State(trusted): State<Arc<[IpNet]>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let sane = |value: &&HeaderValue| {
        (1..=128).contains(&value.len()) && value.as_bytes().iter().all(|byte| (0x21..=0x7e).contains(byte))
    };
    let id = request.headers().get(X_REQUEST_ID).filter(sane).cloned().unwrap_or_else(|| {
        HeaderValue::from_str(&Uuid::new_v4().to_string()).unwrap_or_else(|_| HeaderValue::from_static("-"))
    });
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let span = tracing::info_span!("request", id = id.to_str().unwrap_or_default(), %method, path);
    request.headers_mut().insert(X_REQUEST_ID, id.clone());
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip());
    let (address, user) = (Address::behind(peer, request.headers(), &trusted), RequestUser::default());
    request.extensions_mut().insert(address);
    request.extensions_mut().insert(user.clone());
    let mut response = next.run(request).instrument(span).await;

    let seconds = started.elapsed().as_secs_f64();
    let route = response.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str);
    let status = response.status();
    let labels =
        [("method", known(&method).to_owned()), ("route", route.to_owned()), ("status", status.as_str().to_owned())];
    metrics::counter!("http_requests_total", &labels).increment(1);
    metrics::histogram!("http_request_duration_seconds", &labels[..2]).record(seconds);
    // Outside of the span: what stands in a span is written anew for each line in it, and this line is every request's.
    let id_text = id.to_str().unwrap_or_default();
    let (status, milliseconds) = (status.as_u16(), seconds * 1000.0);
    let user = user.0.get().copied();
    tracing::info!(id = id_text, %method, path, route, status, milliseconds, user, %address, "answered");
    response.headers_mut().insert(X_REQUEST_ID, id);
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

/// Hands the matched route's pattern out to [`observe`], which stands outside the router.
pub async fn name_route(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    if let Some(route) = route {
        response.extensions_mut().insert(route);
    }
    response
}

/// Refuses a request without exactly one `Host` that names a host (RFC 9112, 3.2), also where the request target names one
/// itself, and in HTTP/1.0.
pub async fn require_host(request: Request, next: Next) -> Response {
    let mut values = request.headers().get_all(header::HOST).iter();
    match (values.next(), values.next()) {
        (Some(host), None) if names_host(host) => next.run(request).await,
        _ => ApiError::unreadable("there must be one Host header, and it must name a host").into_response(),
    }
}

/// `host [":" port]`, without the user that an authority may have.
fn names_host(value: &HeaderValue) -> bool {
    let Ok(authority) = Authority::try_from(value.as_bytes()) else { return false };
    let (host, text) = (authority.host(), authority.as_str());
    let port = text.strip_prefix(host).and_then(|rest| if rest.is_empty() { Some("") } else { rest.strip_prefix(':') });
    !host.is_empty() && port.is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// What [`admit`] needs.
pub struct Gate {
    /// One for each request that may be under way.
    pub places: Semaphore,
    /// Work that the stop of the server waits for.
    pub tasks: TaskTracker,
    /// Whether Postgres answers.
    pub pulse: Arc<Pulse>,
}

/// Lets requests in and sees them through.
///
/// - What is more than the server can carry is refused, early and cheaply; whoever looks after the server is let in all the
///   same.
/// - Whatever may change something runs as a task of its own, which the stop of the server waits for: a client that hangs up
///   cannot cancel it half-way, nor leave a connection of the pool inside a transaction. A panic is a 500 for this caller.
/// - What waits for a Postgres that does not answer is ended. The client learns, as ever with a 503, that it does not know what
///   has become of its request.
pub async fn admit(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_served = path.starts_with("/health/") || path.starts_with("/metrics");
    let place = gate.places.try_acquire();
    if place.is_err() && !is_served {
        metrics::counter!("http_requests_shed_total").increment(1);
        return ApiError::from(Code::Unavailable).into_response();
    }
    let is_safe = request.method().is_safe();
    let pulse = Arc::clone(&gate.pulse);
    let work = async move {
        let answer = pulse.guard(next.run(request)).await;
        answer.unwrap_or_else(|| ApiError::from(Code::Unavailable).into_response())
    };
    if is_safe {
        return work.await;
    }
    let task = gate.tasks.spawn(work.in_current_span());
    task.await.unwrap_or_else(|failure| ApiError::internal(failure).into_response())
}

/// Counts the bytes of a request's body while it arrives, and until the request is answered. A body for which there is no room
/// is not read further: the handler meets an error that [`super::body_budget::is_exhausted`] tells from others.
pub async fn count_request_bytes(State(budget): State<BodyBudget>, request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    match budget.try_reserve(0) {
        Ok(reservation) => {
            let reservation = Arc::new(reservation);
            let counted = Arc::clone(&reservation);
            let response = next.run(request.map(|body| metered(body, counted))).await;
            drop(reservation);
            response
        }
        Err(error) => error.into_response(),
    }
}

/// Counts the bytes of a large response until they have been handed to the system: a client that does not read would otherwise
/// have the server keep as many as it has connections. Meant for routes whose responses are in memory as a whole.
pub async fn count_response_bytes(State(budget): State<BodyBudget>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let Some(size) = response.body().size_hint().exact().filter(|size| *size > SMALL_RESPONSE) else {
        return response;
    };
    let reserve = || {
        let size = usize::try_from(size).map_err(ApiError::internal)?;
        Ok::<_, ApiError>((size, budget.try_reserve(size)?))
    };
    let (size, reservation) = match reserve() {
        Ok(reserved) => reserved,
        Err(error) => return error.into_response(),
    };
    let (parts, body) = response.into_parts();
    match to_bytes(body, size).await {
        Ok(bytes) => Response::from_parts(
            parts,
            Body::from(Bytes::from_owner(CountedBytes { bytes, _reservation: reservation })),
        ),
        Err(error) => ApiError::internal(error).into_response(),
    }
}

struct CountedBytes {
    bytes: Bytes,
    _reservation: Reservation,
}

impl AsRef<[u8]> for CountedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
