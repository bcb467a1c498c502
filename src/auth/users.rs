//! Users in Postgres.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgExecutor, PgPool, Postgres, QueryBuilder};
use utoipa::ToSchema;

use super::sessions;
use crate::{
    audit::log::{Action, Actor},
    domain::text::{self, fold, like_pattern, tidy},
    error::{ApiError, Code},
    http::{Ordering, Page, Sorted, pagination::HasKey},
};

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "member_type", rename_all = "lowercase")]
pub enum MemberType {
    /// Registers snacks, reacts, orders.
    Member,
    /// Sees orders through and manages users as well.
    Admin,
}

impl MemberType {
    /// As it is written in JSON and SQL.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
        }
    }
}

/// Somebody who has signed up.
#[derive(Clone, Debug, Serialize, ToSchema, sqlx::FromRow)]
#[schema(example = json!({"id": 7, "email": "kim@example.com", "name": "김간식", "member_type": "member",
    "is_deleted": false, "date_joined": "2024-01-04T03:00:00Z", "last_login": null}))]
pub struct User {
    /// The number by which others refer to the user.
    pub id: i64,
    /// The login id.
    pub email: String,
    /// As others see it.
    pub name: String,
    /// What the user may do.
    pub member_type: MemberType,
    /// Whether the user has resigned.
    pub is_deleted: bool,
    /// When the user signed up.
    pub date_joined: DateTime<Utc>,
    /// When the user last signed in.
    #[schema(required)]
    pub last_login: Option<DateTime<Utc>>,
    #[serde(skip)]
    #[sqlx(default)]
    cursor_key: Vec<String>,
}

impl HasKey for User {
    const LIST: &str = "users";

    fn cursor_key(&self) -> &[String] {
        &self.cursor_key
    }
}

/// The one SELECT list for a [`User`].
const USER: &str = "SELECT id, email, name, member_type, is_deleted, date_joined, last_login";

/// How the list of users can be sorted.
pub const ORDERINGS: &[Ordering] = &[
    Ordering { name: "date_joined", keys: &[("date_joined", "timestamptz"), ("id", "bigint")] },
    Ordering { name: "name", keys: &[("name_key", "text"), ("id", "bigint")] },
    Ordering { name: "email", keys: &[("email_key", "text")] },
];

/// Signs somebody up from where `actor` is.
///
/// # Errors
/// `email_taken`, or `email_resigned` when its holder has left; `validation_failed` for what is no email.
pub async fn create(
    db: &PgPool,
    actor: &Actor,
    email: &str,
    name: &str,
    password_hash: &str,
) -> Result<User, ApiError> {
    let email = text::email(email).ok_or_else(|| ApiError::invalid("email", "invalid_email"))?;
    let (email_key, name) = (text::email_key(&email), tidy(name));
    let mut tx = db.begin().await?;
    let id = sqlx::query_scalar!(
        "INSERT INTO users (email, email_key, name, name_key, password_hash) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (email_key) DO NOTHING RETURNING id",
        email,
        email_key,
        name,
        fold(&name),
        password_hash
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(id) = id else {
        let resigned = sqlx::query_scalar!("SELECT is_deleted FROM users WHERE email_key = $1", email_key);
        let code = if resigned.fetch_one(&mut *tx).await? { Code::EmailResigned } else { Code::EmailTaken };
        return Err(code.into());
    };
    let actor = Actor { id: Some(id), address: actor.address.clone() };
    actor.did(&mut *tx, Action::SignUp, &email).await?;
    let user = get(&mut *tx, id).await?;
    tx.commit().await?;
    Ok(user)
}

/// The user numbered `id`.
///
/// # Errors
/// `not_found` when there is none.
pub async fn get(db: impl PgExecutor<'_>, id: i64) -> Result<User, ApiError> {
    let mut sql = QueryBuilder::new(USER);
    sql.push(" FROM users WHERE id = ").push_bind(id);
    sql.build_query_as().fetch_optional(db).await?.ok_or_else(|| Code::NotFound.into())
}

/// Which users to list.
#[derive(Debug, Default)]
pub struct Filter<'a> {
    /// A part of the name, or of the email with its domain in either form.
    pub search: Option<&'a str>,
    /// Only members, or only admins.
    pub member_type: Option<MemberType>,
    /// Only those who resigned, or only those who did not.
    pub is_deleted: Option<bool>,
}

/// One page of users.
///
/// # Errors
/// Postgres out of reach.
pub async fn list(db: &PgPool, filter: &Filter<'_>, sorted: &Sorted<User>) -> Result<Page<User>, ApiError> {
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
    if let Some(member_type) = filter.member_type {
        sql.push(" AND member_type = ").push_bind(member_type);
    }
    if let Some(is_deleted) = filter.is_deleted {
        sql.push(" AND is_deleted = ").push_bind(is_deleted);
    }
    sorted.push_after(&mut sql, "AND");
    sorted.push_order(&mut sql);
    Ok(sorted.page(sql.build_query_as().fetch_all(db).await?))
}

/// Gives the user another name.
///
/// # Errors
/// `not_found` when there is no such user.
pub async fn rename(db: &PgPool, id: i64, name: &str) -> Result<User, ApiError> {
    let name = tidy(name);
    sqlx::query!("UPDATE users SET name = $2, name_key = $3 WHERE id = $1", id, name, fold(&name)).execute(db).await?;
    get(db, id).await
}

/// What somebody may do at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Member or admin.
    pub member_type: MemberType,
    /// Whether they have resigned.
    pub is_deleted: bool,
}

/// The standing of a user; none when there is no such user.
///
/// # Errors
/// Postgres out of reach.
pub async fn standing(db: &PgPool, id: i64) -> Result<Option<Standing>, ApiError> {
    let standing = sqlx::query_as!(
        Standing,
        r#"SELECT member_type AS "member_type: MemberType", is_deleted FROM users WHERE id = $1"#,
        id
    );
    Ok(standing.fetch_optional(db).await?)
}

/// Locks the active admins and returns their ids. Whoever is about to remove one holds these locks, in the order of the ids,
/// until the deed is committed: of two admins who resign at once the second counts after the first has gone.
async fn lock_admins(tx: &mut PgConnection) -> Result<Vec<i64>, ApiError> {
    let admins = sqlx::query_scalar!(
        "SELECT id FROM users WHERE member_type = 'admin' AND NOT is_deleted ORDER BY id FOR NO KEY UPDATE"
    );
    Ok(admins.fetch_all(tx).await?)
}

/// Makes the user a member or an admin.
///
/// # Errors
/// `not_found`; `user_resigned`; `last_admin` when no active admin would be left.
pub async fn change_member_type(
    db: &PgPool,
    actor: &Actor,
    id: i64,
    member_type: MemberType,
) -> Result<User, ApiError> {
    let mut tx = db.begin().await?;
    let admins = lock_admins(&mut tx).await?;
    let user = sqlx::query!("SELECT is_deleted FROM users WHERE id = $1 FOR NO KEY UPDATE", id)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(Code::NotFound)?;
    if user.is_deleted {
        return Err(Code::UserResigned.into());
    }
    if member_type == MemberType::Member && admins == [id] {
        return Err(Code::LastAdmin.into());
    }
    sqlx::query!("UPDATE users SET member_type = $2 WHERE id = $1", id, member_type as MemberType)
        .execute(&mut *tx)
        .await?;
    actor.did(&mut *tx, Action::MemberTypeChange, &format!("{id} {}", member_type.as_str())).await?;
    let user = get(&mut *tx, id).await?;
    tx.commit().await?;
    Ok(user)
}

/// Marks the user as resigned and ends all their sign-ins.
///
/// # Errors
/// `last_admin` for the only active admin.
pub async fn resign(db: &PgPool, actor: &Actor, id: i64) -> Result<(), ApiError> {
    let mut tx = db.begin().await?;
    if lock_admins(&mut tx).await? == [id] {
        return Err(Code::LastAdmin.into());
    }
    sqlx::query!("UPDATE users SET is_deleted = true WHERE id = $1", id).execute(&mut *tx).await?;
    sessions::end_sign_ins(&mut *tx, id).await?;
    actor.did(&mut *tx, Action::Resignation, &id.to_string()).await?;
    tx.commit().await?;
    Ok(())
}

/// Makes an admin of whoever has `email`; none when nobody has.
///
/// # Errors
/// `user_resigned`.
pub async fn promote(db: &PgPool, email: &str) -> Result<Option<User>, ApiError> {
    let Some(credentials) = sessions::credentials(db, email).await? else {
        return Ok(None);
    };
    change_member_type(db, &Actor::local(), credentials.id, MemberType::Admin).await.map(Some)
}
