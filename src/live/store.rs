//! State of what has changed, in Postgres.

use sqlx::PgPool;
use uuid::Uuid;

use super::event::OrderEvent;
use crate::{error::ApiError, order::status::OrderStatus};

/// The orders of `uids` that exist.
pub async fn orders(db: &PgPool, uids: &[Uuid]) -> Result<Vec<OrderEvent>, ApiError> {
    let orders = sqlx::query_as!(
        OrderEvent,
        r#"SELECT uid, status AS "status: OrderStatus", version FROM orders
           WHERE uid = ANY(ARRAY(SELECT unnest($1::uuid[]))) ORDER BY id"#,
        uids
    );
    Ok(orders.fetch_all(db).await?)
}

/// Numbers of unread notifications of `users`.
pub async fn unread_counts(db: &PgPool, users: &[i64]) -> Result<Vec<(i64, i64)>, ApiError> {
    let counts = sqlx::query!(
        r#"SELECT person.id AS "id!", (
               SELECT count(*) FROM notifications WHERE user_id = person.id AND read_at IS NULL) AS "count!"
           FROM unnest($1::bigint[]) AS person (id)"#,
        users
    );
    Ok(counts.fetch_all(db).await?.into_iter().map(|row| (row.id, row.count)).collect())
}

/// Those of `users` who do not exist or have resigned.
pub async fn deleted_users(db: &PgPool, users: &[i64]) -> Result<Vec<i64>, ApiError> {
    let deleted = sqlx::query_scalar!(
        r#"SELECT person.id AS "id!" FROM unnest($1::bigint[]) AS person (id)
           WHERE NOT EXISTS (SELECT FROM users WHERE users.id = person.id AND NOT is_deleted)"#,
        users
    );
    Ok(deleted.fetch_all(db).await?)
}
