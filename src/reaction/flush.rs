//! The interval task: carries the counts of changed snacks into the statistics columns and into Redis, and compares the two.
//!
//! Every server runs it; a lock of the transaction elects who works. The loop is a clock around two steps, [`flush`] and
//! [`reconcile`], which tests call themselves.

use std::time::{Duration, Instant};

use sqlx::{PgConnection, PgPool};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    Counts,
    counters::{Counters, EPOCHS, Fresh, Stored},
};
use crate::{
    app::state::AppState,
    error::{ApiError, Code},
};

/// Names the lock that elects the flusher; any number that nothing else uses.
const LOCK: i64 = 0x736e_6163_6b73;
/// How many dirty rows one transaction takes.
const DIRTY_BATCH: i64 = 10_000;
/// How soon a reconcile that could not be finished is tried again. Waiting for the next would break the promise of two
/// intervals: the first command after an outage only finds that the old connection is broken.
const RETRY: Duration = Duration::from_millis(600);
/// How many snacks one round of the reconcile compares. It then rests for half as long as that took, so that requests get
/// their turn: larger rounds double their p99, with rounds of a hundred a million snacks take half as long again.
const RECONCILE_BATCH: i64 = 300;

/// Flushes and reconciles until `stop`, then flushes once more. The two side by side: with a million snacks a reconcile takes
/// many flush intervals.
pub async fn run(state: AppState, stop: CancellationToken) {
    tokio::join!(flush_often(&state, &stop), reconcile_often(&state, &stop));
    match state.pulse.guard(flush(&state.db, &state.counters)).await {
        Some(Ok(snacks)) => tracing::info!(snacks, "last flush done"),
        Some(Err(error)) => tracing::warn!(%error, "the last flush failed; the next start makes up for it"),
        None => tracing::warn!("Postgres fell silent during the last flush; the next start makes up for it"),
    }
}

async fn flush_often(state: &AppState, stop: &CancellationToken) {
    let mut ticks = interval(state.config.flush_interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let outcome = state.pulse.guard(flush(&state.db, &state.counters)).await;
        warn_of(outcome.as_ref(), "flushed");
    }
}

async fn reconcile_often(state: &AppState, stop: &CancellationToken) {
    // The first tick of an interval is at once: a server that starts reconciles what the one before left behind.
    let mut ticks = interval(state.config.reconcile_interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let began = Instant::now();
        let outcome = tokio::select! {
            () = stop.cancelled() => return,
            outcome = reconcile(state) => outcome,
        };
        metrics::histogram!("reaction_reconcile_seconds").record(began.elapsed().as_secs_f64());
        if !matches!(outcome, Ok(Reconciled { is_complete: true, .. })) {
            ticks.reset_after(RETRY.min(ticks.period()));
        }
        warn_of(Some(&outcome), "reconciled");
    }
}

/// Warns of what went wrong, if anything did; none is a Postgres that fell silent.
fn warn_of<T>(outcome: Option<&Result<T, ApiError>>, what: &str) {
    match outcome {
        Some(Ok(_)) => {}
        Some(Err(error)) => tracing::warn!(%error, "the reaction counts were not {what}; the next round tries again"),
        None => tracing::warn!("Postgres fell silent: the reaction counts were not {what}; the next round tries again"),
    }
}

/// Counts every snack that has changed and writes the counts to the columns, then to Redis. Returns how many there were;
/// none when another server is at it.
///
/// # Errors
/// Postgres out of reach. With Redis out of reach the columns are written all the same.
pub async fn flush(db: &PgPool, counters: &Counters) -> Result<usize, ApiError> {
    let (mut flushed, began) = (0, Instant::now());
    // Asked first without a transaction: on most ticks there is nothing to do.
    while sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM reaction_dirty) AS "dirty!""#).fetch_one(db).await? {
        let mut tx = db.begin().await?;
        let elected = sqlx::query_scalar!(r#"SELECT pg_try_advisory_xact_lock($1) AS "elected!""#, LOCK);
        if !elected.fetch_one(&mut *tx).await? {
            break;
        }
        // First the dirty rows, then, with a later snapshot, the count: a change that commits in between is counted and
        // keeps its dirty row. The other way round it would lose both.
        let mut snacks = sqlx::query_scalar!(
            "DELETE FROM reaction_dirty WHERE id IN (SELECT id FROM reaction_dirty ORDER BY id LIMIT $1) RETURNING snack_id",
            DIRTY_BATCH
        )
        .fetch_all(&mut *tx)
        .await?;
        let is_last = i64::try_from(snacks.len()).is_ok_and(|taken| taken < DIRTY_BATCH);
        snacks.sort_unstable();
        snacks.dedup();
        let fresh = recount(&mut tx, &snacks).await?;
        tx.commit().await?;
        counters.set(&fresh).await;
        flushed += fresh.len();
        // What has changed meanwhile is left to the next tick: under load there would be no end.
        if is_last {
            break;
        }
    }
    if flushed > 0 {
        metrics::histogram!("reaction_flush_seconds").record(began.elapsed().as_secs_f64());
    }
    Ok(flushed)
}

/// Counts the rows of `snacks` and writes the columns with a new epoch. A snack that has gone is left out.
async fn recount(tx: &mut PgConnection, snacks: &[i64]) -> Result<Vec<Fresh>, ApiError> {
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
        .map(|row| Fresh {
            snack: row.uid,
            counts: Counts { likes: row.like_reaction_count, hates: row.hate_reaction_count },
            epoch: row.counter_epoch,
        })
        .collect())
}

/// What the columns say of a snack.
struct Columns {
    id: i64,
    uid: Uuid,
    counts: Counts,
    epoch: i64,
}

/// What came of a reconcile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reconciled {
    /// For how many snacks the counts differed.
    pub healed: usize,
    /// Whether all were compared and set; not while Redis is out of reach.
    pub is_complete: bool,
}

/// Compares Redis with the columns for every snack, enumerated from Postgres, and counts anew where they differ.
///
/// # Errors
/// Postgres out of reach. With Redis out of reach there is nothing to compare.
pub async fn reconcile(state: &AppState) -> Result<Reconciled, ApiError> {
    let flushed = state.pulse.guard(flush(&state.db, &state.counters)).await;
    let mut reconciled = Reconciled { healed: flushed.ok_or(Code::Unavailable)??, is_complete: true };
    let mut after = 0;
    while reconciled.is_complete {
        let began = Instant::now();
        let batch = state.pulse.guard(columns_after(&state.db, after)).await.ok_or(Code::Unavailable)??;
        let Some(last) = batch.last() else { break };
        after = last.id;
        let healed = state.pulse.guard(heal(&state.db, &state.counters, &batch)).await.ok_or(Code::Unavailable)??;
        reconciled.healed += healed.unwrap_or_default();
        reconciled.is_complete = healed.is_some();
        sleep(began.elapsed() / 2).await;
    }
    Ok(reconciled)
}

/// Counts anew what differs in Redis, and returns how many that were; none when Redis is out of reach.
async fn heal(db: &PgPool, counters: &Counters, batch: &[Columns]) -> Result<Option<usize>, ApiError> {
    let uids: Vec<Uuid> = batch.iter().map(|columns| columns.uid).collect();
    let Some(stored) = counters.stored(&uids).await else { return Ok(None) };
    let differing: Vec<_> =
        batch.iter().zip(stored).filter(|(columns, stored)| *stored != columns.as_stored()).collect();
    if differing.is_empty() {
        return Ok(Some(0));
    }
    let snacks: Vec<i64> = differing.iter().map(|(columns, _)| columns.id).collect();
    let highest = differing
        .iter()
        .filter_map(|(_, stored)| Some(stored.as_ref()?.epoch))
        .filter(|epoch| *epoch < EPOCHS)
        .max()
        .unwrap_or_default();
    let mut tx = db.begin().await?;
    sqlx::query!("SELECT pg_advisory_xact_lock($1)", LOCK).fetch_one(&mut *tx).await?;
    // A database that was restored from a backup hands out epochs again that Redis has seen; those would be refused.
    sqlx::query!("SELECT setval('counter_epochs', $1) FROM counter_epochs WHERE last_value < $1", highest)
        .fetch_optional(&mut *tx)
        .await?;
    let fresh = recount(&mut tx, &snacks).await?;
    tx.commit().await?;
    Ok(counters.set(&fresh).await.then_some(fresh.len()))
}

impl Columns {
    /// What Redis should hold: nothing for a snack that was never counted.
    fn as_stored(&self) -> Option<Stored> {
        (self.epoch > 0).then_some(Stored { counts: Some(self.counts), epoch: self.epoch })
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
