//! Deliveries of the outbox.

use serde::{Deserialize, Serialize};
use sqlx::PgExecutor;
use utoipa::ToSchema;

use crate::error::ApiError;

/// Status of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "delivery_status", rename_all = "lowercase")]
pub enum DeliveryStatus {
    /// Waits for its first or next attempt, or one is under way.
    Pending,
    /// The receiver responded with a 2xx.
    Delivered,
    /// Given up.
    Failed,
}

/// Removes mails with links after an hour, so that typed emails are not kept. A link for a new password would come too late then; an
/// invitation that is still to be sent stays. Returns their number.
pub async fn remove_account_mails(db: impl PgExecutor<'_>) -> Result<u64, ApiError> {
    let removed = sqlx::query!(
        "DELETE FROM account_mails AS mail
         WHERE created_at < now() - interval '1 hour' AND (invitation_id IS NULL
             OR NOT EXISTS (SELECT FROM deliveries WHERE account_mail_id = mail.id AND status = 'pending'))"
    );
    Ok(removed.execute(db).await?.rows_affected())
}

/// Removes deliveries that ended 30 days ago or earlier, and returns their number.
pub async fn remove_expired(db: impl PgExecutor<'_>) -> Result<u64, ApiError> {
    let removed = sqlx::query!("DELETE FROM deliveries WHERE finished_at < now() - interval '30 days'");
    Ok(removed.execute(db).await?.rows_affected())
}
