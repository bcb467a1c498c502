//! Deliveries of the outbox.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
