//! What handlers share.

use std::{ops::Deref, sync::Arc};

use axum::body::Bytes;
use metrics_exporter_prometheus::PrometheusHandle;
use sqlx::PgPool;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    auth::{limits::Limits, password::Passwords, token::Keys, user_cache::Standings},
    config::Config,
    db::{batcher::Batches, watchdog::Pulse},
    reaction::{
        Counts,
        counters::{Counters, Stored},
        store::{Change, Wish},
    },
    snack::{
        image_worker::Sandbox,
        storage::Media,
        store::{Look, Snack},
    },
};

/// Shared by every request; cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<Shared>);

/// What [`AppState`] leads to.
pub struct Shared {
    /// The settings.
    pub config: Config,
    /// Whether Postgres answers at all.
    pub pulse: Arc<Pulse>,
    /// Postgres.
    pub db: PgPool,
    /// Reaction counters in Redis.
    pub counters: Counters,
    /// Pages of snacks that are still to be read, by which page it is; JSON, as each viewer sees it.
    pub snack_pages: Batches<String, i64, Bytes>,
    /// Snacks that are still to be read, and what Redis holds of them.
    pub snacks: Batches<(), Look, (Snack, Option<Stored>)>,
    /// Pages of orders that are still to be read, by which page it is; JSON.
    pub order_pages: Batches<String, (), Bytes>,
    /// Reactions that are still to be written; what they changed, and the counts if Redis knows them. None where a lock was in
    /// the way.
    pub reactions: Batches<(), Wish, Option<(Change, Option<Counts>)>>,
    /// One permit for each reaction that may wait for a lock by itself, with a connection of the pool.
    pub locked_reactions: Semaphore,
    /// The store of pictures.
    pub media: Media,
    /// Makes uploaded pictures fit to be stored.
    pub pictures: Sandbox,
    /// How often somebody may try to sign in or up.
    pub limits: Limits,
    /// Signs and verifies tokens.
    pub keys: Keys,
    /// Hashes and verifies passwords.
    pub passwords: Passwords,
    /// Who is a member, an admin, or gone.
    pub standings: Standings,
    /// Work that a stop of the server waits for.
    pub tasks: TaskTracker,
    /// Set when the server is told to stop.
    pub stop: CancellationToken,
    /// What `/metrics` shows.
    pub metrics: PrometheusHandle,
}

impl AppState {
    /// Shares `shared`.
    #[must_use]
    pub fn new(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }
}

impl Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
