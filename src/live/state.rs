//! State of the streams.

use std::sync::Arc;

use sqlx::PgPool;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::{event::Batch, open_streams::OpenStreams};
use crate::{auth::state::AuthState, changes::Changes, db::watchdog::DbWatchdog, snack::state::SnackState};

/// Number of batches that wait for a stream. One that falls further behind gets a resync instead.
const WAITING_BATCHES: usize = 16;

pub struct LiveState {
    pub db: PgPool,
    pub watchdog: Arc<DbWatchdog>,
    pub auth: Arc<AuthState>,
    pub snacks: Arc<SnackState>,
    pub changes: Arc<Changes>,
    pub streams: Arc<OpenStreams>,
    pub batches: broadcast::Sender<Arc<Batch>>,
    /// Cancelled when the server is stopping.
    pub stop: CancellationToken,
}

impl LiveState {
    pub fn new(
        db: PgPool,
        watchdog: Arc<DbWatchdog>,
        auth: Arc<AuthState>,
        snacks: Arc<SnackState>,
        changes: Arc<Changes>,
        stop: CancellationToken,
    ) -> Self {
        let streams = OpenStreams::new(stop.clone());
        Self { db, watchdog, auth, snacks, changes, streams, batches: broadcast::Sender::new(WAITING_BATCHES), stop }
    }
}
