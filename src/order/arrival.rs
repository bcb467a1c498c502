//! Correction of estimated arrival times.

use axum::http::HeaderMap;
use chrono::{DateTime, Utc};
use sqlx::PgPool;
use uuid::Uuid;

use super::{
    news::{self, News},
    store::{self, NewHistoryEntry, Order},
};
use crate::{
    audit::Action,
    auth::extract::CurrentUser,
    error::{ApiError, Code},
    outbox::Outbox,
};

/// # Errors
/// `not_found`, `precondition_failed`; `arrival_not_expected` unless the order is `ordered` or `shipping`.
pub async fn change(
    db: &PgPool,
    outbox: &Outbox,
    admin: &CurrentUser,
    headers: &HeaderMap,
    uid: Uuid,
    arrival: DateTime<Utc>,
    reason: Option<&str>,
) -> Result<Order, ApiError> {
    let mut tx = db.begin().await?;
    let order = store::lock(&mut tx, uid).await?;
    order.check_if_match(headers)?;
    if !order.status.needs_arrival_time() {
        return Err(Code::ArrivalNotExpected.into());
    }
    sqlx::query!(
        "UPDATE orders SET estimated_arrival_time = $2, version = version + 1, updated_at = clock_timestamp() WHERE id = $1",
        order.id,
        arrival
    )
    .execute(&mut *tx)
    .await?;
    let entry = NewHistoryEntry {
        order: order.id,
        from: order.status,
        to: order.status,
        actor: admin.id,
        arrival: Some(arrival),
        reason,
        is_over_budget: false,
    };
    store::insert_history(&mut tx, &entry).await?;
    admin.actor().log_success(&mut *tx, Action::OrderArrivalChange, &uid.to_string()).await?;
    let order = store::get(&mut tx, admin.id, uid).await?;
    let notified = news::write(&mut tx, outbox, News::ArrivalChanged, &order, admin.id, reason).await?;
    tx.commit().await?;
    news::committed(outbox, &order, notified);
    Ok(order)
}
