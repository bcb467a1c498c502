//! Spans of SQL statements, made of the events that sqlx logs when a statement ends. They have the text of the statement, in which values
//! are placeholders.

use std::time::{Duration, SystemTime};

use opentelemetry::{
    Context, KeyValue,
    trace::{Span, SpanKind, Tracer},
};
use opentelemetry_sdk::trace::SdkTracer;
use tracing::{Event, Subscriber, field};
use tracing_subscriber::{Layer, layer};

use super::spans::is_recorded;

/// Target of the events. Their level is `DEBUG`, or `WARN` for a slow statement.
pub const TARGET: &str = "sqlx::query";

/// Layer that makes a span of each statement in a trace. Other statements, such as those of background tasks, have none.
pub struct Statements {
    tracer: SdkTracer,
}

impl Statements {
    pub fn new(tracer: SdkTracer) -> Self {
        Self { tracer }
    }
}

impl<S: Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &Event<'_>, _: layer::Context<'_, S>) {
        let parent = Context::current();
        if !is_recorded(&parent) {
            return;
        }
        let mut statement = Statement::default();
        event.record(&mut statement);
        let end = SystemTime::now();
        let text = if statement.text.is_empty() { statement.summary.clone() } else { statement.text };
        self.tracer
            .span_builder(statement.summary.clone())
            .with_kind(SpanKind::Client)
            .with_start_time(end.checked_sub(statement.elapsed).unwrap_or(end))
            .with_attributes([
                KeyValue::new("db.system.name", "postgresql"),
                KeyValue::new("db.query.summary", statement.summary),
                KeyValue::new("db.query.text", text),
                KeyValue::new("db.response.returned_rows", statement.rows),
            ])
            .start_with_context(&self.tracer, &parent)
            .end_with_timestamp(end);
    }
}

/// Fields of an event.
#[derive(Default)]
struct Statement {
    /// The first words.
    summary: String,
    /// Empty if the summary is the whole text.
    text: String,
    rows: i64,
    elapsed: Duration,
}

impl field::Visit for Statement {
    fn record_str(&mut self, field: &field::Field, value: &str) {
        match field.name() {
            "summary" => value.trim_end_matches(" …").clone_into(&mut self.summary),
            "db.statement" => value.trim().clone_into(&mut self.text),
            _ => {}
        }
    }

    fn record_u64(&mut self, field: &field::Field, value: u64) {
        if field.name() == "rows_returned" {
            self.rows = i64::try_from(value).unwrap_or(i64::MAX);
        }
    }

    fn record_f64(&mut self, field: &field::Field, value: f64) {
        if field.name() == "elapsed_secs" {
            self.elapsed = Duration::try_from_secs_f64(value).unwrap_or_default();
        }
    }

    fn record_debug(&mut self, _: &field::Field, _: &dyn std::fmt::Debug) {}
}
