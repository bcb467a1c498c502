//! Editing orders: what is in them, while they are created.

use std::collections::HashMap;

use axum::http::HeaderMap;
use sqlx::PgPool;
use uuid::Uuid;

use super::{
    create::{put_in, refuse_unavailable},
    request::Wanted,
    store::{self, Order},
};
use crate::{
    auth::Member,
    error::{ApiError, Code},
    http::headers::if_match,
};

/// Replaces what is in the order `uid`, for its owner and for admins. A snack that stays keeps its price, and may stay even
/// when it can no longer be ordered.
///
/// # Errors
/// `not_found`, `permission_denied`, `precondition_failed`, `order_not_editable`, and those of creating an order.
pub async fn replace(
    db: &PgPool,
    member: &Member,
    headers: &HeaderMap,
    uid: Uuid,
    wanted: &[Wanted],
) -> Result<Order, ApiError> {
    let mut tx = db.begin().await?;
    let order = store::lock(&mut tx, uid).await?;
    member.may_change(Some(order.user_id))?;
    if !if_match(headers, &store::etag(order.version)) {
        return Err(Code::PreconditionFailed.into());
    }
    if !order.status.is_editable() {
        return Err(Code::OrderNotEditable.into());
    }
    let there: HashMap<i64, i32> =
        sqlx::query!("SELECT snack_id, quantity FROM purchases WHERE order_id = $1", order.id)
            .fetch_all(&mut *tx)
            .await?
            .into_iter()
            .map(|row| (row.snack_id, row.quantity))
            .collect();
    let (staying, coming): (Vec<&Wanted>, Vec<&Wanted>) =
        wanted.iter().partition(|line| there.contains_key(&line.snack_id));
    refuse_unavailable(coming.iter().copied())?;

    let snacks: Vec<i64> = staying.iter().map(|line| line.snack_id).collect();
    let positions: Vec<i32> = staying.iter().map(|line| line.position).collect();
    let quantities: Vec<i32> = staying.iter().map(|line| line.quantity).collect();
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
    put_in(&mut tx, order.id, coming).await?;
    sqlx::query!("UPDATE orders SET version = version + 1, updated_at = clock_timestamp() WHERE id = $1", order.id)
        .execute(&mut *tx)
        .await?;
    let order = store::get(&mut tx, uid).await?;
    tx.commit().await?;
    Ok(order)
}
