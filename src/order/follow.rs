//! Followers of orders.

use sqlx::PgPool;
use uuid::Uuid;

use super::status::OrderStatus;
use crate::error::{ApiError, Code};

/// Makes `user` a follower of the order `uid`, unless they are one already.
///
/// # Errors
/// `not_found`; `order_closed`.
pub async fn follow(db: &PgPool, user: i64, uid: Uuid) -> Result<(), ApiError> {
    let mut tx = db.begin().await?;
    // Locked, so that the order does not end before the follow is committed.
    let order = sqlx::query!(r#"SELECT id, status AS "status: OrderStatus" FROM orders WHERE uid = $1 FOR SHARE"#, uid);
    let order = order.fetch_optional(&mut *tx).await?.ok_or(Code::NotFound)?;
    if order.status.is_closed() {
        return Err(Code::OrderClosed.into());
    }
    sqlx::query!(
        "INSERT INTO order_follows (order_id, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        order.id,
        user
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}

/// # Errors
/// `not_found`.
pub async fn unfollow(db: &PgPool, user: i64, uid: Uuid) -> Result<(), ApiError> {
    let order = sqlx::query_scalar!("SELECT id FROM orders WHERE uid = $1", uid);
    let order = order.fetch_optional(db).await?.ok_or(Code::NotFound)?;
    sqlx::query!("DELETE FROM order_follows WHERE order_id = $1 AND user_id = $2", order, user).execute(db).await?;
    Ok(())
}
