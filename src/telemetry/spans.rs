//! Spans of traces. They are the only ones, so that everything in a trace is written here. None has anything personal: no name, email,
//! address, token, query string or body.
//!
//! The parent of a span is the current context of OpenTelemetry, which the layer sets while a span is entered. A task that goes on with
//! the work of another one takes [`current`] along.

use std::borrow::Cow;

use axum::http::{HeaderMap, StatusCode};
use opentelemetry::{
    Context, KeyValue,
    propagation::{Extractor, TextMapPropagator},
    trace::{Status, TraceContextExt},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use uuid::Uuid;

/// Target of the spans. The log leaves it out.
pub const TARGET: &str = "snack_server::trace";

/// Maximum length of a path, and of a part of one, in bytes. Tokens are longer than ids.
const MAX_PATH: usize = 256;
const MAX_SEGMENT: usize = 64;
/// Maximum number of links of a span. More would be dropped.
const MAX_LINKS: usize = 128;

/// The current context, if it is that of a span which is recorded.
pub fn current() -> Option<Context> {
    Context::map_current(|context| is_recorded(context).then(|| context.clone()))
}

pub(super) fn is_recorded(context: &Context) -> bool {
    context.has_active_span() && context.span().span_context().is_sampled()
}

/// Span of a request.
pub struct RequestSpan {
    /// To be entered by the work of the request.
    pub span: Span,
    /// None without traces.
    context: Option<Context>,
}

impl RequestSpan {
    /// Starts the span as a child of the span that `traceparent` names. `tracestate` is ignored: nothing here needs it, and each span
    /// would carry a text of the client.
    pub fn start(method: &'static str, request_id: &str, headers: &HeaderMap) -> Self {
        let span =
            tracing::info_span!(target: TARGET, parent: None, "request", otel.name = method, otel.kind = "server");
        if span.is_disabled() {
            return Self { span, context: None };
        }
        // Cannot fail for a span that has not started.
        let _ = span.set_parent(TraceContextPropagator::new().extract(&TraceParent(headers)));
        let context = span.context();
        let method = if method == "other" { "_OTHER" } else { method };
        context.span().set_attribute(KeyValue::new("http.request.method", method));
        context.span().set_attribute(KeyValue::new("request.id", request_id.to_owned()));
        Self { span, context: Some(context) }
    }

    /// Id of the trace, for the log.
    pub fn trace_id(&self) -> Option<String> {
        self.context.as_ref().map(|context| context.span().span_context().trace_id().to_string())
    }

    /// Completes the span with the response. It has the path only if there is such a route and the path may consist of ids, because
    /// clients type anything into paths.
    pub fn complete(&self, method: &str, route: Option<&str>, path: &str, status: StatusCode) {
        let Some(context) = &self.context else { return };
        let span = context.span();
        if let Some(route) = route {
            span.update_name(format!("{method} {route}"));
            span.set_attribute(KeyValue::new("http.route", route.to_owned()));
            if has_only_ids(path) {
                span.set_attribute(KeyValue::new("url.path", path.to_owned()));
            }
        }
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
        if status.is_server_error() {
            span.set_status(Status::error(Cow::Borrowed("")));
        }
    }
}

/// Tells whether the parts of a path may be ids. Emails have an `@`, names that are not ASCII a `%`, and tokens are long.
fn has_only_ids(path: &str) -> bool {
    let is_id = |part: &str| {
        part.len() <= MAX_SEGMENT && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    path.len() <= MAX_PATH && path.split('/').all(is_id)
}

/// The header `traceparent`.
struct TraceParent<'a>(&'a HeaderMap);

impl Extractor for TraceParent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).filter(|_| key == "traceparent")?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}

/// Span of a Redis command within the current trace. Disabled outside of one.
pub fn redis(command: &'static str) -> Span {
    if !Context::map_current(is_recorded) {
        return Span::none();
    }
    tracing::info_span!(
        target: TARGET,
        "redis",
        otel.name = command,
        otel.kind = "client",
        db.system.name = "redis",
        db.operation.name = command,
    )
}

/// Marks `span` as failed.
pub fn fail(span: &Span) {
    span.set_status(Status::error(Cow::Borrowed("")));
}

/// Span of a batch: a child of the first request, with links from and to the others. `requests` are their contexts, without those that
/// are not recorded. `size` is the number of all.
pub fn batch<'a>(mut requests: impl Iterator<Item = &'a Context>, size: usize) -> Span {
    let Some(first) = requests.next() else { return Span::none() };
    let span = tracing::info_span!(target: TARGET, parent: None, "batch", db.operation.batch.size = size);
    let _ = span.set_parent(first.clone());
    let context = span.context();
    for other in requests.take(MAX_LINKS) {
        context.span().add_link(other.span().span_context().clone(), Vec::new());
        other.span().add_link(context.span().span_context().clone(), Vec::new());
    }
    span
}

/// Span of an attempt to send a delivery: the first of a trace of its own.
pub fn delivery(kind: &'static str, uid: Uuid, receiver: i64, attempt: i32) -> Span {
    tracing::info_span!(
        target: TARGET,
        parent: None,
        "delivery",
        otel.name = format!("deliver {kind}"),
        otel.kind = "client",
        delivery.kind = kind,
        delivery.uid = %uid,
        delivery.receiver = receiver,
        delivery.attempt = attempt,
    )
}

/// Completes the span of a delivery.
pub fn complete_delivery(span: &Span, outcome: &'static str, response_status: Option<i32>) {
    span.set_attribute("delivery.outcome", outcome);
    if let Some(status) = response_status {
        span.set_attribute("http.response.status_code", i64::from(status));
    }
    if outcome != "delivered" {
        fail(span);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_an_email_a_name_or_a_token_are_no_paths_of_ids() {
        for path in ["/", "/snacks/", "/orders/7c9e6679-7425-40de-944b-e07fc1f90ae7/status", "/media/0191e3a0_1.webp"] {
            assert!(has_only_ids(path), "{path}");
        }
        let token = format!("/snacks/{}", "a".repeat(MAX_SEGMENT + 1));
        let long = "/a".repeat(MAX_PATH / 2 + 1);
        for path in ["/users/kim@office.example", "/users/kim%40office.example", "/%EA%B9%80", &token, &long] {
            assert!(!has_only_ids(path), "{path}");
        }
    }

    #[test]
    fn only_a_traceparent_is_taken_over() {
        let extract = |headers: &[(&'static str, &str)]| {
            let pairs =
                headers.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")));
            let headers: HeaderMap = pairs.collect();
            let context = TraceContextPropagator::new().extract(&TraceParent(&headers));
            let found = context.span().span_context().clone();
            found.is_valid().then(|| (found.trace_id().to_string(), found.is_sampled(), found.trace_state().header()))
        };
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        let valid = format!("00-{id}-00f067aa0ba902b7-01");
        let tracestate = ("tracestate", "vendor=kim@office.example");
        assert_eq!(extract(&[("traceparent", &valid), tracestate]), Some((id.to_owned(), true, String::new())));
        let nonsense = ["", "-", "nonsense", &valid[..50], &valid.to_uppercase(), "00-0-0-01", &format!("{valid}-x")];
        for text in nonsense {
            assert_eq!(extract(&[("traceparent", text)]), None, "{text}");
        }
        let zeros = format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32));
        assert_eq!(extract(&[("traceparent", &zeros), tracestate]), None);
    }
}
