//! Middleware that no library has: access log with request ids, the `Host` check, budgets for bodies.

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
use tracing::Instrument;
use uuid::Uuid;

use super::{
    body_budget::{BodyBudget, Reservation, metered},
    client_ip::ClientIp,
};
use crate::{error::ApiError, telemetry::spans::RequestSpan};

/// Maximum size in bytes of a response that is not counted. Connections are limited, and so are the small responses.
const SMALL_RESPONSE: u64 = 64 * 1024;

pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The user of a request, for the access log. The extractor of the handler sets it.
#[derive(Clone, Debug, Default)]
pub struct RequestUser(Arc<OnceLock<i64>>);

impl RequestUser {
    pub fn set(&self, id: i64) {
        // Fails when the extractor runs twice, for the same user.
        let _ = self.0.set(id);
    }
}

/// Writes the access log and the request metrics. Accepts the request id of the client if it is safe to log, else creates one,
/// and inserts [`ClientIp`] and [`RequestUser`] into the request.
pub async fn observe(State(trusted): State<Arc<[IpNet]>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let sane = |value: &&HeaderValue| {
        (1..=128).contains(&value.len()) && value.as_bytes().iter().all(|byte| (0x21..=0x7e).contains(byte))
    };
    let id = request.headers().get(X_REQUEST_ID).filter(sane).cloned().unwrap_or_else(|| {
        HeaderValue::from_str(&Uuid::new_v4().to_string()).unwrap_or_else(|_| HeaderValue::from_static("-"))
    });
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let id_text = id.to_str().unwrap_or_default();
    let trace = RequestSpan::start(known(&method), id_text, request.headers());
    let trace_id = trace.trace_id();
    let trace_id = trace_id.as_deref();
    let span = tracing::info_span!("request", id = id_text, %method, path, trace_id);
    request.headers_mut().insert(X_REQUEST_ID, id.clone());
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip());
    let (client_ip, user) = (ClientIp::behind(peer, request.headers(), &trusted), RequestUser::default());
    request.extensions_mut().insert(client_ip);
    request.extensions_mut().insert(user.clone());
    // The span of the log inside, because a task that goes on with the request takes the inner one along.
    let mut response = next.run(request).instrument(span).instrument(trace.span.clone()).await;

    let seconds = started.elapsed().as_secs_f64();
    let matched = response.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let route = matched.unwrap_or("unknown");
    let status = response.status();
    trace.complete(known(&method), matched, &path, status);
    let labels =
        [("method", known(&method).to_owned()), ("route", route.to_owned()), ("status", status.as_str().to_owned())];
    metrics::counter!("http_requests_total", &labels).increment(1);
    metrics::histogram!("http_request_duration_seconds", &labels[..2]).record(seconds);
    // Outside of the span, because the fields of a span are formatted again for each line in it.
    let (status, milliseconds) = (status.as_u16(), seconds * 1000.0);
    let user = user.0.get().copied();
    tracing::info!(id = id_text, trace_id, %method, path, route, status, milliseconds, user, address = %client_ip, "request completed");
    response.headers_mut().insert(X_REQUEST_ID, id);
    response
}

/// Label of a method. Clients may send any name, and each label takes memory.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// Passes the pattern of the matched route to [`observe`], which is outside of the router.
pub async fn name_route(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    if let Some(route) = route {
        response.extensions_mut().insert(route);
    }
    response
}

/// Rejects a request without exactly one valid `Host` (RFC 9112, 3.2), also one in HTTP/1.0 or with an absolute target.
pub async fn require_host(request: Request, next: Next) -> Response {
    let mut values = request.headers().get_all(header::HOST).iter();
    match (values.next(), values.next()) {
        (Some(host), None) if names_host(host) => next.run(request).await,
        _ => ApiError::bad_request(
            "Host 헤더가 하나 있어야 하고 호스트 이름이 있어야 합니다.",
            "There must be exactly one Host header, and it must name a host.",
        )
        .into_response(),
    }
}

/// Tells whether `value` is `host [":" port]`.
fn names_host(value: &HeaderValue) -> bool {
    let Ok(authority) = Authority::try_from(value.as_bytes()) else { return false };
    let (host, text) = (authority.host(), authority.as_str());
    let port = text.strip_prefix(host).and_then(|rest| if rest.is_empty() { Some("") } else { rest.strip_prefix(':') });
    !host.is_empty() && port.is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Puts the path prefix of `PUBLIC_URL` in front of a path in `Location`, because the proxy has stripped it from the request.
pub async fn prefix_location(State(prefix): State<Arc<str>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Some(location) = response.headers_mut().get_mut(header::LOCATION)
        && location.as_bytes().starts_with(b"/")
        && let Ok(prefixed) = HeaderValue::try_from([prefix.as_bytes(), location.as_bytes()].concat())
    {
        *location = prefixed;
    }
    response
}

/// Counts the body of a request towards `budget` while it arrives and until the response. When the budget is exhausted, reading
/// the body fails with an error that [`super::body_budget::is_exhausted`] recognizes.
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

/// Counts a large response towards `budget` until the client has read it. Without it clients that do not read could fill the
/// memory. For routes whose responses are in memory as a whole.
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
