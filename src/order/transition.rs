//! Moving orders along their flow: lock, decide, write, commit.

use axum::http::HeaderMap;
use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{
    request::blame,
    status::{InvalidTransition, OrderStatus},
    store::{self, Order},
};
use crate::{
    audit::log::Action,
    auth::Member,
    error::{ApiError, Code, Text},
    http::headers::if_match,
};

impl From<InvalidTransition> for ApiError {
    fn from(InvalidTransition { from, to }: InvalidTransition) -> Self {
        Code::InvalidTransition.because(Text::new(
            format!("{from} 상태의 주문을 {to} 상태로 바꿀 수 없습니다."),
            format!("An order that is {from} cannot become {to}."),
        ))
    }
}

/// Moves the order `uid` to `to`. `arrival` counts only where the flow asks for it; elsewhere what stood there stays.
///
/// Of two admins at once the second finds the row locked, then changed.
///
/// # Errors
/// `not_found`, `precondition_failed`, `invalid_transition`, `estimated_arrival_time_required`, `hated_snack`.
pub async fn transition(
    db: &PgPool,
    admin: &Member,
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
    if to.refuses_hated_snacks() {
        refuse_hated(&mut tx, order.id).await?;
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
    store::record(&mut tx, order.id, order.status, to, admin.id, arrival).await?;
    admin.actor().did(&mut *tx, Action::OrderStatusChange, &format!("{uid} {to}")).await?;
    let order = store::get(&mut tx, uid).await?;
    tx.commit().await?;
    Ok(order)
}

/// Refuses an order with a snack that more people hate than like: judged on the rows at this moment, since the statistics
/// columns trail.
async fn refuse_hated(tx: &mut PgConnection, order: i64) -> Result<(), ApiError> {
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
    if hated.is_empty() { Ok(()) } else { Err(blame(Code::HatedSnack, hated)) }
}
