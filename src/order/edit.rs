//! Editing of orders.

use std::collections::HashMap;

use axum::http::HeaderMap;
use sqlx::PgPool;
use uuid::Uuid;

use super::{
    create::{check_available, insert_purchases},
    news::{self, News},
    request::ResolvedLine,
    store::{self, Order},
};
use crate::{
    auth::extract::CurrentUser,
    error::{ApiError, Code},
    outbox::Outbox,
};

/// Replaces the lines of the order `uid`, and its note if there is one. A snack that stays keeps its price, and may stay even if it has become unavailable.
///
/// # Errors
/// `not_found`; `permission_denied` unless `user` is the owner or an admin; `precondition_failed`; `order_not_editable`; those of
/// creating an order.
pub async fn replace(
    db: &PgPool,
    outbox: &Outbox,
    user: &CurrentUser,
    headers: &HeaderMap,
    uid: Uuid,
    lines: &[ResolvedLine],
    note: Option<&str>,
) -> Result<Order, ApiError> {
    let mut tx = db.begin().await?;
    let order = store::lock(&mut tx, uid).await?;
    user.may_change(Some(order.user_id))?;
    order.check_if_match(headers)?;
    if !order.status.is_editable() {
        return Err(Code::OrderNotEditable.into());
    }
    let present: HashMap<i64, Uuid> = sqlx::query!(
        "SELECT snacks.id, snacks.uid FROM purchases JOIN snacks ON snacks.id = purchases.snack_id WHERE order_id = $1",
        order.id
    )
    .fetch_all(&mut *tx)
    .await?
    .into_iter()
    .map(|row| (row.id, row.uid))
    .collect();
    let (kept, added): (Vec<&ResolvedLine>, Vec<&ResolvedLine>) =
        lines.iter().partition(|line| present.contains_key(&line.snack_id));
    check_available(added.iter().copied())?;

    let snacks: Vec<i64> = kept.iter().map(|line| line.snack_id).collect();
    let positions: Vec<i32> = kept.iter().map(|line| line.position).collect();
    let quantities: Vec<i32> = kept.iter().map(|line| line.quantity).collect();
    sqlx::query!("DELETE FROM purchases WHERE order_id = $1 AND snack_id <> ALL($2)", order.id, &snacks)
        .execute(&mut *tx)
        .await?;
    sqlx::query!(
        "UPDATE purchases SET position = line.position, quantity = line.quantity
         FROM unnest($2::bigint[], $3::int[], $4::int[]) AS line (snack_id, position, quantity)
         WHERE purchases.order_id = $1 AND purchases.snack_id = line.snack_id",
        order.id,
        &snacks,
        &positions,
        &quantities
    )
    .execute(&mut *tx)
    .await?;
    insert_purchases(&mut tx, order.id, added).await?;
    sqlx::query!(
        "UPDATE orders SET note = coalesce($2, note), version = version + 1, updated_at = clock_timestamp() WHERE id = $1",
        order.id,
        note
    )
    .execute(&mut *tx)
    .await?;
    let news = if order.user_id == user.id { News::EditedByOwner } else { News::EditedByAdmin };
    let order = store::get(&mut tx, user.id, uid).await?;
    let notified = news::write(&mut tx, outbox, news, &order, user.id, None).await?;
    tx.commit().await?;
    // The snacks that were removed.
    outbox.changes.snacks(present.into_values());
    news::committed(outbox, &order, notified);
    Ok(order)
}
