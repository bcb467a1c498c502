//! Export of spans by OTLP. Spans wait in a queue of bounded length and are dropped when it is full, so a collector that is slow or down
//! costs requests nothing.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use opentelemetry::{Key, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter as OtlpExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    error::{OTelSdkError, OTelSdkResult},
    trace::{SdkTracerProvider, SpanData, SpanExporter},
};
use tokio::{runtime::Handle, task::spawn_blocking};
use url::Url;

use crate::error::{StartError, chain};

/// Name of the service if neither `OTEL_SERVICE_NAME` nor `OTEL_RESOURCE_ATTRIBUTES` has one.
const SERVICE_NAME: &str = env!("CARGO_PKG_NAME");
/// Time in which the last spans have to be exported when the server stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);
/// Time between two warnings about spans that were not exported.
const WARN_EVERY: Duration = Duration::from_mins(1);

/// Traces of this process.
pub struct Traces {
    pub(super) provider: SdkTracerProvider,
}

impl Traces {
    /// Sends traces to the collector at `endpoint`. Has to be called in the runtime. The SDK reads the other settings of the environment.
    ///
    /// # Errors
    /// One of these settings is invalid.
    pub fn new(mut endpoint: Url) -> Result<Self, StartError> {
        if let Ok(mut path) = endpoint.path_segments_mut() {
            path.pop_if_empty().extend(["v1", "traces"]);
        }
        let exporter = OtlpExporter::builder()
            .with_http()
            .with_endpoint(endpoint)
            .with_protocol(Protocol::HttpBinary)
            .build()
            .map_err(|error| StartError::failed(format_args!("OTEL_EXPORTER_OTLP_ENDPOINT: {}", chain(&error))))?;
        let provider =
            SdkTracerProvider::builder().with_resource(resource()).with_batch_exporter(Exporter::new(exporter)).build();
        Ok(Self { provider })
    }

    /// Exports the last spans. Takes at most [`SHUTDOWN_TIMEOUT`].
    pub async fn shut_down(self) {
        let flushed = spawn_blocking(move || self.provider.shutdown_with_timeout(SHUTDOWN_TIMEOUT)).await;
        if !matches!(flushed, Ok(Ok(()))) {
            tracing::warn!("last spans not exported in time");
        }
    }
}

fn resource() -> Resource {
    let detected = Resource::builder().build();
    let name = detected.get(&Key::from_static_str("service.name"));
    let builder = Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    match name {
        Some(name) if !name.as_str().starts_with("unknown_service") => builder.build(),
        _ => builder.with_service_name(SERVICE_NAME).build(),
    }
}

/// The exporter of OTLP, for the thread of the SDK that exports batches: that thread is not in the runtime, which the HTTP client needs.
#[derive(Debug)]
struct Exporter {
    otlp: Arc<OtlpExporter>,
    runtime: Handle,
    losses: Mutex<Losses>,
}

/// Spans that were not exported.
#[derive(Debug, Default)]
struct Losses {
    /// Since the last warning.
    spans: usize,
    warned_at: Option<Instant>,
}

impl Exporter {
    fn new(otlp: OtlpExporter) -> Self {
        Self { otlp: Arc::new(otlp), runtime: Handle::current(), losses: Mutex::default() }
    }

    /// Warns at most once in [`WARN_EVERY`].
    fn warn(&self, lost: usize, error: &OTelSdkError) {
        let mut losses = self.losses.lock().unwrap_or_else(PoisonError::into_inner);
        losses.spans += lost;
        if losses.warned_at.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
            tracing::warn!(spans = losses.spans, error = %chain(error), "spans not exported");
            *losses = Losses { spans: 0, warned_at: Some(Instant::now()) };
        }
    }
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let (count, otlp) = (batch.len(), Arc::clone(&self.otlp));
        let exported = self.runtime.spawn(async move { otlp.export(batch).await }).await;
        let exported = exported.unwrap_or_else(|error| Err(OTelSdkError::InternalFailure(error.to_string())));
        let outcome = if exported.is_ok() { "exported" } else { "lost" };
        metrics::counter!("trace_spans_total", "outcome" => outcome)
            .increment(u64::try_from(count).unwrap_or_default());
        exported.inspect_err(|error| self.warn(count, error))
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.otlp.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        // Nothing else holds it, because no export is under way while the resource is set.
        if let Some(otlp) = Arc::get_mut(&mut self.otlp) {
            otlp.set_resource(resource);
        }
    }
}
