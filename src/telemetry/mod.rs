//! Log and traces.
//!
//! The two see different things: the log has its own spans and events, and traces have only the spans of [`spans`] and the statements of
//! [`statements`]. So nothing that is logged gets into traces. Without traces the spans are disabled where they are made, which costs
//! a comparison.

mod export;
pub mod spans;
mod statements;

use std::{
    io::{self, BufWriter, Stderr, Write},
    thread,
    time::Duration,
};

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

/// Size of the buffer of log lines in bytes.
const LOG_BUFFER: usize = 64 * 1024;
/// Time in which further log lines gather before they are written. A thread that waits for each line has to be woken for each.
const GATHERING: Duration = Duration::from_millis(2);

/// Logs to standard error, so that standard output has only the output of commands. A thread writes the lines in batches: a system call
/// for each line took half of the time of a short request.
///
/// # Errors
/// The process has a log already.
pub fn begin(Log { filter, format }: Log, traces: Option<&Traces>) -> Result<WorkerGuard, StartError> {
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(false)
        .finish(Gathering(BufWriter::with_capacity(LOG_BUFFER, io::stderr())));
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    let tracer = traces.map(|traces| traces.provider.tracer(env!("CARGO_PKG_NAME")));
    match format {
        LogFormat::Json => install(layer.json().flatten_event(true).with_span_list(false), filter, tracer)?,
        LogFormat::Pretty => install(layer, filter, tracer)?,
    }
    Ok(guard)
}

/// Standard error for the thread that writes the log, which flushes when there are no further lines.
struct Gathering(BufWriter<Stderr>);

impl Write for Gathering {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.0.write(lines)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()?;
        thread::sleep(GATHERING);
        Ok(())
    }
}

fn install(
    log: impl Layer<Registry> + Send + Sync,
    filter: EnvFilter,
    tracer: Option<SdkTracer>,
) -> Result<(), StartError> {
    let filter = without_traces(filter)?;
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

/// Leaves the spans of traces out of the log.
fn without_traces(filter: EnvFilter) -> Result<EnvFilter, StartError> {
    Ok(filter.add_directive(format!("{}=off", spans::TARGET).parse().map_err(StartError::failed)?))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;

    use super::*;

    #[test]
    fn without_traces_their_spans_are_disabled_however_verbose_the_log_is() {
        for directives in ["trace", "snack_server=trace", "info,sqlx=debug"] {
            let filter = without_traces(EnvFilter::new(directives)).expect("a filter");
            let subscriber = tracing_subscriber::registry().with(filter);
            tracing::subscriber::with_default(subscriber, || {
                assert!(!tracing::info_span!("of the log").is_disabled(), "{directives}");
                let request = spans::RequestSpan::start("GET", "an id", &HeaderMap::new());
                assert!(request.span.is_disabled() && request.trace_id().is_none(), "{directives}");
                assert!(spans::delivery("mail", uuid::Uuid::nil(), 0, 1).is_disabled(), "{directives}");
                assert!(spans::redis("MGET").is_disabled() && spans::current().is_none(), "{directives}");
            });
        }
    }
}
