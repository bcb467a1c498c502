//! Cache of roles and resignations, so that a request does not have to ask Postgres for them.
//!
//! Measured gain: without the cache `GET /snacks/{uid}` fell from 14,300 to 8,400 requests/s at 16 connections, and from 19,800 to 10,700
//! at 64.
//!
//! Every change fires a trigger that notifies the channel `user_changed`, whoever made it: this server, another one, or psql. The
//! server that makes a change also invalidates its own entry at once, because the next request of the same client must not see the
//! old one. Three rules keep the cache correct:
//!
//! - It is used only while the channel is connected. Before that, and from the moment the connection is lost, every request asks
//!   Postgres.
//! - It is used at most [`STATUS_TTL`] after the last ping of the channel that was answered was sent. Each use compares the clock,
//!   because the task that pings may not run: a process that was stopped for a while handles requests before it.
//! - A row that was read before a change and arrives after it is not cached: a read remembers the generation of the cache, and every
//!   change starts a new one.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock, RwLockWriteGuard},
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgListener, PgNotification, PgPoolOptions},
};
use tokio::{
    sync::broadcast,
    time::{Instant, sleep, timeout},
};

use super::users::{self, UserStatus};
use crate::error::{ApiError, chain};

/// Time for which the status of a user may be an earlier one: that of an admin who was demoted, or of a member who has resigned.
pub const STATUS_TTL: Duration = Duration::from_secs(8);
/// Interval of pings of the channel. An unanswered one is noticed well within [`STATUS_TTL`].
const PING_AFTER: Duration = Duration::from_secs(2);
const PING_TIMEOUT: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const RECONNECT_AFTER: Duration = Duration::from_secs(1);

/// Changes that wait for a subscriber. A subscriber that falls further behind is told so.
const WAITING_CHANGES: usize = 256;

pub struct UserStatusCache {
    entries: RwLock<Entries>,
    changes: broadcast::Sender<StatusChange>,
}

/// Change of the status of users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusChange {
    Of(i64),
    /// Changes may have been missed.
    Unknown,
}

#[derive(Default)]
struct Entries {
    /// None while the channel is disconnected. An entry takes a few bytes, so the number of users is limit enough.
    by_user: Option<HashMap<i64, UserStatus>>,
    generation: u64,
    /// [`boot_time`] before which no change is missing.
    complete_until: Duration,
}

#[cfg(target_os = "linux")]
const CLOCK: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const CLOCK: ClockId = ClockId::Monotonic;

/// Time since the machine has started. Unlike [`Instant`] it goes on while the machine is suspended or moved.
pub fn boot_time() -> Duration {
    clock_gettime(CLOCK).try_into().unwrap_or_default()
}

/// Time since a [`boot_time`].
fn since(earlier: Duration) -> Duration {
    boot_time().saturating_sub(earlier)
}

impl Default for UserStatusCache {
    fn default() -> Self {
        Self { entries: RwLock::default(), changes: broadcast::Sender::new(WAITING_CHANGES) }
    }
}

impl UserStatusCache {
    /// Changes from now on. Each comes after its commit, and after the old entry has been removed.
    pub fn subscribe(&self) -> broadcast::Receiver<StatusChange> {
        self.changes.subscribe()
    }

    /// Status of `user_id`, from the cache or from Postgres. None when there is no such user.
    pub async fn get(&self, db: &PgPool, user_id: i64) -> Result<Option<UserStatus>, ApiError> {
        loop {
            let (generation, asked_at) = {
                let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
                if let Some(status) = entries.by_user.as_ref().and_then(|by_user| by_user.get(&user_id))
                    && since(entries.complete_until) < STATUS_TTL
                {
                    return Ok(Some(*status));
                }
                (entries.generation, boot_time())
            };
            let status = users::status(db, user_id).await?;
            if let Some(status) = status {
                let mut entries = self.write();
                if entries.generation == generation
                    && let Some(by_user) = &mut entries.by_user
                {
                    by_user.insert(user_id, status);
                }
            }
            // The process may have been stopped after Postgres had answered.
            if since(asked_at) < STATUS_TTL {
                return Ok(status);
            }
        }
    }

    /// Removes the entry of `user_id`, whose status has changed.
    pub fn invalidate(&self, user_id: i64) {
        {
            let mut entries = self.write();
            entries.generation += 1;
            if let Some(by_user) = &mut entries.by_user {
                by_user.remove(&user_id);
            }
        }
        // Fails without subscribers.
        let _ = self.changes.send(StatusChange::Of(user_id));
    }

    /// Removes all entries. `connected_at` is the [`boot_time`] from which on changes are received. None if they are not.
    fn reset(&self, connected_at: Option<Duration>) {
        metrics::gauge!("user_cache_connected").set(f64::from(connected_at.is_some()));
        {
            let mut entries = self.write();
            entries.generation += 1;
            entries.by_user = connected_at.map(|_| HashMap::new());
            entries.complete_until = connected_at.unwrap_or_default();
        }
        if connected_at.is_some() {
            let _ = self.changes.send(StatusChange::Unknown);
        }
    }

    fn receive(&self, notification: &PgNotification) {
        if let Ok(user_id) = notification.payload().parse() {
            self.invalidate(user_id);
        }
    }

    fn write(&self) -> RwLockWriteGuard<'_, Entries> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Listens for changes for ever, on a connection of its own. `direct` leads past a pooler, because a notification reaches the
    /// session that listens.
    pub async fn listen(&self, direct: &PgConnectOptions) {
        let direct = direct.clone().application_name("snack-server listener");
        loop {
            if let Err(error) = self.follow(&direct).await {
                tracing::warn!(error = %chain(&error), "user changes not received, asking Postgres for each request");
            }
            self.reset(None);
            sleep(RECONNECT_AFTER).await;
        }
    }

    /// Follows the channel until the connection is lost.
    async fn follow(&self, direct: &PgConnectOptions) -> Result<(), sqlx::Error> {
        // A new pool each time: a listener that is dropped keeps its place until Postgres has answered, which it may never do.
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(CONNECT_TIMEOUT)
            .connect_lazy_with(direct.clone());
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.ignore_pool_close_event(true);
        listener.eager_reconnect(false);
        let connected_at = boot_time();
        timeout(PING_TIMEOUT, listener.listen("user_changed")).await.map_err(|_| sqlx::Error::PoolTimedOut)??;
        self.reset(Some(connected_at));
        let mut pinged_at = Instant::now();
        loop {
            match timeout(PING_AFTER.saturating_sub(pinged_at.elapsed()), listener.try_recv()).await {
                Ok(Ok(Some(notification))) => self.receive(&notification),
                Ok(Ok(None)) => return Ok(()),
                Ok(Err(error)) => return Err(error),
                Err(_elapsed) => {
                    pinged_at = Instant::now();
                    let asked_at = boot_time();
                    // A read-only Postgres may have been the primary before a failover. Changes are made elsewhere then.
                    let is_read_only = sqlx::query_scalar("SELECT current_setting('transaction_read_only')::bool");
                    let ping = is_read_only.fetch_one(&mut listener);
                    if timeout(PING_TIMEOUT, ping).await.map_err(|_| sqlx::Error::PoolTimedOut)?? {
                        return Err(sqlx::Error::Protocol("Postgres is read-only".into()));
                    }
                    // Postgres sends the notifications of earlier changes before the end of its answer.
                    while let Some(notification) = listener.next_buffered() {
                        self.receive(&notification);
                    }
                    self.write().complete_until = asked_at;
                }
            }
        }
    }
}
