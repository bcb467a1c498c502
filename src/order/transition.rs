//! Changes of the status of orders: lock, decide, write, commit.

use axum::http::HeaderMap;
use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{
    request::line_errors,
    status::{InvalidTransition, OrderStatus},
    store::{self, Order},
};
use crate::{
    audit::Action,
    auth::extract::CurrentUser,
    error::{ApiError, Code, Text},
    http::headers::if_match,
};

impl From<InvalidTransition> for ApiError {
    fn from(InvalidTransition { from, to }: InvalidTransition) -> Self {
        Code::InvalidTransition.with_detail(Text::new(
            format!("{from} 상태의 주문을 {to} 상태로 바꿀 수 없습니다."),
            format!("An order cannot change from {from} to {to}."),
        ))
    }
}

/// Changes the status of the order `uid` to `to`. `arrival` is ignored unless the new status needs it.
///
/// Of two admins at once, the second waits for the lock of the row and then finds it changed.
///
/// # Errors
/// `not_found`, `precondition_failed`, `invalid_transition`, `estimated_arrival_time_required`, `hated_snack`.
pub async fn transition(
    db: &PgPool,
    admin: &CurrentUser,
    headers: &HeaderMap,
    uid: Uuid,
    to: OrderStatus,
    arrival: Option<DateTime<Utc>>,
) -> Result<Order, ApiError> {
    let mut tx = db.begin().await?;
    let order = store::lock(&mut tx, uid).await?;
    if !if_match(headers, &store::etag(order.version)) {
        return Err(Code::PreconditionFailed.into());
    }
    let to = order.status.transition(to)?;
    let arrival = if to.needs_arrival_time() { arrival } else { order.estimated_arrival_time };
    if to.needs_arrival_time() && arrival.is_none() {
        return Err(Code::EstimatedArrivalTimeRequired.into());
    }
    if to.forbids_hated_snacks() {
        check_not_hated(&mut tx, order.id).await?;
    }
    sqlx::query!(
        "UPDATE orders SET status = $2, estimated_arrival_time = $3, version = version + 1, updated_at = clock_timestamp()
         WHERE id = $1",
        order.id,
        to as OrderStatus,
        arrival
    )
    .execute(&mut *tx)
    .await?;
    store::insert_history(&mut tx, order.id, order.status, to, admin.id, arrival).await?;
    admin.actor().log_success(&mut *tx, Action::OrderStatusChange, &format!("{uid} {to}")).await?;
    let order = store::get(&mut tx, uid).await?;
    tx.commit().await?;
    Ok(order)
}

/// Rejects an order with a snack that has more hates than likes. Counts the rows, because the statistics columns may be old.
async fn check_not_hated(tx: &mut PgConnection, order: i64) -> Result<(), ApiError> {
    let hated = sqlx::query_scalar!(
        "SELECT purchase.position FROM purchases AS purchase
         JOIN snack_reactions AS reaction ON reaction.snack_id = purchase.snack_id
         WHERE purchase.order_id = $1
         GROUP BY purchase.position
         HAVING count(*) FILTER (WHERE reaction.type = 'hate') > count(*) FILTER (WHERE reaction.type = 'like')
         ORDER BY purchase.position",
        order
    )
    .fetch_all(tx)
    .await?;
    if hated.is_empty() { Ok(()) } else { Err(line_errors(Code::HatedSnack, hated)) }
}
