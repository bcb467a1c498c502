//! A collector of traces: a real HTTP server that decodes what OTLP exporters send, and records it.

use std::time::Duration;

use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::{Request, State},
    http::HeaderMap,
    response::Response,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value},
    resource::v1::Resource,
    trace::v1::{Span, span::SpanKind, status::StatusCode},
};
use prost::Message;
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle, time::timeout};

use super::{process::Run, receiver::Answer};

/// Time that a test waits for spans.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What an exporter has sent at once.
pub struct Export {
    pub path: String,
    pub headers: HeaderMap,
    /// As it was sent, to search it for what must not be there.
    pub bytes: Bytes,
    pub resource: Resource,
    pub spans: Vec<Span>,
}

/// A collector on a port of its own.
pub struct Collector {
    pub url: String,
    exports: mpsc::UnboundedReceiver<Export>,
    server: JoinHandle<()>,
    /// Everything that has been read.
    pub seen: Vec<Export>,
}

impl Collector {
    pub async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (sender, exports) = mpsc::unbounded_channel();
        let router = Router::new().fallback(receive).with_state((sender, answer));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("a collector") });
        Self { url, exports, server, seen: Vec::new() }
    }

    /// Settings with which a server sends its spans here, soon after they end.
    pub fn set(&self, run: Run) -> Run {
        run.set("OTEL_EXPORTER_OTLP_ENDPOINT", &self.url).set("OTEL_BSP_SCHEDULE_DELAY", "50")
    }

    /// Waits until `find` finds something in the spans that have arrived.
    pub async fn wait_for<T>(&mut self, what: &str, find: impl Fn(&[&Span]) -> Option<T>) -> T {
        let waiting = async {
            loop {
                if let Some(found) = find(&self.seen.iter().flat_map(|export| &export.spans).collect::<Vec<_>>()) {
                    return found;
                }
                self.seen.push(self.exports.recv().await.expect("a collector"));
            }
        };
        let waited = timeout(TIMEOUT, waiting).await;
        waited.unwrap_or_else(|_| panic!("no {what} among {:?}", self.spans()))
    }

    /// Waits for the span of a request.
    pub async fn request(&mut self, trace_id: &str) -> Span {
        let find = |spans: &[&Span]| spans.iter().find(|span| is_request(span, trace_id)).map(|&span| span.clone());
        self.wait_for("request span", find).await
    }

    /// Reads what has arrived, and returns all spans.
    pub fn spans(&mut self) -> Vec<Span> {
        self.seen.extend(std::iter::from_fn(|| self.exports.try_recv().ok()));
        self.seen.iter().flat_map(|export| export.spans.clone()).collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn receive(
    State((exports, answer)): State<(mpsc::UnboundedSender<Export>, Answer)>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.expect("a body");
    let decoded = ExportTraceServiceRequest::decode(bytes.clone()).expect("protobuf");
    let [resource_spans] = &decoded.resource_spans[..] else { panic!("one resource: {decoded:?}") };
    let export = Export {
        path: parts.uri.path().to_owned(),
        headers: parts.headers,
        bytes,
        resource: resource_spans.resource.clone().expect("a resource"),
        spans: resource_spans.scope_spans.iter().flat_map(|scope| scope.spans.clone()).collect(),
    };
    // Fails when the test has ended.
    let _ = exports.send(export);
    answer.response().await
}

fn is_request(span: &Span, trace_id: &str) -> bool {
    hex(&span.trace_id) == trace_id && span.kind() == SpanKind::Server
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Value of an attribute, as text.
pub fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let value = attributes.iter().find(|attribute| attribute.key == key)?.value.clone()?.value?;
    Some(match value {
        any_value::Value::StringValue(text) => text,
        any_value::Value::IntValue(number) => number.to_string(),
        other => panic!("{key}: {other:?}"),
    })
}

/// Names of all attributes, sorted.
pub fn attribute_names(span: &Span) -> Vec<&str> {
    let mut names: Vec<_> = span.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
    names.sort_unstable();
    names
}

pub fn is_error(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error)
}
