//! Users and their sign-ins in Postgres.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgExecutor, PgPool, Postgres, QueryBuilder};
use utoipa::ToSchema;
use uuid::Uuid;

use super::standing::Standing;
use crate::{
    audit::{Action, Actor},
    error::{ApiError, Code},
    http::{Address, Ordering, Page, Sorted, page::HasKey},
    text::{fold, like_pattern, tidy},
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

/// Signs somebody up.
///
/// # Errors
/// `email_taken`, or `email_resigned` when its holder has left.
pub async fn create(db: &PgPool, email: &str, name: &str, password_hash: &str) -> Result<User, ApiError> {
    let (email, name) = (tidy(email), tidy(name));
    let email_key = fold(&email);
    let id = sqlx::query_scalar!(
        "INSERT INTO users (email, email_key, name, name_key, password_hash) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (email_key) DO NOTHING RETURNING id",
        email,
        email_key,
        name,
        fold(&name),
        password_hash
    )
    .fetch_optional(db)
    .await?;
    if let Some(id) = id {
        return get(db, id).await;
    }
    let resigned =
        sqlx::query_scalar!("SELECT is_deleted FROM users WHERE email_key = $1", email_key).fetch_one(db).await?;
    Err(if resigned { Code::EmailResigned } else { Code::EmailTaken }.into())
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
    /// A part of the email or the name.
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
        sql.push(" OR name_key LIKE ").push_bind(pattern).push(")");
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
    end_sign_ins(&mut *tx, id).await?;
    actor.did(&mut *tx, Action::Resignation, &id.to_string()).await?;
    tx.commit().await?;
    Ok(())
}

/// What a sign-in is decided by.
pub struct Credentials {
    /// The user's id.
    pub id: i64,
    /// The PHC string of the password.
    pub password_hash: String,
    /// Whether the user has resigned.
    pub is_deleted: bool,
}

/// The credentials behind `email`; none when nobody has signed up with it.
///
/// # Errors
/// Postgres out of reach.
pub async fn credentials(db: &PgPool, email: &str) -> Result<Option<Credentials>, ApiError> {
    let credentials = sqlx::query_as!(
        Credentials,
        "SELECT id, password_hash, is_deleted FROM users WHERE email_key = $1",
        fold(email)
    );
    Ok(credentials.fetch_optional(db).await?)
}

/// The PHC string of the user's password.
///
/// # Errors
/// Postgres out of reach.
pub async fn password_hash(db: &PgPool, id: i64) -> Result<String, ApiError> {
    Ok(sqlx::query_scalar!("SELECT password_hash FROM users WHERE id = $1", id).fetch_one(db).await?)
}

/// Replaces the password whose hash is `old` and ends every sign-in of the user.
///
/// Returns whether it did: not when the password has changed in the meantime.
///
/// # Errors
/// Postgres out of reach.
pub async fn change_password(db: &PgPool, actor: &Actor, id: i64, old: &str, new: &str) -> Result<bool, ApiError> {
    let mut tx = db.begin().await?;
    let changed =
        sqlx::query!("UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2", id, old, new)
            .execute(&mut *tx)
            .await?
            .rows_affected()
            == 1;
    if changed {
        end_sign_ins(&mut *tx, id).await?;
        actor.did(&mut *tx, Action::PasswordChange, &id.to_string()).await?;
        tx.commit().await?;
    }
    Ok(changed)
}

/// A refresh token that has been recorded and is still to be signed.
#[derive(Clone, Copy, Debug)]
pub struct Refresh {
    /// Whose it is.
    pub user_id: i64,
    /// Its name.
    pub jti: Uuid,
    /// Good until.
    pub expires_at: DateTime<Utc>,
}

/// Begins a sign-in with its first refresh token. None when the user has resigned or changed the password since
/// `credentials` were read: the row's lock decides.
///
/// # Errors
/// Postgres out of reach.
pub async fn begin_sign_in(
    db: &PgPool,
    credentials: &Credentials,
    expires_at: DateTime<Utc>,
) -> Result<Option<Refresh>, ApiError> {
    let refresh = Refresh { user_id: credentials.id, jti: Uuid::new_v4(), expires_at };
    let begun = sqlx::query!(
        "WITH person AS (
             UPDATE users SET last_login = now() WHERE id = $1 AND password_hash = $2 AND NOT is_deleted RETURNING id
         ), sign_in AS (
             INSERT INTO sign_ins (id, user_id) SELECT $3, id FROM person RETURNING id
         )
         INSERT INTO refresh_tokens (jti, sign_in_id, expires_at) SELECT $4, id, $5 FROM sign_in",
        credentials.id,
        credentials.password_hash,
        Uuid::new_v4(),
        refresh.jti,
        expires_at
    )
    .execute(db)
    .await?;
    Ok((begun.rows_affected() == 1).then_some(refresh))
}

/// Exchanges the refresh token `jti` for its successor, good until `expires_at`.
///
/// The UPDATE decides which of several at once spends it. One that is presented again within `grace` gets a successor of its
/// own; later it is taken for stolen, and the whole sign-in ends.
///
/// # Errors
/// `invalid_token`.
pub async fn refresh(
    db: &PgPool,
    address: Address,
    jti: Uuid,
    grace: Duration,
    expires_at: DateTime<Utc>,
) -> Result<Refresh, ApiError> {
    let mut tx = db.begin().await?;
    let spent = sqlx::query!(
        "UPDATE refresh_tokens AS token SET used_at = now() FROM sign_ins AS sign_in
         WHERE token.jti = $1 AND token.used_at IS NULL AND token.expires_at > now()
           AND sign_in.id = token.sign_in_id AND sign_in.ended_at IS NULL
         RETURNING sign_in.id, sign_in.user_id",
        jti
    )
    .fetch_optional(&mut *tx)
    .await?
    .map(|row| (row.id, row.user_id));
    let sign_in = if spent.is_some() { spent } else { sign_in_of_spent(&mut tx, address, jti, grace).await? };
    let Some((sign_in_id, user_id)) = sign_in else {
        tx.commit().await?;
        return Err(Code::InvalidToken.into());
    };
    let successor = Refresh { user_id, jti: Uuid::new_v4(), expires_at };
    sqlx::query!(
        "INSERT INTO refresh_tokens (jti, sign_in_id, expires_at) VALUES ($1, $2, $3)",
        successor.jti,
        sign_in_id,
        expires_at
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(successor)
}

/// The sign-in and the user behind a token that was spent within `grace`. Ends the sign-in of one spent earlier.
async fn sign_in_of_spent(
    tx: &mut PgConnection,
    address: Address,
    jti: Uuid,
    grace: Duration,
) -> Result<Option<(Uuid, i64)>, ApiError> {
    let spent = sqlx::query!(
        r#"SELECT sign_in.id, sign_in.user_id, token.used_at > clock_timestamp() - make_interval(secs => $2) AS "fresh!"
           FROM refresh_tokens AS token JOIN sign_ins AS sign_in ON sign_in.id = token.sign_in_id
           WHERE token.jti = $1 AND token.used_at IS NOT NULL AND token.expires_at > now() AND sign_in.ended_at IS NULL"#,
        jti,
        grace.as_seconds_f64()
    )
    .fetch_optional(&mut *tx)
    .await?;
    match spent {
        Some(token) if token.fresh && grace > Duration::zero() => Ok(Some((token.id, token.user_id))),
        Some(token) => {
            let actor = Actor { id: Some(token.user_id), address: address.to_string() };
            actor.did(&mut *tx, Action::RefreshTokenReuse, &token.user_id.to_string()).await?;
            sqlx::query!("UPDATE sign_ins SET ended_at = now() WHERE id = $1", token.id).execute(tx).await?;
            Ok(None)
        }
        None => Ok(None),
    }
}

/// Whether the refresh token `jti` could be exchanged now.
///
/// # Errors
/// Postgres out of reach.
pub async fn is_live(db: &PgPool, jti: Uuid) -> Result<bool, ApiError> {
    let live = sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT FROM refresh_tokens AS token JOIN sign_ins AS sign_in ON sign_in.id = token.sign_in_id
               WHERE token.jti = $1 AND token.used_at IS NULL AND token.expires_at > now() AND sign_in.ended_at IS NULL
           ) AS "live!""#,
        jti
    );
    Ok(live.fetch_one(db).await?)
}

/// Ends the sign-in that the refresh token `jti` belongs to, if there is one.
///
/// # Errors
/// Postgres out of reach.
pub async fn end_sign_in(db: &PgPool, jti: Uuid) -> Result<(), ApiError> {
    sqlx::query!(
        "UPDATE sign_ins SET ended_at = now()
         WHERE ended_at IS NULL AND id = (SELECT sign_in_id FROM refresh_tokens WHERE jti = $1)",
        jti
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn end_sign_ins(db: impl PgExecutor<'_>, user_id: i64) -> Result<(), ApiError> {
    sqlx::query!("UPDATE sign_ins SET ended_at = now() WHERE user_id = $1 AND ended_at IS NULL", user_id)
        .execute(db)
        .await?;
    Ok(())
}

/// Removes refresh tokens that have expired and the sign-ins that are left without any.
///
/// # Errors
/// Postgres out of reach.
pub async fn remove_expired(db: impl PgExecutor<'_>) -> Result<u64, ApiError> {
    let removed = sqlx::query!(
        "WITH expired AS (DELETE FROM refresh_tokens WHERE expires_at < now() RETURNING jti, sign_in_id)
         DELETE FROM sign_ins WHERE id IN (SELECT sign_in_id FROM expired) AND NOT EXISTS (
             SELECT FROM refresh_tokens AS token
             WHERE token.sign_in_id = sign_ins.id AND token.jti NOT IN (SELECT jti FROM expired))"
    );
    Ok(removed.execute(db).await?.rows_affected())
}

/// Makes an admin of whoever has `email`; none when nobody has.
///
/// # Errors
/// `user_resigned`.
pub async fn promote(db: &PgPool, email: &str) -> Result<Option<User>, ApiError> {
    let Some(credentials) = credentials(db, email).await? else {
        return Ok(None);
    };
    change_member_type(db, &Actor::local(), credentials.id, MemberType::Admin).await.map(Some)
}
