//! Notifications, events and live changes of orders.

use serde_json::{Map, Value, json};
use sqlx::PgConnection;

use super::{status::OrderStatus, store::Order};
use crate::{
    domain::period::Month,
    error::ApiError,
    outbox::{Details, EventType, Message, NotificationKind, Outbox, Readers},
};

/// Change of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    Created,
    /// To the status that the order has now.
    Transition,
    ArrivalChanged,
    EditedByOwner,
    EditedByAdmin,
}

impl News {
    fn kind(self, status: OrderStatus) -> Option<NotificationKind> {
        match self {
            Self::Created => Some(NotificationKind::OrderCreated),
            Self::Transition => match status {
                OrderStatus::Created => None,
                OrderStatus::Approved => Some(NotificationKind::OrderApproved),
                OrderStatus::Ordered => Some(NotificationKind::OrderOrdered),
                OrderStatus::Shipping => Some(NotificationKind::OrderShipping),
                OrderStatus::Completed => Some(NotificationKind::OrderCompleted),
                OrderStatus::Canceled => Some(NotificationKind::OrderCanceled),
            },
            Self::ArrivalChanged => Some(NotificationKind::OrderArrivalChanged),
            Self::EditedByOwner => None,
            Self::EditedByAdmin => Some(NotificationKind::OrderEditedByAdmin),
        }
    }

    fn event(self, status: OrderStatus) -> Option<EventType> {
        match self {
            Self::Created => Some(EventType::OrderCreated),
            Self::Transition => match status {
                OrderStatus::Created => None,
                OrderStatus::Approved => Some(EventType::OrderApproved),
                OrderStatus::Ordered => Some(EventType::OrderOrdered),
                OrderStatus::Shipping => Some(EventType::OrderShipping),
                OrderStatus::Completed => Some(EventType::OrderCompleted),
                OrderStatus::Canceled => Some(EventType::OrderCanceled),
            },
            Self::ArrivalChanged => Some(EventType::OrderArrivalChanged),
            Self::EditedByOwner | Self::EditedByAdmin => None,
        }
    }
}

/// Writes what is told of a change of `order`, in its transaction. Returns the users who are notified.
pub async fn write(
    tx: &mut PgConnection,
    outbox: &Outbox,
    news: News,
    order: &Order,
    actor: i64,
    reason: Option<&str>,
) -> Result<Vec<i64>, ApiError> {
    let Some(kind) = news.kind(order.status) else { return Ok(Vec::new()) };
    let details = Details {
        snack: order.purchases.first().map(|purchase| purchase.snack.name.clone()),
        other_snacks: Some(order.purchases.len().saturating_sub(1)),
        reason: reason.map(str::to_owned),
        estimated_arrival_time: order.estimated_arrival_time,
        ..Details::default()
    };
    let message = Message {
        readers: match news {
            News::Created => Readers::Admins,
            _ => Readers::OwnerAndFollowers(order.user.id),
        },
        kind: Some(kind),
        details,
        order: Some(order.id()),
        actor: Some(actor),
        event: news.event(order.status),
        data: data(order, reason)?,
    };
    outbox.write(tx, message).await
}

/// `data` of an event, without the actor. The order is the same for all receivers, so nobody follows it here.
fn data(order: &Order, reason: Option<&str>) -> Result<Map<String, Value>, ApiError> {
    let mut order = serde_json::to_value(order).map_err(ApiError::internal)?;
    order["followed_by_me"] = json!(false);
    Ok(Map::from_iter([("order".to_owned(), order), ("reason".to_owned(), json!(reason))]))
}

/// Tells open pages of a change of `order` that was committed, and of those snacks that may be ordered now or no longer.
pub fn committed(outbox: &Outbox, order: &Order, notified: Vec<i64>) {
    outbox.changes.order(order.uid);
    outbox.changes.snacks(order.purchases.iter().map(|purchase| purchase.snack.uid));
    let months = [order.approved_at, Some(order.updated_at)].into_iter().flatten();
    for month in months.map(|at| Month::of(at, outbox.timezone)) {
        outbox.changes.budget(month);
    }
    outbox.committed(notified);
}
