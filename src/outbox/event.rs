//! Types of events for channels, and kinds of notifications for users.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::{money::Currency, period::Month};

/// Event that channels get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub enum EventType {
    #[serde(rename = "order.created")]
    OrderCreated,
    #[serde(rename = "order.approved")]
    OrderApproved,
    #[serde(rename = "order.ordered")]
    OrderOrdered,
    #[serde(rename = "order.shipping")]
    OrderShipping,
    #[serde(rename = "order.completed")]
    OrderCompleted,
    #[serde(rename = "order.canceled")]
    OrderCanceled,
    #[serde(rename = "order.arrival_changed")]
    OrderArrivalChanged,
    #[serde(rename = "snack.registered")]
    SnackRegistered,
    #[serde(rename = "budget.reached")]
    BudgetReached,
}

impl EventType {
    pub const ALL: [Self; 9] = [
        Self::OrderCreated,
        Self::OrderApproved,
        Self::OrderOrdered,
        Self::OrderShipping,
        Self::OrderCompleted,
        Self::OrderCanceled,
        Self::OrderArrivalChanged,
        Self::SnackRegistered,
        Self::BudgetReached,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OrderCreated => "order.created",
            Self::OrderApproved => "order.approved",
            Self::OrderOrdered => "order.ordered",
            Self::OrderShipping => "order.shipping",
            Self::OrderCompleted => "order.completed",
            Self::OrderCanceled => "order.canceled",
            Self::OrderArrivalChanged => "order.arrival_changed",
            Self::SnackRegistered => "snack.registered",
            Self::BudgetReached => "budget.reached",
        }
    }
}

/// Kind of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "notification_kind", rename_all = "snake_case")]
pub enum NotificationKind {
    /// To admins.
    OrderCreated,
    /// This one and the following about orders: to the owner and the followers.
    OrderApproved,
    OrderOrdered,
    OrderShipping,
    OrderCompleted,
    OrderCanceled,
    OrderArrivalChanged,
    OrderEditedByAdmin,
    /// To the member.
    MemberTypeChanged,
    /// To admins: 80% or 100% of a budget is committed.
    BudgetReached,
}

/// Content of the text of a notification besides its kind and its actor, as it was at that time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Details {
    /// Name of the first snack of the order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snack: Option<String>,
    /// Number of the other snacks of the order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_snacks: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_arrival_time: Option<DateTime<Utc>>,
    /// Whether the member has become an admin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_admin: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub month: Option<Month>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// Percentage of the budget that was reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<i16>,
}
