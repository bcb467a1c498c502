//! Log and traces.
//!
//! The two see different things: the log has its own spans and events, and traces have only the spans of [`spans`] and the statements of
//! [`statements`]. So nothing that is logged gets into traces. Without traces the spans are disabled where they are made, which costs
//! a comparison.

mod export;
pub mod spans;
mod statements;

use std::io::BufWriter;

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracer;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{LevelFilter, Targets, filter_fn},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

pub use self::export::Traces;
use self::statements::Statements;
use crate::{
    config::{Log, LogFormat},
    error::StartError,
};

/// Logs to standard error, so that standard output has only the output of commands. A thread writes the lines in batches: a system call
/// for each line took half of the time of a short request.
///
/// # Errors
/// The process has a log already.
pub fn begin(Log { filter, format }: Log, traces: Option<&Traces>) -> Result<WorkerGuard, StartError> {
    let (writer, guard) = NonBlockingBuilder::default().lossy(false).finish(BufWriter::new(std::io::stderr()));
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    let tracer = traces.map(|traces| traces.provider.tracer(env!("CARGO_PKG_NAME")));
    match format {
        LogFormat::Json => install(layer.json().flatten_event(true).with_span_list(false), filter, tracer)?,
        LogFormat::Pretty => install(layer, filter, tracer)?,
    }
    Ok(guard)
}

fn install(
    log: impl Layer<Registry> + Send + Sync,
    filter: EnvFilter,
    tracer: Option<SdkTracer>,
) -> Result<(), StartError> {
    let not_traces = format!("{}=off", spans::TARGET).parse().map_err(StartError::failed)?;
    let filter = filter.add_directive(not_traces);
    let Some(tracer) = tracer else {
        // Filters everything, so that what is not logged is disabled where it is made.
        return tracing_subscriber::registry().with(log).with(filter).try_init().map_err(StartError::failed);
    };
    let statements =
        Statements::new(tracer.clone()).with_filter(Targets::new().with_target(statements::TARGET, LevelFilter::DEBUG));
    let traces = OpenTelemetryLayer::new(tracer)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_filter(filter_fn(|metadata| metadata.is_span() && metadata.target() == spans::TARGET));
    tracing_subscriber::registry()
        .with(log.with_filter(filter))
        .with(traces)
        .with(statements)
        .try_init()
        .map_err(StartError::failed)
}
