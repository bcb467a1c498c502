//! State of reactions: writing them in batches, and counting them in Redis.

use std::sync::Arc;

use sqlx::PgPool;
use tokio::sync::Semaphore;

use super::{
    counters::{CounterDelta, Counters, StoredCounts},
    counts::Counts,
    store::{self, Change, Outcome, ReactionCommand},
};
use crate::{
    changes::Changes,
    db::{batcher::Batcher, watchdog::DbWatchdog},
    error::{ApiError, Code},
};

/// Number of batches that are written at once. With two, batches are smaller and each has its own commit: as many reactions to 1,000
/// snacks, for a fifth more CPU.
const CONCURRENT_BATCHES: usize = 1;
/// Number of reactions that wait for a lock at once, each with a connection. A quarter of the pool.
const MAX_LOCK_WAITS: usize = 4;

pub struct ReactionState {
    pub db: PgPool,
    pub counters: Arc<Counters>,
    changes: Arc<Changes>,
    /// The result is none where another transaction held a lock.
    batcher: Batcher<(), ReactionCommand, Option<Counted>>,
    pub lock_waits: Semaphore,
}

/// A change, and the counts after it if Redis has them.
type Counted = (Change, Option<Counts>);

impl ReactionState {
    pub fn new(db: PgPool, counters: Arc<Counters>, changes: Arc<Changes>, watchdog: Arc<DbWatchdog>) -> Self {
        Self {
            db,
            counters,
            changes,
            batcher: Batcher::new(CONCURRENT_BATCHES, watchdog),
            lock_waits: Semaphore::new(MAX_LOCK_WAITS),
        }
    }
}

/// Writes a reaction, together with others that arrive at the same time, and returns the counts after it.
///
/// # Errors
/// Those of [`store::write`].
pub async fn apply_reaction(state: &Arc<ReactionState>, command: ReactionCommand) -> Result<Counts, ApiError> {
    let written = state.batcher.load((), command, {
        let state = Arc::clone(state);
        move |commands| {
            let state = Arc::clone(&state);
            async move {
                let write = async |db: &_, commands: &_| store::write_batch(db, commands).await;
                write_and_count(&state, &commands, write).await
            }
        }
    });
    let (_, counts) = match written.await? {
        Some(counted) => counted,
        None => write_alone(state, command).await?,
    };
    match counts {
        Some(counts) => Ok(counts),
        None => store::count(&state.db, command.snack).await,
    }
}

/// Writes a reaction that a lock has kept out of its batch.
async fn write_alone(state: &ReactionState, command: ReactionCommand) -> Result<Counted, ApiError> {
    let _permit = state.lock_waits.try_acquire().map_err(|_| Code::Unavailable)?;
    let write = async |db: &_, commands: &_| {
        let outcomes = store::write(db, commands, store::SINGLE_LOCK_TIMEOUT).await?;
        Ok(outcomes.into_iter().map(Some).collect())
    };
    let counted = write_and_count(state, &[command], write).await?.into_iter().next();
    counted.ok_or(Code::Internal)??.ok_or_else(|| Code::Unavailable.into())
}

/// Writes rows with `write` and then counts the committed changes in Redis, each on the epoch under which it was written. The result is
/// none for a reaction that was not written because of a lock.
async fn write_and_count(
    state: &ReactionState,
    commands: &[ReactionCommand],
    write: impl AsyncFnOnce(&PgPool, &[ReactionCommand]) -> Result<Vec<Option<Outcome>>, ApiError>,
) -> Result<Vec<Result<Option<Counted>, ApiError>>, ApiError> {
    let outcomes = write(&state.db, commands).await.inspect_err(|_| {
        // Some may have been committed.
        state.changes.snacks(commands.iter().map(|command| command.snack));
    })?;
    let written = outcomes.iter().zip(commands).filter_map(|(outcome, command)| {
        let change = *outcome.as_ref()?.as_ref().ok()?;
        Some(CounterDelta { snack: command.snack, change })
    });
    let deltas: Vec<_> = written.collect();
    let mut counts = state.counters.add(&deltas).await.into_iter();
    state.changes.snacks(deltas.iter().map(|delta| delta.snack));
    let counted = |outcome: Option<Outcome>| {
        outcome.transpose().map(|written| written.map(|change| (change, counts.next().flatten())))
    };
    Ok(outcomes.into_iter().map(counted).collect())
}

/// Counts of `stored` if they are not older than `epoch`, that of the statistics columns.
pub fn current(stored: Option<StoredCounts>, epoch: i64) -> Option<Counts> {
    stored.filter(|stored| stored.epoch >= epoch)?.counts
}
