//! Notifications in Postgres.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgExecutor, PgPool, Postgres, QueryBuilder, types::Json};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    error::ApiError,
    http::{
        headers::Language,
        pagination::{List, Ordering, Page, Sorted},
    },
    order::status::OrderStatus,
    outbox::{Details, NotificationKind},
};

pub const LIST: &List = &List {
    name: "notifications",
    orderings: &[Ordering { name: "created_at", keys: &[("n.created_at", "timestamptz"), ("n.id", "bigint")] }],
    default: "-created_at",
};

/// Notification as it is stored. Its text depends on the language of the reader.
#[derive(FromRow)]
pub struct StoredNotification {
    pub id: i64,
    pub kind: NotificationKind,
    pub details: Json<Details>,
    pub order_uid: Option<Uuid>,
    /// Status at this moment.
    pub order_status: Option<OrderStatus>,
    pub actor_id: Option<i64>,
    pub actor_name: Option<String>,
    pub created_at: DateTime<Utc>,
    pub read_at: Option<DateTime<Utc>>,
}

pub async fn list(
    db: &PgPool,
    user: i64,
    is_unread: Option<bool>,
    sorted: &Sorted,
) -> Result<Page<StoredNotification>, ApiError> {
    let mut sql = QueryBuilder::<Postgres>::new(
        "SELECT n.id, n.kind, n.details, o.uid AS order_uid, o.status AS order_status, n.actor_id, person.name AS actor_name,
             n.created_at, n.read_at",
    );
    sorted.push_key(&mut sql);
    sql.push(
        " FROM notifications AS n LEFT JOIN orders AS o ON o.id = n.order_id LEFT JOIN users AS person ON person.id = n.actor_id
         WHERE n.user_id = ",
    );
    sql.push_bind(user);
    match is_unread {
        None => {}
        Some(true) => {
            sql.push(" AND n.read_at IS NULL");
        }
        Some(false) => {
            sql.push(" AND n.read_at IS NOT NULL");
        }
    }
    sorted.push_after(&mut sql, "AND");
    sorted.push_order(&mut sql);
    Ok(sorted.page(sql.build_query_as().fetch_all(db).await?))
}

/// Numbers of unread notifications of those of `users` who have any.
pub async fn unread_counts(db: impl PgExecutor<'_>, users: &[i64]) -> Result<Vec<(i64, i64)>, ApiError> {
    let rows = sqlx::query!(
        r#"SELECT user_id, count(*) AS "count!" FROM notifications WHERE user_id = ANY($1) AND read_at IS NULL GROUP BY user_id"#,
        users
    );
    Ok(rows.fetch_all(db).await?.into_iter().map(|row| (row.user_id, row.count)).collect())
}

/// Number of unread notifications of `user`.
pub async fn unread_count(db: &PgPool, user: i64) -> Result<i64, ApiError> {
    Ok(unread_counts(db, &[user]).await?.first().map_or(0, |(_, count)| *count))
}

/// Marks notifications of `user` as read: `ids`, or all if there are none. Those of others and unknown ones are passed over.
pub async fn read(db: &PgPool, user: i64, ids: Option<&[i64]>) -> Result<(), ApiError> {
    sqlx::query!(
        "UPDATE notifications SET read_at = clock_timestamp()
         WHERE user_id = $1 AND read_at IS NULL AND ($2::bigint[] IS NULL OR id = ANY($2))",
        user,
        ids
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Which notifications are mailed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mailed {
    None,
    /// A mail for each.
    All,
}

pub async fn mailed(db: &PgPool, user: i64) -> Result<Mailed, ApiError> {
    let is_mailed = sqlx::query_scalar!("SELECT is_mailed FROM users WHERE id = $1", user).fetch_one(db).await?;
    Ok(if is_mailed { Mailed::All } else { Mailed::None })
}

/// Sets which notifications are mailed, and in which language.
pub async fn set_mailed(db: &PgPool, user: i64, mailed: Mailed, language: Language) -> Result<(), ApiError> {
    sqlx::query!(
        "UPDATE users SET is_mailed = $2, mail_language = $3 WHERE id = $1",
        user,
        mailed == Mailed::All,
        language.code()
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Removes notifications that are older than 180 days and returns their number.
pub async fn remove_expired(db: impl PgExecutor<'_>) -> Result<u64, ApiError> {
    let removed = sqlx::query!("DELETE FROM notifications WHERE created_at < now() - interval '180 days'");
    Ok(removed.execute(db).await?.rows_affected())
}
