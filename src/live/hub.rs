//! The tasks that send events to the streams of this server and end those of users who have resigned.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::broadcast::error::RecvError,
    time::{interval, sleep},
};
use uuid::Uuid;

use super::{
    event::{Batch, BudgetEvent, LiveEvent, NotificationEvent, RESYNC, SnackEvent},
    state::LiveState,
    store,
};
use crate::{
    auth::user_cache::{STATUS_TTL, StatusChange, boot_time},
    changes::Pending,
    error::{ApiError, chain},
    snack::state::load_live_snacks,
};

/// Minimum time between two batches, and so between two events of a snack.
const MIN_PAUSE: Duration = Duration::from_millis(250);
/// Maximum time between two batches. A change must reach all pages within a second.
const MAX_PAUSE: Duration = Duration::from_millis(700);
/// Each stream makes the pause longer, because waking it takes about as long as writing a small batch.
const PAUSE_PER_STREAM: Duration = Duration::from_millis(1);
/// Rate that decides about the pause, in bytes a second for all streams together: 1,000 snacks are 170 kB for each stream.
const BYTES_PER_SECOND: usize = 32 * 1024 * 1024;
/// Time before a batch is loaded again after a failure.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Interval at which the status of all users with streams is read again. Changes may be missed while Postgres is out of reach. Well
/// below [`STATUS_TTL`].
const RECHECK_AFTER: Duration = Duration::from_secs(5);

/// Sends changes to the streams, for ever.
pub async fn run(live: &LiveState) {
    loop {
        live.changes.wait_received().await;
        let pending = live.changes.take_received();
        if live.streams.is_empty() {
            continue;
        }
        let loading = async {
            let batch = load(live, &pending).await?;
            // A process that was stopped comes here before the task that checks.
            if boot_time().saturating_sub(live.streams.checked_at()) > STATUS_TTL {
                end_streams_of_deleted(live, None).await?;
            }
            Ok(batch)
        };
        match live.watchdog.guard(loading).await {
            Ok(batch) => {
                let size = batch.shared.len();
                // Fails when the last stream has just ended.
                let streams = live.batches.send(Arc::new(batch)).unwrap_or_default();
                sleep(pause_after(size, streams)).await;
            }
            Err(error) => {
                tracing::warn!(error = %chain(&error), "events not loaded, trying again");
                live.changes.put_back(pending);
                sleep(RETRY_AFTER).await;
            }
        }
    }
}

/// Pause after a batch of `size` bytes for each of `streams`.
fn pause_after(size: usize, streams: usize) -> Duration {
    let writing = Duration::from_millis((size.saturating_mul(streams) / (BYTES_PER_SECOND / 1000)) as u64);
    let waking = MIN_PAUSE + PAUSE_PER_STREAM.saturating_mul(u32::try_from(streams).unwrap_or(u32::MAX));
    writing.max(waking).min(MAX_PAUSE)
}

/// Loads the state of what has changed.
async fn load(live: &LiveState, pending: &Pending) -> Result<Batch, ApiError> {
    if pending.resync {
        return Ok(Batch { shared: RESYNC, ..Batch::default() });
    }
    let mut events = Vec::new();
    if !pending.orders.is_empty() {
        let uids: Vec<Uuid> = pending.orders.iter().copied().collect();
        events.extend(store::orders(&live.db, &uids).await?.into_iter().map(LiveEvent::Order));
    }
    if !pending.snacks.is_empty() {
        let uids: Vec<Uuid> = pending.snacks.iter().copied().collect();
        let snacks = load_live_snacks(&live.snacks, &uids).await?;
        events.extend(snacks.into_iter().map(|snack| LiveEvent::Snack(SnackEvent::from(snack))));
    }
    events.extend(pending.months.iter().map(|month| LiveEvent::Budget(BudgetEvent { month: *month })));
    let notified = live.streams.users_among(pending.notified.iter().copied());
    let counts = if notified.is_empty() { Vec::new() } else { store::unread_counts(&live.db, &notified).await? };
    let own = counts
        .into_iter()
        .map(|(user, unread_count)| (user, LiveEvent::Notification(NotificationEvent { unread_count })));
    Batch::new(&events, own).map_err(ApiError::internal)
}

/// Ends the streams of users who have resigned or were deleted, for ever.
pub async fn end_streams_of_deleted_users(live: &LiveState) {
    let mut changes = live.auth.user_cache.subscribe();
    let mut rechecks = interval(RECHECK_AFTER);
    loop {
        let changed = tokio::select! {
            _ = rechecks.tick() => None,
            change = changes.recv() => match change {
                Ok(StatusChange::Of(user)) => Some(user),
                Ok(StatusChange::Unknown) | Err(RecvError::Lagged(_)) => None,
                Err(RecvError::Closed) => return,
            },
        };
        if let Err(error) = live.watchdog.guard(end_streams_of_deleted(live, changed)).await {
            tracing::warn!(error = %chain(&error), "status of users with streams not read");
        }
    }
}

/// Ends the streams of `user`, or of all users, who have resigned or were deleted.
async fn end_streams_of_deleted(live: &LiveState, user: Option<i64>) -> Result<(), ApiError> {
    let started = boot_time();
    let users = user.map_or_else(|| live.streams.users(), |user| live.streams.users_among([user]));
    if !users.is_empty() {
        let deleted = store::deleted_users(&live.db, &users).await?;
        for user in deleted {
            live.streams.end(user);
        }
    }
    if user.is_none() {
        live.streams.set_checked_at(started);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_with_what_is_sent_and_leaves_time_within_a_second() {
        assert_eq!(pause_after(0, 0), MIN_PAUSE);
        assert_eq!(pause_after(10 * 170, 200), MIN_PAUSE + 200 * PAUSE_PER_STREAM);
        let many = pause_after(500 * 170, 200);
        assert!(many > pause_after(10 * 170, 200) && many < MAX_PAUSE, "{many:?}");
        assert_eq!(pause_after(1000 * 170, 4000), MAX_PAUSE);
        assert_eq!(pause_after(usize::MAX, usize::MAX), MAX_PAUSE);
    }
}
