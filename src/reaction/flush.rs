//! The background task that writes the counts of changed snacks to the statistics columns and to Redis, and compares the two.
//!
//! Every server runs it; a lock elects the one that works. The task runs two steps at intervals, [`flush`] and [`reconcile`], which
//! tests call without a clock.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::{PgConnection, PgPool};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    counters::{Counters, MAX_EPOCH, Recounted, StoredCounts},
    counts::Counts,
    state::ReactionState,
};
use crate::{
    db::{
        interval::{Next, every},
        locks::{Lock, try_lock, wait_for_lock},
        watchdog::DbWatchdog,
    },
    error::{ApiError, chain},
};

/// Number of dirty rows that one transaction takes.
const DIRTY_BATCH: i64 = 10_000;
/// Wait before an incomplete reconcile is repeated. The first command after an outage only finds that the old connection is broken,
/// and waiting for the next interval would break the promise of two intervals.
const RETRY_AFTER: Duration = Duration::from_millis(600);
/// Number of snacks that one round of the reconcile compares. It then rests for half the time that this took, so that requests get
/// their turn. Larger rounds double the p99 of requests; with rounds of 100 a million snacks take half as long again.
const RECONCILE_BATCH: i64 = 300;

pub struct Flusher {
    db: PgPool,
    counters: Arc<Counters>,
    watchdog: Arc<DbWatchdog>,
}

impl Flusher {
    pub fn new(reactions: &ReactionState, watchdog: Arc<DbWatchdog>) -> Self {
        Self { db: reactions.db.clone(), counters: Arc::clone(&reactions.counters), watchdog }
    }

    /// Flushes and reconciles at their intervals until `stop`, then flushes once more. Both run side by side, because with a million
    /// snacks a reconcile takes many flush intervals.
    pub async fn run(&self, (flush_interval, reconcile_interval): (Duration, Duration), stop: &CancellationToken) {
        tokio::join!(
            every("reaction flush", flush_interval, stop, || async {
                self.watchdog.guard(flush(&self.db, &self.counters)).await?;
                Ok(Next::Tick)
            }),
            // The first tick is at once: it reconciles what the previous server left behind.
            every("reaction reconcile", reconcile_interval, stop, || self.reconcile_until(stop)),
        );
        match self.watchdog.guard(flush(&self.db, &self.counters)).await {
            Ok(snacks) => tracing::info!(snacks, "last flush done"),
            Err(error) => tracing::warn!(error = %chain(&error), "last flush failed, the next start repeats it"),
        }
    }

    async fn reconcile_until(&self, stop: &CancellationToken) -> Result<Next, ApiError> {
        let started = Instant::now();
        let Some(outcome) = stop.run_until_cancelled(Box::pin(self.reconcile())).await else { return Ok(Next::Tick) };
        metrics::histogram!("reaction_reconcile_seconds").record(started.elapsed().as_secs_f64());
        match outcome {
            Ok(Reconciled { is_complete: true, .. }) => Ok(Next::Tick),
            // With a part of a large cluster out of reach, a reconcile takes long and repeats often.
            Ok(_) => Ok(Next::RetryAfter(RETRY_AFTER.max(started.elapsed()))),
            Err(error) => {
                metrics::counter!("background_task_failures_total", "task" => "reaction reconcile").increment(1);
                tracing::warn!(error = %chain(&error), "reaction reconcile failed");
                Ok(Next::RetryAfter(RETRY_AFTER))
            }
        }
    }

    /// Compares Redis with the columns for every snack in Postgres, and counts again where they differ.
    ///
    /// # Errors
    /// Postgres out of reach. Without Redis the result is incomplete.
    pub async fn reconcile(&self) -> Result<Reconciled, ApiError> {
        let flushed = self.watchdog.guard(flush(&self.db, &self.counters)).await?;
        let mut reconciled = Reconciled { repaired: flushed, is_complete: true };
        let mut after = 0;
        loop {
            let started = Instant::now();
            let batch = self.watchdog.guard(columns_after(&self.db, after)).await?;
            let Some(last) = batch.last() else { break };
            after = last.id;
            let Some(repaired) = self.watchdog.guard(repair(&self.db, &self.counters, &batch)).await? else {
                reconciled.is_complete = false;
                break;
            };
            let count = u64::try_from(repaired.repaired).unwrap_or_default();
            metrics::counter!("reaction_repairs_total").increment(count);
            reconciled.repaired += repaired.repaired;
            reconciled.is_complete &= repaired.is_complete;
            sleep(started.elapsed() / 2).await;
        }
        Ok(reconciled)
    }
}

/// Counts every snack that has changed, and writes the counts to the columns and then to Redis. Returns the number of snacks, 0 if
/// another server does it.
///
/// # Errors
/// Postgres out of reach. Without Redis the columns are written.
pub async fn flush(db: &PgPool, counters: &Counters) -> Result<usize, ApiError> {
    let (mut flushed, started) = (0, Instant::now());
    // Without a transaction, because on most ticks there is nothing to do.
    while sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM reaction_dirty) AS "dirty!""#).fetch_one(db).await? {
        let mut tx = db.begin().await?;
        if !try_lock(&mut tx, Lock::ReactionFlush).await? {
            break;
        }
        // The dirty rows first, and then the count with a later snapshot: a change that commits in between is counted and keeps its
        // dirty row. In the other order it would lose both.
        let mut snacks = sqlx::query_scalar!(
            "DELETE FROM reaction_dirty WHERE id IN (SELECT id FROM reaction_dirty ORDER BY id LIMIT $1) RETURNING snack_id",
            DIRTY_BATCH
        )
        .fetch_all(&mut *tx)
        .await?;
        let is_last = i64::try_from(snacks.len()).is_ok_and(|taken| taken < DIRTY_BATCH);
        snacks.sort_unstable();
        snacks.dedup();
        let recounted = recount(&mut tx, &snacks).await?;
        tx.commit().await?;
        counters.set(&recounted).await;
        flushed += recounted.len();
        // Later changes are left to the next tick. Under load there would be no end.
        if is_last {
            break;
        }
    }
    if flushed > 0 {
        metrics::histogram!("reaction_flush_seconds").record(started.elapsed().as_secs_f64());
    }
    Ok(flushed)
}

/// Counts the rows of `snacks` and writes the columns with a new epoch. Deleted snacks are left out.
async fn recount(tx: &mut PgConnection, snacks: &[i64]) -> Result<Vec<Recounted>, ApiError> {
    let rows = sqlx::query!(
        r#"WITH locked AS (SELECT id FROM snacks WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE),
           counted AS (
               SELECT locked.id, count(*) FILTER (WHERE reaction.type = 'like') AS likes,
                   count(*) FILTER (WHERE reaction.type = 'hate') AS hates
               FROM locked LEFT JOIN snack_reactions AS reaction ON reaction.snack_id = locked.id
               GROUP BY locked.id)
           UPDATE snacks SET like_reaction_count = counted.likes, hate_reaction_count = counted.hates,
               counter_epoch = nextval('counter_epochs')
           FROM counted WHERE snacks.id = counted.id
           RETURNING snacks.uid, like_reaction_count, hate_reaction_count, counter_epoch"#,
        snacks
    )
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Recounted {
            snack: row.uid,
            counts: Counts { likes: row.like_reaction_count, hates: row.hate_reaction_count },
            epoch: row.counter_epoch,
        })
        .collect())
}

/// Statistics columns of a snack.
struct Columns {
    id: i64,
    uid: Uuid,
    counts: Counts,
    epoch: i64,
}

/// Result of a reconcile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reconciled {
    /// Number of snacks whose counts differed.
    pub repaired: usize,
    /// `false` when Redis, or a node of a cluster, was out of reach.
    pub is_complete: bool,
}

/// Counts the snacks again whose counts in Redis differ. Those on a node that is out of reach are left out. None when no node responds.
async fn repair(db: &PgPool, counters: &Counters, batch: &[Columns]) -> Result<Option<Reconciled>, ApiError> {
    let uids: Vec<Uuid> = batch.iter().map(|columns| columns.uid).collect();
    let stored = counters.get(&uids).await;
    let read: Vec<_> = batch.iter().zip(stored).filter_map(|(columns, stored)| Some((columns, stored.ok()?))).collect();
    if read.is_empty() {
        return Ok(None);
    }
    let is_complete = read.len() == batch.len();
    let differing: Vec<_> = read.into_iter().filter(|(columns, stored)| *stored != columns.as_stored()).collect();
    if differing.is_empty() {
        return Ok(Some(Reconciled { repaired: 0, is_complete }));
    }
    let snacks: Vec<i64> = differing.iter().map(|(columns, _)| columns.id).collect();
    let highest = differing
        .iter()
        .filter_map(|(_, stored)| Some(stored.as_ref()?.epoch))
        .filter(|epoch| *epoch < MAX_EPOCH)
        .max()
        .unwrap_or_default();
    let mut tx = db.begin().await?;
    wait_for_lock(&mut tx, Lock::ReactionFlush).await?;
    // A database that was restored from a backup would assign epochs again that Redis has seen and would reject.
    sqlx::query!("SELECT setval('counter_epochs', $1) FROM counter_epochs WHERE last_value < $1", highest)
        .fetch_optional(&mut *tx)
        .await?;
    let recounted = recount(&mut tx, &snacks).await?;
    tx.commit().await?;
    let is_complete = counters.set(&recounted).await && is_complete;
    Ok(Some(Reconciled { repaired: recounted.len(), is_complete }))
}

impl Columns {
    /// Value that Redis should have. None for a snack that was never counted.
    fn as_stored(&self) -> Option<StoredCounts> {
        (self.epoch > 0).then_some(StoredCounts { counts: Some(self.counts), epoch: self.epoch })
    }
}

async fn columns_after(db: &PgPool, id: i64) -> Result<Vec<Columns>, ApiError> {
    let rows = sqlx::query!(
        "SELECT id, uid, like_reaction_count, hate_reaction_count, counter_epoch FROM snacks
         WHERE id > $1 ORDER BY id LIMIT $2",
        id,
        RECONCILE_BATCH
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Columns {
            id: row.id,
            uid: row.uid,
            counts: Counts { likes: row.like_reaction_count, hates: row.hate_reaction_count },
            epoch: row.counter_epoch,
        })
        .collect())
}
