//! The background task that writes the counts of changed snacks to the statistics columns and to Redis, and compares the two.
//!
//! Every server runs it; a lock elects the one that works. The task runs steps at intervals, [`flush`], [`Flusher::reconcile`] and
//! [`Flusher::sweep`], which tests call without a clock.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{PgConnection, PgExecutor, PgPool, Postgres, Transaction};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    counters::{Counters, MAX_EPOCH, Recounted, StoredCounts},
    counts::Counts,
    reasons::Reasons,
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
/// Number of snacks from which on a reconcile compares them only for a reason. Below it takes a moment.
const MANY_SNACKS: i64 = 10_000;
/// Part of the interval that a sweep takes: 0.7% of a core.
const SWEEP_SHARE: u32 = 150;
/// Time in which another server's flush that has committed sets its counts in Redis.
const FLUSH_TIME: Duration = Duration::from_millis(500);

pub struct Flusher {
    db: PgPool,
    counters: Arc<Counters>,
    watchdog: Arc<DbWatchdog>,
    /// Number of snacks from which on a reconcile compares them only for a reason.
    pub many_snacks: i64,
    /// No reconcile of this server has compared all snacks yet.
    is_first: AtomicBool,
}

impl Flusher {
    pub fn new(reactions: &ReactionState, watchdog: Arc<DbWatchdog>) -> Self {
        Self {
            db: reactions.db.clone(),
            counters: Arc::clone(&reactions.counters),
            watchdog,
            many_snacks: MANY_SNACKS,
            is_first: AtomicBool::new(true),
        }
    }

    /// Flushes, reconciles and sweeps at their intervals until `stop`, then flushes once more. All run side by side, because with a
    /// million snacks a reconcile takes many flush intervals.
    pub async fn run(&self, (flush_interval, reconcile_interval): (Duration, Duration), stop: &CancellationToken) {
        tokio::join!(
            every("reaction flush", flush_interval, stop, || async {
                self.watchdog.guard(flush(&self.db, &self.counters)).await?;
                Ok(Next::Tick)
            }),
            // The first tick is at once: it reconciles what the previous server left behind.
            every("reaction reconcile", reconcile_interval, stop, || self.reconcile_until(stop)),
            every("reaction sweep", reconcile_interval, stop, || async {
                stop.run_until_cancelled(Box::pin(self.sweep(reconcile_interval))).await.transpose()?;
                Ok(Next::Tick)
            }),
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

    /// Compares Redis with the columns for every snack in Postgres, and counts again where they differ. With many snacks only at the
    /// start and for a reason (see [`Reasons`]), and in one server at a time.
    ///
    /// # Errors
    /// Postgres out of reach. Without Redis the result is incomplete.
    pub async fn reconcile(&self) -> Result<Reconciled, ApiError> {
        let flushed = self.watchdog.guard(flush(&self.db, &self.counters)).await?;
        let unchanged = |is_complete| Ok(Reconciled { repaired: flushed, is_complete });
        let Some(mut reasons) = self.watchdog.guard(Reasons::read(&self.db, &self.counters, None)).await? else {
            return unchanged(false);
        };
        let mut election = None;
        if self.watchdog.guard(self.has_many_snacks()).await? {
            let is_first = self.is_first.load(Ordering::Relaxed);
            if !is_first && !reasons.has_changed {
                if !reasons.has_flushes {
                    return unchanged(reasons.is_complete);
                }
                sleep(FLUSH_TIME).await;
            }
            let Some(elected) = self.watchdog.guard(self.elect()).await? else { return unchanged(true) };
            // Read again, because another server may have compared since. Flushes that are under way now are not in the first snapshot.
            let first = (!reasons.has_changed).then_some(reasons.snapshot.as_str());
            let Some(now) = self.watchdog.guard(Reasons::read(&self.db, &self.counters, first)).await? else {
                return unchanged(false);
            };
            if !is_first && !now.has_changed && !now.has_flushes {
                return unchanged(now.is_complete);
            }
            tracing::info!(
                is_first,
                has_changed = now.has_changed,
                has_flushes = now.has_flushes,
                "comparison of all reaction counts started"
            );
            (reasons, election) = (now, Some(elected));
        }
        let generation = reasons.has_changed.then(Uuid::new_v4);
        let mut reconciled = Reconciled { repaired: flushed, is_complete: reasons.is_complete };
        if let Some(generation) = generation {
            // Before the comparison, so that a node that loses its data meanwhile lacks it.
            reconciled.is_complete &= self.counters.set_generation(generation).await;
        }
        self.compare_all(&mut election, &mut reconciled).await?;
        if reconciled.is_complete {
            self.watchdog.guard(reasons.store(&self.db, generation)).await?;
            self.is_first.store(false, Ordering::Relaxed);
        }
        Ok(reconciled)
    }

    async fn has_many_snacks(&self) -> Result<bool, ApiError> {
        let many = sqlx::query_scalar!(
            r#"SELECT $1::bigint <= 0 OR (SELECT id FROM snacks ORDER BY id OFFSET greatest($1::bigint - 1, 0) LIMIT 1) IS NOT NULL AS "many!""#,
            self.many_snacks
        );
        Ok(many.fetch_one(&self.db).await?)
    }

    /// A transaction with the lock of the comparison. None if another server has it.
    async fn elect(&self) -> Result<Option<Transaction<'static, Postgres>>, ApiError> {
        let mut tx = self.db.begin().await?;
        Ok(try_lock(&mut tx, Lock::ReactionComparison).await?.then_some(tx))
    }

    /// Compares all snacks. Reads them in the transaction of `election`, which would be ended if it were idle.
    async fn compare_all(
        &self,
        election: &mut Option<Transaction<'static, Postgres>>,
        reconciled: &mut Reconciled,
    ) -> Result<(), ApiError> {
        let mut after = 0;
        loop {
            let started = Instant::now();
            let read = async {
                match election {
                    Some(tx) => columns_after(&mut **tx, after).await,
                    None => columns_after(&self.db, after).await,
                }
            };
            let batch = self.watchdog.guard(read).await?;
            let Some(last) = batch.last() else { break };
            after = last.id;
            let Some(repaired) = self.watchdog.guard(repair(&self.db, &self.counters, &batch)).await? else {
                reconciled.is_complete = false;
                break;
            };
            reconciled.repaired += repaired.repaired;
            reconciled.is_complete &= repaired.is_complete;
            sleep(started.elapsed() / 2).await;
        }
        Ok(())
    }

    /// Compares the next snacks, if there are many, for a small part of `interval`. So values are found that were changed by hand. One
    /// server sweeps in each interval. Returns the number of snacks whose counts differed.
    ///
    /// # Errors
    /// Postgres out of reach.
    pub async fn sweep(&self, interval: Duration) -> Result<usize, ApiError> {
        if !self.watchdog.guard(self.has_many_snacks()).await? {
            return Ok(0);
        }
        let claim = sqlx::query_scalar!(
            "UPDATE reaction_comparison SET swept_at = clock_timestamp()
             WHERE swept_at NOT BETWEEN clock_timestamp() - make_interval(secs => $1) AND clock_timestamp() RETURNING swept_to",
            interval.as_secs_f64() * 0.9
        );
        let claimed = self.watchdog.guard(async { Ok(claim.fetch_optional(&self.db).await?) }).await?;
        let Some(mut after) = claimed else { return Ok(0) };
        let (mut differing, mut spent) = (0, Duration::ZERO);
        loop {
            let started = Instant::now();
            let batch = self.watchdog.guard(columns_after(&self.db, after)).await?;
            let Some(repaired) = self.watchdog.guard(repair(&self.db, &self.counters, &batch)).await? else { break };
            differing += repaired.repaired;
            // 0 begins from the front again.
            after = batch.last().map_or(0, |last| last.id);
            spent += started.elapsed();
            if after == 0 || spent >= interval / SWEEP_SHARE {
                break;
            }
            sleep(started.elapsed() / 2).await;
        }
        let stored = sqlx::query!("UPDATE reaction_comparison SET swept_to = $1", after).execute(&self.db);
        self.watchdog.guard(async { Ok(stored.await?) }).await?;
        Ok(differing)
    }
}

/// Counts every snack that has changed, and writes the counts to the columns and then to Redis. Returns the number of snacks, 0 if
/// another server does it.
///
/// # Errors
/// Postgres out of reach. Without Redis the columns are written.
pub async fn flush(db: &PgPool, counters: &Counters) -> Result<usize, ApiError> {
    let (mut flushed, started) = (0, Instant::now());
    mark_missing(db, counters).await?;
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
        if snacks.is_empty() {
            break;
        }
        let recounted = recount(&mut tx, &snacks).await?;
        commit(db, tx, counters, &recounted).await?;
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

/// Marks the snacks as dirty that reads have not found in Redis, although they were counted.
async fn mark_missing(db: &PgPool, counters: &Counters) -> Result<(), ApiError> {
    let missing = counters.take_missing();
    if !missing.is_empty() {
        sqlx::query!(
            "INSERT INTO reaction_dirty (snack_id) SELECT id FROM snacks WHERE uid = ANY($1) AND counter_epoch > 0",
            &missing
        )
        .execute(db)
        .await?;
    }
    Ok(())
}

/// Commits counts and sets them in Redis. Returns whether Redis has accepted all. The row that the trigger of the columns has written
/// stays if it has not, also if this server is killed.
async fn commit(
    db: &PgPool,
    mut tx: Transaction<'static, Postgres>,
    counters: &Counters,
    recounted: &[Recounted],
) -> Result<bool, ApiError> {
    let transaction = sqlx::query_scalar!(r#"SELECT txid_current() AS "transaction!""#).fetch_one(&mut *tx).await?;
    tx.commit().await?;
    let is_complete = counters.set(recounted).await;
    if is_complete {
        sqlx::query!("DELETE FROM reaction_flushes WHERE transaction = $1", transaction).execute(db).await?;
    }
    Ok(is_complete)
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
    if read.is_empty() && !batch.is_empty() {
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
    let is_complete = commit(db, tx, counters, &recounted).await? && is_complete;
    metrics::counter!("reaction_repairs_total").increment(u64::try_from(recounted.len()).unwrap_or_default());
    Ok(Some(Reconciled { repaired: recounted.len(), is_complete }))
}

impl Columns {
    /// Value that Redis should have. None for a snack that was never counted.
    fn as_stored(&self) -> Option<StoredCounts> {
        (self.epoch > 0).then_some(StoredCounts { counts: Some(self.counts), epoch: self.epoch })
    }
}

async fn columns_after(db: impl PgExecutor<'_>, id: i64) -> Result<Vec<Columns>, ApiError> {
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
