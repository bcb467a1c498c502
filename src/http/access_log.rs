//! The access log, with an id for each request.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, Method},
    response::Response,
};
use ipnet::IpNet;
use tracing::Span;
use uuid::Uuid;

use super::{client_ip::ClientIp, request_info::RequestInfo};
use crate::telemetry::spans::RequestSpan;

pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Entry of the access log, from the arrival of a request to its response.
pub struct AccessLogEntry {
    started: Instant,
    id: HeaderValue,
    method: Method,
    path: String,
    trace: RequestSpan,
    trace_id: Option<String>,
    info: RequestInfo,
}

impl AccessLogEntry {
    /// Accepts the request id of the client if it is safe to log, else creates one, and inserts [`RequestInfo`] into the request.
    pub fn start(request: &mut Request, peer: IpAddr, trusted_proxies: &[IpNet]) -> Self {
        let started = Instant::now();
        let is_safe = |value: &&HeaderValue| {
            (1..=128).contains(&value.len()) && value.as_bytes().iter().all(|byte| (0x21..=0x7e).contains(byte))
        };
        let id = request.headers().get(X_REQUEST_ID).filter(is_safe).cloned().unwrap_or_else(|| {
            let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
            let text = Uuid::new_v4().hyphenated().encode_lower(&mut text);
            HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("-"))
        });
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let trace = RequestSpan::start(known(&method), id.to_str().unwrap_or_default(), request.headers());
        let trace_id = trace.trace_id();
        let info = RequestInfo::new(ClientIp::behind(peer, request.headers(), trusted_proxies));
        request.extensions_mut().insert(info.clone());
        Self { started, id, method, path, trace, trace_id, info }
    }

    /// Span of the log for the work of the request, and that of its trace. The span of the log has only ids, because its fields are
    /// formatted for each request, although few write a line.
    pub fn spans(&self) -> (Span, Span) {
        (tracing::info_span!("request", id = self.id(), trace_id = self.trace_id.as_deref()), self.trace.span.clone())
    }

    fn id(&self) -> &str {
        self.id.to_str().unwrap_or_default()
    }

    pub fn info(&self) -> &RequestInfo {
        &self.info
    }

    /// Name of the method for metrics.
    pub fn known_method(&self) -> &'static str {
        known(&self.method)
    }

    /// Writes the entry and adds the request id to the response. Returns the time that the response took.
    pub fn complete(self, response: &mut Response) -> Duration {
        let duration = self.started.elapsed();
        let status = response.status();
        self.trace.complete(self.known_method(), self.info.route(), &self.path, status);
        let (id, trace_id, method, path) = (self.id(), self.trace_id.as_deref(), &self.method, &self.path);
        let (route, status, user) = (self.info.route().unwrap_or("unknown"), status.as_u16(), self.info.user());
        let (milliseconds, address) = (duration.as_secs_f64() * 1000.0, self.info.client_ip());
        // Outside of the span, because the fields of a span are formatted again for each line in it.
        tracing::info!(id, trace_id, %method, path, route, status, milliseconds, user, %address, "request completed");
        response.headers_mut().insert(X_REQUEST_ID, self.id);
        duration
    }
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
