//! State of orders.

use std::sync::Arc;

use axum::body::Bytes;
use sqlx::PgPool;

use super::store::{self, Filter};
use crate::{
    db::{batcher::Batcher, watchdog::DbWatchdog},
    error::ApiError,
    http::pagination::Sorted,
};

/// Number of batches of the same page that run at once.
const CONCURRENT_BATCHES: usize = 2;

pub struct OrderState {
    db: PgPool,
    /// Pages as JSON. They are the same for every viewer.
    pages: Batcher<(Filter, Sorted), (), Bytes>,
}

impl OrderState {
    pub fn new(db: PgPool, watchdog: Arc<DbWatchdog>) -> Self {
        Self { db, pages: Batcher::new(CONCURRENT_BATCHES, watchdog) }
    }

    /// Page of orders as JSON.
    pub async fn load_page(&self, filter: Filter, sorted: Sorted) -> Result<Bytes, ApiError> {
        let page = (filter, sorted);
        let load = {
            let (db, page) = (self.db.clone(), Arc::new(page.clone()));
            move |requests: Vec<()>| {
                let (db, page) = (db.clone(), Arc::clone(&page));
                async move {
                    let (filter, sorted) = &*page;
                    let page = store::list(&db, filter, sorted).await?;
                    let page = Bytes::from(serde_json::to_vec(&page).map_err(ApiError::internal)?);
                    Ok(requests.iter().map(|()| Ok(page.clone())).collect())
                }
            }
        };
        self.pages.load(page, (), load).await
    }
}
