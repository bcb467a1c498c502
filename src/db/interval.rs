//! Background tasks that run at an interval.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::error::{ApiError, chain};

/// Outcome of a step that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The next step is due at the next tick.
    Tick,
    /// The step is not complete and is repeated after this time, or at the next tick if that is earlier.
    RetryAfter(Duration),
}

/// Runs `step` at once and then every `period` until `stop`. A step that fails is logged with its causes as failure of `task`
/// and tried again at the next tick. Ticks that a slow step misses are skipped.
pub async fn every<F>(task: &'static str, period: Duration, stop: &CancellationToken, mut step: impl FnMut() -> F)
where
    F: Future<Output = Result<Next, ApiError>>,
{
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let failures = metrics::counter!("background_task_failures_total", "task" => task);
    // So that it exists before the first failure.
    failures.increment(0);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        match step().await {
            Ok(Next::Tick) => {}
            Ok(Next::RetryAfter(wait)) => ticks.reset_after(wait.min(period)),
            Err(error) => {
                failures.increment(1);
                tracing::warn!(task, error = %chain(&error), "background task failed");
            }
        }
    }
}
