//! State of snacks.

use std::sync::Arc;

use axum::body::Bytes;
use sqlx::PgPool;
use uuid::Uuid;

use super::{
    image_worker::ImageWorker,
    storage::Storage,
    store::{self, Filter, LiveSnack, Snack, SnackLookup},
};
use crate::{
    changes::Changes,
    config::Config,
    db::{batcher::Batcher, watchdog::DbWatchdog},
    error::ApiError,
    http::pagination::Sorted,
    reaction::{
        counters::{Counters, StoredCounts},
        state::current,
        store::{count, count_all},
    },
};

/// Number of batches of the same page or lookup that run at once.
const CONCURRENT_BATCHES: usize = 2;

/// Number of snacks whose counters are read with one command, so that other commands do not wait long.
const COUNTED_AT_ONCE: usize = 300;

pub struct SnackState {
    pub db: PgPool,
    pub storage: Storage,
    pub image_worker: ImageWorker,
    pub changes: Arc<Changes>,
    counters: Arc<Counters>,
    /// Pages as JSON. Requests for the same page share the statement, but each viewer gets their own reactions.
    pages: Batcher<(Filter, Sorted), i64, Bytes>,
    lookups: Batcher<(), SnackLookup, (Snack, Option<StoredCounts>)>,
}

impl SnackState {
    pub fn new(
        config: &Config,
        db: PgPool,
        storage: Storage,
        counters: Arc<Counters>,
        changes: Arc<Changes>,
        watchdog: Arc<DbWatchdog>,
    ) -> Self {
        Self {
            db,
            storage,
            image_worker: ImageWorker::new(config.program.clone()),
            changes,
            counters,
            pages: Batcher::new(CONCURRENT_BATCHES, Arc::clone(&watchdog)),
            lookups: Batcher::new(CONCURRENT_BATCHES, watchdog),
        }
    }
}

/// Page of snacks as `viewer` sees it, as JSON.
pub async fn load_page(
    state: &Arc<SnackState>,
    viewer: i64,
    filter: Filter,
    sorted: Sorted,
) -> Result<Bytes, ApiError> {
    let page = (filter, sorted);
    let load = {
        let (db, page) = (state.db.clone(), Arc::new(page.clone()));
        move |viewers: Vec<i64>| {
            let (db, page) = (db.clone(), Arc::clone(&page));
            async move {
                let (filter, sorted) = &*page;
                let (mut page, reactions) = store::list(&db, &viewers, filter, sorted).await?;
                page.write_for(
                    &viewers,
                    |viewer, snack| reactions.get(&(viewer, snack.id)).copied(),
                    |snack, reaction| snack.my_reaction = *reaction,
                )
            }
        }
    };
    state.pages.load(page, viewer, load).await
}

/// Snack as `viewer` sees it, with its current counts.
///
/// # Errors
/// `not_found`.
pub async fn load_snack(state: &Arc<SnackState>, viewer: i64, uid: Uuid) -> Result<Snack, ApiError> {
    let load = {
        let state = Arc::clone(state);
        move |lookups: Vec<SnackLookup>| {
            let state = Arc::clone(&state);
            async move {
                let uids: Vec<Uuid> = lookups.iter().map(|lookup| lookup.uid).collect();
                let (snacks, counts) =
                    tokio::join!(store::look_up(&state.db, &lookups), state.counters.trusted_counts(&uids));
                Ok(snacks?.into_iter().zip(counts).map(|(snack, counts)| Ok((snack?, counts))).collect())
            }
        }
    };
    let (mut snack, stored) = state.lookups.load((), SnackLookup { viewer, uid }, load).await?;
    match current(stored, snack.counter_epoch) {
        Some(counts) => snack.set_counts(counts),
        // Counted by the lookup.
        None if snack.counter_epoch == 0 => {}
        None => snack.set_counts(count(&state.db, uid).await?),
    }
    Ok(snack)
}

/// The snacks of `uids` that exist, with their current counts.
pub async fn load_live_snacks(state: &SnackState, uids: &[Uuid]) -> Result<Vec<LiveSnack>, ApiError> {
    let mut snacks = store::live_snacks(&state.db, uids).await?;
    let mut uncounted = Vec::new();
    for batch in snacks.chunks_mut(COUNTED_AT_ONCE) {
        let uids: Vec<Uuid> = batch.iter().map(|snack| snack.uid).collect();
        for (snack, stored) in batch.iter_mut().zip(state.counters.trusted_counts(&uids).await) {
            match current(stored, snack.counter_epoch) {
                Some(counts) => snack.counts = counts,
                None => uncounted.push(snack.uid),
            }
        }
    }
    if !uncounted.is_empty() {
        let counted = count_all(&state.db, &uncounted).await?;
        for snack in &mut snacks {
            if let Some(counts) = counted.get(&snack.uid) {
                snack.counts = *counts;
            }
        }
    }
    Ok(snacks)
}
