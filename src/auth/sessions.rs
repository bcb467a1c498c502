//! Sessions in Postgres: credentials, and the refresh tokens of a session. Each sign-in starts a session.

use chrono::{DateTime, Duration, Utc};
use serde::Serialize;
use sqlx::{PgConnection, PgExecutor, PgPool, Postgres, QueryBuilder};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{links, token::Session};
use crate::{
    audit::{Action, Actor},
    domain::text::email_key,
    error::{ApiError, Code},
    http::{
        client_ip::ClientIp,
        headers::UserAgent,
        pagination::{List, Ordering, Page, Sorted},
    },
};

/// Credentials of an account.
pub struct Credentials {
    pub id: i64,
    /// PHC string. None without a password.
    pub password_hash: Option<String>,
    pub is_deleted: bool,
}

/// Credentials of the account with `email`. None when there is none.
pub async fn credentials(db: &PgPool, email: &str) -> Result<Option<Credentials>, ApiError> {
    let credentials = sqlx::query_as!(
        Credentials,
        "SELECT id, password_hash, is_deleted FROM users WHERE email_key = $1",
        email_key(email)
    );
    Ok(credentials.fetch_optional(db).await?)
}

/// Credentials of the signed-in user.
#[derive(Debug)]
pub struct OwnCredentials {
    pub email: String,
    /// Comparison form of the email.
    pub email_key: String,
    pub name: String,
    /// PHC string. None without a password.
    pub password_hash: Option<String>,
}

pub async fn own_credentials(db: &PgPool, id: i64) -> Result<OwnCredentials, ApiError> {
    let own =
        sqlx::query_as!(OwnCredentials, "SELECT email, email_key, name, password_hash FROM users WHERE id = $1", id);
    Ok(own.fetch_one(db).await?)
}

/// Replaces the password whose hash is `old`, ends all sessions of the user and removes their links for a new password. Returns `false`, and does nothing, when the password
/// has changed in the meantime.
pub async fn change_password(
    db: &PgPool,
    actor: &Actor,
    id: i64,
    old: Option<&str>,
    new: &str,
) -> Result<bool, ApiError> {
    let mut tx = db.begin().await?;
    let changed =
        sqlx::query!("UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2", id, old, new)
            .execute(&mut *tx)
            .await?
            .rows_affected()
            == 1;
    if changed {
        end_all(&mut *tx, id).await?;
        links::remove_password_resets(&mut tx, id).await?;
        actor.log_success(&mut *tx, Action::PasswordChange, &id.to_string()).await?;
        tx.commit().await?;
    }
    Ok(changed)
}

/// Refresh token that is stored and still has to be signed.
#[derive(Clone, Copy, Debug)]
pub struct Refresh {
    pub session: Session,
    pub jti: Uuid,
    pub expires_at: DateTime<Utc>,
}

/// Verified password of a sign-in.
pub struct Verified<'a> {
    /// Hash that it was compared with.
    pub hash: &'a str,
    /// Hash that replaces it, if there is one.
    pub new_hash: Option<&'a str>,
}

/// Starts a session with its first refresh token. `password` is none for a sign-in through the identity provider. Returns none when the
/// user has left or the hash of the password has changed since it was read; the lock of the row decides.
pub async fn start(
    tx: &mut PgConnection,
    address: &str,
    user_agent: &UserAgent,
    user_id: i64,
    password: Option<Verified<'_>>,
    expires_at: DateTime<Utc>,
) -> Result<Option<Refresh>, ApiError> {
    let (id, jti) = (Uuid::new_v4(), Uuid::new_v4());
    let token_generation = sqlx::query_scalar!(
        "WITH person AS (
             UPDATE users SET last_login = now(), password_hash = coalesce($3, password_hash)
             WHERE id = $1 AND ($2::text IS NULL OR password_hash = $2) AND NOT is_deleted RETURNING id, token_generation
         ), session AS (
             INSERT INTO sessions (id, user_id, address, user_agent) SELECT $4, id, $7, $8 FROM person RETURNING id
         ), token AS (
             INSERT INTO refresh_tokens (jti, session_id, expires_at) SELECT $5, id, $6 FROM session
         )
         SELECT token_generation FROM person",
        user_id,
        password.as_ref().map(|password| password.hash),
        password.as_ref().and_then(|password| password.new_hash),
        id,
        jti,
        expires_at,
        address,
        user_agent.0
    )
    .fetch_optional(tx)
    .await?;
    Ok(token_generation.map(|token_generation| Refresh {
        session: Session { id, user_id, token_generation },
        jti,
        expires_at,
    }))
}

/// Exchanges the refresh token `jti` for its successor, which is valid until `expires_at`.
///
/// Of several requests at once, the UPDATE decides which one uses it. A token that is used again within `grace` gets a successor of
/// its own, up to [`MAX_EXTRA_PAIRS`] times. Later it counts as stolen, and the session ends.
///
/// # Errors
/// `invalid_token`.
pub async fn refresh(
    db: &PgPool,
    ip: ClientIp,
    user_agent: &UserAgent,
    jti: Uuid,
    grace: Duration,
    expires_at: DateTime<Utc>,
) -> Result<Refresh, ApiError> {
    let mut tx = db.begin().await?;
    let used = sqlx::query!(
        "UPDATE refresh_tokens AS token SET used_at = now() FROM sessions AS session
         WHERE token.jti = $1 AND token.used_at IS NULL AND token.expires_at > now()
           AND session.id = token.session_id AND session.ended_at IS NULL
         RETURNING session.id, session.user_id",
        jti
    )
    .fetch_optional(&mut *tx)
    .await?
    .map(|row| (row.id, row.user_id));
    let session = if used.is_some() { used } else { session_of_used(&mut tx, ip, jti, grace).await? };
    let Some((session_id, user_id)) = session else {
        tx.commit().await?;
        return Err(Code::InvalidToken.into());
    };
    let successor = Uuid::new_v4();
    let token_generation = sqlx::query_scalar!(
        r#"WITH used AS (
               UPDATE sessions SET last_used_at = now(), address = $4, user_agent = $5 WHERE id = $2 RETURNING user_id
           ), token AS (
               INSERT INTO refresh_tokens (jti, session_id, expires_at) VALUES ($1, $2, $3)
           )
           SELECT token_generation FROM users JOIN used ON used.user_id = users.id"#,
        successor,
        session_id,
        expires_at,
        ip.to_string(),
        user_agent.0
    )
    .fetch_one(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(Refresh { session: Session { id: session_id, user_id, token_generation }, jti: successor, expires_at })
}

/// Number of further pairs that a used refresh token gets within the grace period.
const MAX_EXTRA_PAIRS: i16 = 5;

/// Session and user of a token that was used within `grace` and may have one more pair. Ends the session of a token that was used
/// earlier.
async fn session_of_used(
    tx: &mut PgConnection,
    ip: ClientIp,
    jti: Uuid,
    grace: Duration,
) -> Result<Option<(Uuid, i64)>, ApiError> {
    // Locked, so that of many requests at once each counts the pairs of those before it.
    let used = sqlx::query!(
        r#"SELECT session.id, session.user_id, token.extra_pairs,
               token.used_at > clock_timestamp() - make_interval(secs => $2) AS "is_within_grace!"
           FROM refresh_tokens AS token JOIN sessions AS session ON session.id = token.session_id
           WHERE token.jti = $1 AND token.used_at IS NOT NULL AND token.expires_at > now() AND session.ended_at IS NULL
           FOR NO KEY UPDATE OF token"#,
        jti,
        grace.as_seconds_f64()
    )
    .fetch_optional(&mut *tx)
    .await?;
    match used {
        Some(token) if token.is_within_grace && grace > Duration::zero() => {
            if token.extra_pairs >= MAX_EXTRA_PAIRS {
                return Ok(None);
            }
            sqlx::query!("UPDATE refresh_tokens SET extra_pairs = extra_pairs + 1 WHERE jti = $1", jti)
                .execute(tx)
                .await?;
            Ok(Some((token.id, token.user_id)))
        }
        Some(token) => {
            let actor = Actor { id: Some(token.user_id), address: ip.to_string() };
            actor.log_success(&mut *tx, Action::RefreshTokenReuse, &token.user_id.to_string()).await?;
            sqlx::query!("UPDATE sessions SET ended_at = now() WHERE id = $1", token.id).execute(tx).await?;
            Ok(None)
        }
        None => Ok(None),
    }
}

/// Notes a use of the refresh token `jti`, which stays valid. Returns its session, or none if the token is not valid.
pub async fn touch(db: &PgPool, ip: ClientIp, user_agent: &UserAgent, jti: Uuid) -> Result<Option<Session>, ApiError> {
    let session = sqlx::query_as!(
        Session,
        "UPDATE sessions AS session SET last_used_at = now(), address = $2, user_agent = $3
         FROM refresh_tokens AS token, users
         WHERE token.jti = $1 AND token.used_at IS NULL AND token.expires_at > now()
           AND session.id = token.session_id AND session.ended_at IS NULL AND users.id = session.user_id
         RETURNING session.id, session.user_id, users.token_generation",
        jti,
        ip.to_string(),
        user_agent.0
    );
    Ok(session.fetch_optional(db).await?)
}

/// Ends the session of the refresh token `jti`, if there is one.
pub async fn end(db: &PgPool, jti: Uuid) -> Result<(), ApiError> {
    sqlx::query!(
        "UPDATE sessions SET ended_at = now()
         WHERE ended_at IS NULL AND id = (SELECT session_id FROM refresh_tokens WHERE jti = $1)",
        jti
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Ends all sessions of the user.
pub async fn end_all(db: impl PgExecutor<'_>, user_id: i64) -> Result<(), ApiError> {
    sqlx::query!("UPDATE sessions SET ended_at = now() WHERE user_id = $1 AND ended_at IS NULL", user_id)
        .execute(db)
        .await?;
    Ok(())
}

/// Sign-in of a user that has not ended.
#[derive(Debug, Serialize, ToSchema, sqlx::FromRow)]
#[schema(as = Session, example = json!({"id": "7c9e6679-7425-40de-944b-e07fc1f90ae7", "created_at": "2024-01-04T03:00:00Z",
    "last_used_at": "2024-01-05T01:30:00Z", "address": "203.0.113.9", "user_agent": "Mozilla/5.0", "current": true}))]
pub struct LiveSession {
    pub id: Uuid,
    /// Time of the sign-in.
    pub created_at: DateTime<Utc>,
    /// Time at which tokens were last issued.
    pub last_used_at: DateTime<Utc>,
    /// IP address of the client at that time. Empty if unknown.
    pub address: String,
    /// `User-Agent` of the client at that time. Empty if unknown.
    pub user_agent: String,
    /// `true` for the session of this request.
    #[sqlx(default)]
    pub current: bool,
}

pub const LIST: &List = &List {
    name: "sessions",
    orderings: &[Ordering { name: "created_at", keys: &[("created_at", "timestamptz"), ("id", "uuid")] }],
    default: "-created_at",
};

/// Condition of a session that can still be used.
const IS_LIVE: &str = "ended_at IS NULL AND EXISTS (
    SELECT FROM refresh_tokens WHERE refresh_tokens.session_id = sessions.id AND refresh_tokens.expires_at > now())";

/// Live sessions of the user. `current` is the one of the request.
pub async fn list(
    db: &PgPool,
    user_id: i64,
    current: Option<Uuid>,
    sorted: &Sorted,
) -> Result<Page<LiveSession>, ApiError> {
    let mut sql = QueryBuilder::<Postgres>::new("SELECT id, created_at, last_used_at, address, user_agent");
    sorted.push_key(&mut sql);
    sql.push(" FROM sessions WHERE user_id = ").push_bind(user_id);
    sql.push(" AND ").push(IS_LIVE);
    sorted.push_after(&mut sql, "AND");
    sorted.push_order(&mut sql);
    let mut page: Page<LiveSession> = sorted.page(sql.build_query_as().fetch_all(db).await?);
    for session in &mut page.results {
        session.current = Some(session.id) == current;
    }
    Ok(page)
}

/// Ends one of the live sessions of the user.
///
/// # Errors
/// `not_found`, also for sessions of others.
pub async fn end_own(db: &PgPool, actor: &Actor, user_id: i64, id: Uuid) -> Result<(), ApiError> {
    let mut tx = db.begin().await?;
    let mut sql = QueryBuilder::<Postgres>::new("UPDATE sessions SET ended_at = now() WHERE id = ");
    sql.push_bind(id).push(" AND user_id = ").push_bind(user_id).push(" AND ").push(IS_LIVE);
    if sql.build().execute(&mut *tx).await?.rows_affected() == 0 {
        return Err(Code::NotFound.into());
    }
    actor.log_success(&mut *tx, Action::SessionEnd, &user_id.to_string()).await?;
    tx.commit().await?;
    Ok(())
}

/// Removes expired refresh tokens and the sessions that have no other. Returns the number of sessions.
pub async fn remove_expired(db: impl PgExecutor<'_>) -> Result<u64, ApiError> {
    let removed = sqlx::query!(
        "WITH expired AS (DELETE FROM refresh_tokens WHERE expires_at < now() RETURNING jti, session_id)
         DELETE FROM sessions WHERE id IN (SELECT session_id FROM expired) AND NOT EXISTS (
             SELECT FROM refresh_tokens AS token
             WHERE token.session_id = sessions.id AND token.jti NOT IN (SELECT jti FROM expired))"
    );
    Ok(removed.execute(db).await?.rows_affected())
}
