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
    /// Pages as JSON. Requests for the same page share the statement.
    pages: Batcher<(Filter, Sorted), i64, Bytes>,
}

impl OrderState {
    pub fn new(db: PgPool, watchdog: Arc<DbWatchdog>) -> Self {
        Self { db, pages: Batcher::new(CONCURRENT_BATCHES, watchdog) }
    }

    /// Page of orders as `viewer` sees it, as JSON.
    pub async fn load_page(&self, viewer: i64, filter: Filter, sorted: Sorted) -> Result<Bytes, ApiError> {
        let page = (filter, sorted);
        let load = {
            let (db, page) = (self.db.clone(), Arc::new(page.clone()));
            move |viewers: Vec<i64>| {
                let (db, page) = (db.clone(), Arc::clone(&page));
                async move {
                    let (filter, sorted) = &*page;
                    let mut page = store::list(&db, &viewers, filter, sorted).await?;
                    page.write_for(
                        &viewers,
                        |viewer, order| order.is_followed_by(viewer),
                        |order, is_followed| order.followed_by_me = *is_followed,
                    )
                }
            }
        };
        self.pages.load(page, viewer, load).await
    }
}
