//! Removal of expired rows and of pictures without a snack.

use std::time::Duration;

use chrono::Utc;
use metrics_exporter_prometheus::PrometheusHandle;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{
    auth::{invitations, links, sessions},
    db::{
        interval::{Next, every},
        locks::{Lock, try_lock},
    },
    error::ApiError,
    notification::store as notifications,
    oidc,
    order::idempotency,
    outbox::delivery,
    snack::{state::SnackState, sweep},
};

const INTERVAL: Duration = Duration::from_hours(1);

/// Cleans up every hour until `stop`.
pub async fn run(snacks: &SnackState, metrics: &PrometheusHandle, stop: &CancellationToken) {
    every("cleanup", INTERVAL, stop, || async {
        metrics.run_upkeep();
        if remove_expired(&snacks.db).await? {
            // Outside of the transaction, because listing the storage takes long.
            sweep::remove_unnamed(&snacks.db, &snacks.storage, Utc::now()).await?;
        }
        Ok(Next::Tick)
    })
    .await;
}

/// Removes expired refresh tokens, idempotency keys, notifications, tokens of links, mails and deliveries, unless another server is doing so. Returns whether this server did.
pub async fn remove_expired(db: &PgPool) -> Result<bool, ApiError> {
    let mut tx = db.begin().await?;
    let is_elected = try_lock(&mut tx, Lock::Cleanup).await?;
    if is_elected {
        let sessions = sessions::remove_expired(&mut *tx).await?;
        let idempotency_keys = idempotency::remove_expired(&mut *tx).await?;
        let notifications = notifications::remove_expired(&mut *tx).await?;
        let invitations = invitations::remove_expired(&mut *tx).await?;
        let link_tokens = links::remove_expired(&mut *tx).await?;
        let sign_in_codes = oidc::remove_expired(&mut *tx).await?;
        let account_mails = delivery::remove_account_mails(&mut *tx).await?;
        let deliveries = delivery::remove_expired(&mut *tx).await?;
        tx.commit().await?;
        tracing::debug!(
            sessions,
            idempotency_keys,
            notifications,
            invitations,
            link_tokens,
            sign_in_codes,
            account_mails,
            deliveries,
            "expired rows removed"
        );
    }
    Ok(is_elected)
}
