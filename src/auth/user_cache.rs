//! Who is a member, an admin, or gone, without asking Postgres at every request.
//!
//! A server keeps the standing of the users it has met in memory. Whoever changes one (this server, another, psql) fires a
//! trigger that notifies the channel `user_changed`; this server, which must not answer its own client's next request
//! from an old entry, forgets it at once as well ([`Standings::forget`]). Two things keep the memory honest:
//!
//! - it is used only while the channel is known to be alive: from the moment the channel is lost until it is restored,
//!   and always before it first stands, every request asks Postgres;
//! - a row that was read before a change and arrives after it is not kept: reading notes the generation before, and every
//!   change begins a new one.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
    time::Duration,
};

use sqlx::{PgPool, postgres::PgListener};
use tokio::time::{Instant, sleep, timeout};

use super::users::{self, Standing};
use crate::error::ApiError;

/// How long the channel may be silent before it has to prove that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// The standings that this server knows.
#[derive(Default)]
pub struct Standings(RwLock<Known>);

#[derive(Default)]
struct Known {
    /// None while the channel is down. Entries are a few bytes for each user met, so that the table of users is bound enough.
    by_user: Option<HashMap<i64, Standing>>,
    generation: u64,
}

impl Standings {
    /// The standing of `user_id`, from memory or from Postgres; none when there is no such user.
    ///
    /// # Errors
    /// Postgres out of reach.
    pub async fn of(&self, db: &PgPool, user_id: i64) -> Result<Option<Standing>, ApiError> {
        let before = {
            let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(standing) = known.by_user.as_ref().and_then(|by_user| by_user.get(&user_id)) {
                return Ok(Some(*standing));
            }
            known.generation
        };
        let standing = users::standing(db, user_id).await?;
        if let Some(standing) = standing {
            let mut known = self.write();
            if known.generation == before
                && let Some(by_user) = &mut known.by_user
            {
                by_user.insert(user_id, standing);
            }
        }
        Ok(standing)
    }

    /// Forgets `user_id`, whose standing has changed.
    pub fn forget(&self, user_id: i64) {
        let mut known = self.write();
        known.generation += 1;
        if let Some(by_user) = &mut known.by_user {
            by_user.remove(&user_id);
        }
    }

    /// Begins anew with an empty memory, or with none while the channel is down.
    fn reset(&self, alive: bool) {
        let mut known = self.write();
        known.generation += 1;
        known.by_user = alive.then(HashMap::new);
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Known> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Listens for changes for ever, on a connection of its own.
    pub async fn listen(&self, db: &PgPool) {
        loop {
            if let Err(error) = self.follow(db).await {
                tracing::warn!(%error, "the channel of user changes is down; asking Postgres at every request");
            }
            self.reset(false);
            sleep(Duration::from_secs(1)).await;
        }
    }

    /// Follows the channel until it is lost.
    async fn follow(&self, db: &PgPool) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect_with(db).await?;
        listener.ignore_pool_close_event(true);
        listener.eager_reconnect(false);
        listener.listen("user_changed").await?;
        self.reset(true);
        let mut heard = Instant::now();
        loop {
            match timeout(HEARTBEAT.saturating_sub(heard.elapsed()), listener.try_recv()).await {
                Ok(Ok(Some(notification))) => {
                    if let Ok(user_id) = notification.payload().parse() {
                        self.forget(user_id);
                    }
                }
                Ok(Ok(None)) => return Ok(()),
                Ok(Err(error)) => return Err(error),
                Err(_silence) => {
                    let ping = sqlx::query("SELECT 1").execute(&mut listener);
                    timeout(Duration::from_secs(2), ping).await.map_err(|_| sqlx::Error::PoolTimedOut)??;
                    heard = Instant::now();
                }
            }
        }
    }
}
