//! Users in Postgres.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Map;
use sqlx::{PgConnection, PgExecutor, PgPool, Postgres, QueryBuilder};
use utoipa::ToSchema;

use super::{links, sessions};
use crate::{
    audit::{Action, Actor},
    domain::text::{self, fold, like_pattern, tidy},
    error::{ApiError, Code},
    http::pagination::{List, Ordering, Page, Sorted, push_filter},
    outbox::{Details, Message, NotificationKind, Outbox, Readers},
};

/// Role of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "member_type", rename_all = "lowercase")]
pub enum MemberType {
    /// Registers snacks, reacts and orders.
    Member,
    /// Also manages orders and users.
    Admin,
}

impl MemberType {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
        }
    }
}

/// User.
#[derive(Clone, Debug, Serialize, ToSchema, sqlx::FromRow)]
#[schema(example = json!({"id": 7, "email": "kim@example.com", "name": "김간식", "member_type": "member",
    "is_deleted": false, "date_joined": "2024-01-04T03:00:00Z", "last_login": null}))]
pub struct User {
    pub id: i64,
    /// Login id.
    pub email: String,
    pub name: String,
    pub member_type: MemberType,
    /// `true` after resignation.
    pub is_deleted: bool,
    /// Time of sign-up.
    pub date_joined: DateTime<Utc>,
    /// Time of the last sign-in.
    #[schema(required)]
    pub last_login: Option<DateTime<Utc>>,
}

/// SELECT list of a [`User`].
const USER: &str = "SELECT id, email, name, member_type, is_deleted, date_joined, last_login";

pub const LIST: &List = &List {
    name: "users",
    orderings: &[
        Ordering { name: "date_joined", keys: &[("date_joined", "timestamptz"), ("id", "bigint")] },
        Ordering { name: "name", keys: &[("name_key", "text"), ("id", "bigint")] },
        Ordering { name: "email", keys: &[("email_key", "text")] },
    ],
    default: "date_joined",
};

/// Code of the error for somebody who wants to join with an email that has an owner. None if it has none.
pub async fn owner_error(tx: &mut PgConnection, email_key: &str) -> Result<Option<Code>, ApiError> {
    let is_deleted = sqlx::query_scalar!("SELECT is_deleted FROM users WHERE email_key = $1", email_key);
    let code = |is_deleted| if is_deleted { Code::EmailResigned } else { Code::EmailTaken };
    Ok(is_deleted.fetch_optional(tx).await?.map(code))
}

/// # Errors
/// `not_found`.
pub async fn get(db: impl PgExecutor<'_>, id: i64) -> Result<User, ApiError> {
    let mut sql = QueryBuilder::new(USER);
    sql.push(" FROM users WHERE id = ").push_bind(id);
    sql.build_query_as().fetch_optional(db).await?.ok_or_else(|| Code::NotFound.into())
}

/// Tells whether there are users, those who have left included.
pub async fn exist(db: impl PgExecutor<'_>) -> Result<bool, ApiError> {
    Ok(sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM users) AS "exist!""#).fetch_one(db).await?)
}

/// Filter of users.
#[derive(Debug, Default)]
pub struct Filter<'a> {
    /// Part of the name, or of the email with its domain in either form.
    pub search: Option<&'a str>,
    pub member_type: Option<MemberType>,
    pub is_deleted: Option<bool>,
}

pub async fn list(db: &PgPool, filter: &Filter<'_>, sorted: &Sorted) -> Result<Page<User>, ApiError> {
    let mut sql = QueryBuilder::<Postgres>::new(USER);
    sorted.push_key(&mut sql);
    sql.push(" FROM users WHERE true");
    if let Some(search) = filter.search {
        let pattern = like_pattern(search);
        sql.push(" AND (email_key LIKE ").push_bind(pattern.clone());
        sql.push(" OR name_key LIKE ").push_bind(pattern);
        if let Some(pattern) = text::email_pattern(search) {
            sql.push(" OR email_key LIKE ").push_bind(pattern);
        }
        sql.push(")");
    }
    push_filter(&mut sql, " AND member_type = ", filter.member_type);
    push_filter(&mut sql, " AND is_deleted = ", filter.is_deleted);
    sorted.push_after(&mut sql, "AND");
    sorted.push_order(&mut sql);
    Ok(sorted.page(sql.build_query_as().fetch_all(db).await?))
}

/// # Errors
/// `not_found`.
pub async fn rename(db: &PgPool, id: i64, name: &str) -> Result<User, ApiError> {
    let name = tidy(name);
    sqlx::query!("UPDATE users SET name = $2, name_key = $3 WHERE id = $1", id, name, fold(&name)).execute(db).await?;
    get(db, id).await
}

/// Role and resignation of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserStatus {
    pub member_type: MemberType,
    pub is_deleted: bool,
    /// Access tokens of another generation are invalid.
    pub token_generation: i32,
}

/// Current status of a user. None when there is no such user.
pub async fn status(db: &PgPool, id: i64) -> Result<Option<UserStatus>, ApiError> {
    let status = sqlx::query_as!(
        UserStatus,
        r#"SELECT member_type AS "member_type: MemberType", is_deleted, token_generation FROM users WHERE id = $1"#,
        id
    );
    Ok(status.fetch_optional(db).await?)
}

/// Locks the active admins and returns their ids. A transaction that removes an admin holds these locks, taken in the order of
/// ids, until its commit: of two admins who resign at once, the second counts after the first has resigned.
async fn lock_admins(tx: &mut PgConnection) -> Result<Vec<i64>, ApiError> {
    let admins = sqlx::query_scalar!(
        "SELECT id FROM users WHERE member_type = 'admin' AND NOT is_deleted ORDER BY id FOR NO KEY UPDATE"
    );
    Ok(admins.fetch_all(tx).await?)
}

/// Locks the user and returns their status.
///
/// # Errors
/// `not_found`.
async fn lock_status(tx: &mut PgConnection, id: i64) -> Result<UserStatus, ApiError> {
    let status = sqlx::query_as!(
        UserStatus,
        r#"SELECT member_type AS "member_type: MemberType", is_deleted, token_generation FROM users
           WHERE id = $1 FOR NO KEY UPDATE"#,
        id
    );
    status.fetch_optional(tx).await?.ok_or_else(|| Code::NotFound.into())
}

/// Changes the role of a user, who is told of it if there is an `outbox`.
///
/// # Errors
/// `not_found`; `user_resigned`; `last_admin` when no active admin would be left.
pub async fn change_member_type(
    db: &PgPool,
    outbox: Option<&Outbox>,
    actor: &Actor,
    id: i64,
    member_type: MemberType,
) -> Result<User, ApiError> {
    let mut tx = db.begin().await?;
    let admins = lock_admins(&mut tx).await?;
    let old = lock_status(&mut tx, id).await?;
    if old.is_deleted {
        return Err(Code::UserResigned.into());
    }
    if member_type == MemberType::Member && admins == [id] {
        return Err(Code::LastAdmin.into());
    }
    sqlx::query!("UPDATE users SET member_type = $2 WHERE id = $1", id, member_type as MemberType)
        .execute(&mut *tx)
        .await?;
    actor.log_success(&mut *tx, Action::MemberTypeChange, &format!("{id} {}", member_type.as_str())).await?;
    let user = get(&mut *tx, id).await?;
    let outbox = outbox.filter(|_| old.member_type != member_type);
    let mut notified = Vec::new();
    if let Some(outbox) = outbox {
        let message = Message {
            readers: Readers::User(id),
            kind: Some(NotificationKind::MemberTypeChanged),
            details: Details { is_admin: Some(member_type == MemberType::Admin), ..Details::default() },
            order: None,
            actor: actor.id,
            event: None,
            data: Map::new(),
        };
        notified = outbox.write(&mut tx, message).await?;
    }
    tx.commit().await?;
    if let Some(outbox) = outbox {
        outbox.committed(notified);
    }
    Ok(user)
}

/// Marks the user as resigned, ends all their sessions and removes their links for a new password.
///
/// # Errors
/// `last_admin` for the only active admin.
pub async fn resign(db: &PgPool, actor: &Actor, id: i64) -> Result<(), ApiError> {
    let mut tx = db.begin().await?;
    let admins = lock_admins(&mut tx).await?;
    leave(&mut tx, &admins, id).await?;
    actor.log_success(&mut *tx, Action::Resignation, &id.to_string()).await?;
    tx.commit().await?;
    Ok(())
}

/// Removes a member who has left the company, as if they had resigned. Does nothing if they have.
///
/// # Errors
/// `not_found`; `last_admin` for the only active admin.
pub async fn remove(db: &PgPool, actor: &Actor, id: i64) -> Result<(), ApiError> {
    let mut tx = db.begin().await?;
    let admins = lock_admins(&mut tx).await?;
    if lock_status(&mut tx, id).await?.is_deleted {
        return Ok(());
    }
    leave(&mut tx, &admins, id).await?;
    actor.log_success(&mut *tx, Action::UserRemoval, &id.to_string()).await?;
    tx.commit().await?;
    Ok(())
}

/// Marks the user as resigned. `admins` are the active ones, which are locked.
async fn leave(tx: &mut PgConnection, admins: &[i64], id: i64) -> Result<(), ApiError> {
    if admins == [id] {
        return Err(Code::LastAdmin.into());
    }
    sqlx::query!("UPDATE users SET is_deleted = true, token_generation = token_generation + 1 WHERE id = $1", id)
        .execute(&mut *tx)
        .await?;
    sessions::end_all(&mut *tx, id).await?;
    links::remove_password_resets(tx, id).await
}

/// Makes a former member a member again, also if they were an admin. Does nothing if they have not left.
///
/// # Errors
/// `not_found`; `user_erased` when their personal data was erased.
pub async fn restore(db: &PgPool, actor: &Actor, id: i64) -> Result<User, ApiError> {
    let mut tx = db.begin().await?;
    if lock_status(&mut tx, id).await?.is_deleted {
        let restored = sqlx::query!(
            "UPDATE users SET is_deleted = false, member_type = 'member' WHERE id = $1 AND erased_at IS NULL",
            id
        );
        if restored.execute(&mut *tx).await?.rows_affected() == 0 {
            return Err(Code::UserErased.into());
        }
        actor.log_success(&mut *tx, Action::UserRestoration, &id.to_string()).await?;
    }
    let user = get(&mut *tx, id).await?;
    tx.commit().await?;
    Ok(user)
}

/// Makes the user with `email` an admin. None when there is no such user.
///
/// # Errors
/// `user_resigned`.
pub async fn promote(db: &PgPool, email: &str) -> Result<Option<User>, ApiError> {
    let Some(credentials) = sessions::credentials(db, email).await? else {
        return Ok(None);
    };
    change_member_type(db, None, &Actor::local(), credentials.id, MemberType::Admin).await.map(Some)
}
