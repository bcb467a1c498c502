//! The background task that sends deliveries, for one kind of receivers: channels, or mail.
//!
//! Every server runs it. Due deliveries are taken by a single statement that leases them: it counts the attempt and sets the time from
//! which another server may try again. No transaction is open while something is sent, and what a server that died was sending is sent
//! again by another. So each delivery is sent at least once.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::PgPool;
use tokio::{
    sync::watch,
    task::{Id, JoinSet},
    time::{MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};
use uuid::Uuid;

use super::delivery::DeliveryStatus;
use crate::{
    db::watchdog::DbWatchdog,
    error::{ApiError, chain},
    telemetry::spans,
};

/// Wait before the second attempt, before the third, and so on. After the attempt that follows the last, a delivery has failed.
pub const SCHEDULE: [Duration; 7] = [
    Duration::from_secs(5),
    Duration::from_mins(1),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(6),
    Duration::from_hours(24),
];
/// Time after which another attempt may begin if an attempt has not ended. Longer than an attempt and the statement that ends it.
pub const LEASE: Duration = Duration::from_secs(15);
/// Time in which the statement that ends an attempt is repeated. Ends within [`LEASE`].
const FINISH_WITHIN: Duration = Duration::from_secs(6);
const FINISH_PAUSE: Duration = Duration::from_millis(500);
/// Deliveries become due without a wake-up: after a failed attempt, and those that another server wrote.
const TICK: Duration = Duration::from_secs(1);

/// Receivers of one kind.
pub trait Receivers: Send + Sync + 'static {
    /// Name of the kind, for traces.
    const KIND: &'static str;

    /// Content of a delivery and its address.
    type Message: Send + 'static;

    /// Takes due deliveries for an attempt each: counts it, and sets `next_attempt_at` to [`LEASE`] from now, all in one statement.
    /// `busy` has the number of attempts that are under way here, by receiver.
    fn take(
        &self,
        busy: &HashMap<i64, usize>,
    ) -> impl Future<Output = Result<Vec<Attempt<Self::Message>>, ApiError>> + Send;

    /// Sends a delivery. Takes a bounded time, clearly less than [`LEASE`].
    fn send(&self, attempt: Attempt<Self::Message>) -> impl Future<Output = AttemptResult> + Send;
}

/// Attempt to send a delivery.
#[derive(Debug)]
pub struct Attempt<M> {
    /// Id of the delivery.
    pub delivery: i64,
    /// Same for all attempts.
    pub uid: Uuid,
    /// Number of the attempt, from 1.
    pub number: i32,
    /// Id of the receiver, for the limit of attempts that are under way for one.
    pub receiver: i64,
    pub message: M,
}

/// Result of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptResult {
    pub outcome: Outcome,
    /// HTTP status of the response.
    pub response_status: Option<i32>,
    /// Why it failed, for admins. Must not contain secrets.
    pub error: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Delivered,
    /// Further attempts may succeed.
    Failed,
    /// No further attempt is made.
    Rejected,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
        }
    }
}

impl AttemptResult {
    pub fn is_delivered(&self) -> bool {
        self.outcome == Outcome::Delivered
    }
}

/// Sends the deliveries of one kind of receivers.
pub struct Sender<R> {
    receivers: R,
    db: PgPool,
    watchdog: Arc<DbWatchdog>,
}

impl<R: Receivers> Sender<R> {
    pub fn new(receivers: R, db: PgPool, watchdog: Arc<DbWatchdog>) -> Self {
        Self { receivers, db, watchdog }
    }

    /// Sends what is due until `stop`, and then waits for the attempts that are under way. They are aborted when this is dropped.
    pub async fn run(self: Arc<Self>, mut wake: watch::Receiver<()>, stop: &CancellationToken) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut attempts = JoinSet::new();
        let mut receivers: HashMap<Id, i64> = HashMap::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = ticks.tick() => {}
                Ok(()) = wake.changed() => {}
                Some(ended) = attempts.join_next_with_id() => {
                    receivers.remove(&ended.map_or_else(|error| error.id(), |(id, ())| id));
                }
            }
            while let Some(ended) = attempts.try_join_next_with_id() {
                receivers.remove(&ended.map_or_else(|error| error.id(), |(id, ())| id));
            }
            let mut busy = HashMap::new();
            for receiver in receivers.values() {
                *busy.entry(*receiver).or_default() += 1;
            }
            match self.watchdog.guard(self.receivers.take(&busy)).await {
                Ok(taken) => {
                    for attempt in taken {
                        let receiver = attempt.receiver;
                        let task = attempts.spawn(Arc::clone(&self).attempt(attempt));
                        receivers.insert(task.id(), receiver);
                    }
                }
                Err(error) => tracing::warn!(error = %chain(&error), "deliveries not taken"),
            }
        }
        while attempts.join_next().await.is_some() {}
    }

    async fn attempt(self: Arc<Self>, attempt: Attempt<R::Message>) {
        let span = spans::delivery(R::KIND, attempt.uid, attempt.receiver, attempt.number);
        self.send_and_finish(attempt, &span).instrument(span.clone()).await;
    }

    async fn send_and_finish(&self, attempt: Attempt<R::Message>, span: &Span) {
        let (delivery, number) = (attempt.delivery, attempt.number);
        let result = self.receivers.send(attempt).await;
        spans::complete_delivery(span, result.outcome.name(), result.response_status);
        let started = Instant::now();
        loop {
            match self.watchdog.guard(finish(&self.db, delivery, number, &result)).await {
                Ok(()) => return,
                Err(error) if started.elapsed() > FINISH_WITHIN => {
                    tracing::warn!(delivery, error = %chain(&error), "result of a delivery not stored, it is sent again");
                    return;
                }
                Err(_) => sleep(FINISH_PAUSE).await,
            }
        }
    }
}

/// Stores the result of an attempt. A delivery that has ended stays as it is; one that has begun another attempt too, unless this one
/// delivered it.
pub async fn finish(db: &PgPool, delivery: i64, attempt: i32, result: &AttemptResult) -> Result<(), ApiError> {
    let wait = usize::try_from(attempt - 1).ok().and_then(|index| SCHEDULE.get(index));
    let (status, wait) = match (result.outcome, wait) {
        (Outcome::Delivered, _) => (DeliveryStatus::Delivered, None),
        (Outcome::Failed, Some(wait)) => (DeliveryStatus::Pending, Some(wait.as_secs_f64())),
        (Outcome::Failed, None) | (Outcome::Rejected, _) => (DeliveryStatus::Failed, None),
    };
    // Mails with links are not counted: anybody may read the metrics, and would see whether an email has an account.
    let is_counted = sqlx::query_scalar!(
        r#"UPDATE deliveries SET status = $3::delivery_status, response_status = $4, error = $5, next_attempt_at = now() + make_interval(secs => $6),
             finished_at = CASE WHEN $3 <> 'pending' THEN now() END
         WHERE id = $1 AND status = 'pending' AND (attempts = $2 OR $3 = 'delivered')
         RETURNING account_mail_id IS NULL AS "is_counted!""#,
        delivery,
        attempt,
        status as DeliveryStatus,
        result.response_status,
        result.error,
        wait
    )
    .fetch_optional(db)
    .await?;
    if is_counted == Some(true) {
        let outcome = match status {
            DeliveryStatus::Delivered => "delivered",
            DeliveryStatus::Pending => "repeated",
            DeliveryStatus::Failed => "failed",
        };
        metrics::counter!("deliveries_total", "outcome" => outcome).increment(1);
    }
    Ok(())
}
