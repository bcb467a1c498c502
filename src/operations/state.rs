//! State of the operations endpoints.

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::{gauges::Gauges, recorder::recorder};
use crate::{error::ApiError, reaction::counters::Counters};

pub struct OperationsState {
    pub db: PgPool,
    pub counters: Arc<Counters>,
    pub metrics: PrometheusHandle,
    pub gauges: Gauges,
    /// Cancelled when the server is stopping.
    pub stop: CancellationToken,
}

impl OperationsState {
    /// # Errors
    /// The recorder of the metrics cannot be installed.
    pub fn new(db: PgPool, counters: Arc<Counters>, stop: CancellationToken) -> Result<Self, ApiError> {
        Ok(Self { db, counters, metrics: recorder()?, gauges: Gauges::default(), stop })
    }
}
