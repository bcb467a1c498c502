//! Sign-ins in Postgres: passwords, and the families of refresh tokens that a sign-in holds.

use chrono::{DateTime, Duration, Utc};
use sqlx::{PgConnection, PgExecutor, PgPool};
use uuid::Uuid;

use crate::{
    audit::log::{Action, Actor},
    domain::text::{email_key, former_email_key},
    error::{ApiError, Code},
    http::Address,
};

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
/// Of two old accounts that turned out to have one email, the one whose comparison form could not be brought up to date is found
/// by the spelling that it signed up with.
///
/// # Errors
/// Postgres out of reach.
pub async fn credentials(db: &PgPool, email: &str) -> Result<Option<Credentials>, ApiError> {
    let credentials = sqlx::query_as!(
        Credentials,
        "SELECT id, password_hash, is_deleted FROM users
         WHERE email_key = $1 OR (email_key = $2 AND octet_length(email) > char_length(email))
         ORDER BY email_key = $1 LIMIT 1",
        email_key(email),
        former_email_key(email)
    );
    Ok(credentials.fetch_optional(db).await?)
}

/// What a change of password is held against.
#[derive(Debug)]
pub struct Own {
    /// The login id.
    pub email: String,
    /// The comparison form of the email.
    pub email_key: String,
    /// As others see it.
    pub name: String,
    /// The PHC string of the password.
    pub password_hash: String,
}

/// The user's own email, name and password.
///
/// # Errors
/// Postgres out of reach.
pub async fn own(db: &PgPool, id: i64) -> Result<Own, ApiError> {
    let own = sqlx::query_as!(Own, "SELECT email, email_key, name, password_hash FROM users WHERE id = $1", id);
    Ok(own.fetch_one(db).await?)
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

/// Begins a sign-in with its first refresh token, and replaces the password's hash by `new_hash` if there is one. None when the
/// user has resigned or the hash is another since `credentials` were read: the row's lock decides.
///
/// # Errors
/// Postgres out of reach.
pub async fn begin_sign_in(
    db: &PgPool,
    actor: &Actor,
    email: &str,
    credentials: &Credentials,
    new_hash: Option<&str>,
    expires_at: DateTime<Utc>,
) -> Result<Option<Refresh>, ApiError> {
    let refresh = Refresh { user_id: credentials.id, jti: Uuid::new_v4(), expires_at };
    let mut tx = db.begin().await?;
    let begun = sqlx::query!(
        "WITH person AS (
             UPDATE users SET last_login = now(), password_hash = coalesce($6, password_hash)
             WHERE id = $1 AND password_hash = $2 AND NOT is_deleted RETURNING id
         ), sign_in AS (
             INSERT INTO sign_ins (id, user_id) SELECT $3, id FROM person RETURNING id
         )
         INSERT INTO refresh_tokens (jti, sign_in_id, expires_at) SELECT $4, id, $5 FROM sign_in",
        credentials.id,
        credentials.password_hash,
        Uuid::new_v4(),
        refresh.jti,
        expires_at,
        new_hash
    )
    .execute(&mut *tx)
    .await?;
    if begun.rows_affected() == 0 {
        return Ok(None);
    }
    actor.did(&mut *tx, Action::SignIn, email).await?;
    tx.commit().await?;
    Ok(Some(refresh))
}

/// Exchanges the refresh token `jti` for its successor, good until `expires_at`.
///
/// The UPDATE decides which of several at once spends it. One that is presented again within `grace` gets a successor of its
/// own, [`MAX_EXTRA_PAIRS`] times; later it is taken for stolen, and the whole sign-in ends.
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

/// Number of further pairs that a spent refresh token gets within the grace.
const MAX_EXTRA_PAIRS: i16 = 5;

/// The sign-in and the user behind a token that was spent within `grace` and may have one more pair. Ends the sign-in of one
/// spent earlier.
async fn sign_in_of_spent(
    tx: &mut PgConnection,
    address: Address,
    jti: Uuid,
    grace: Duration,
) -> Result<Option<(Uuid, i64)>, ApiError> {
    // Locked, so that of many at once each counts the pairs of those before it.
    let spent = sqlx::query!(
        r#"SELECT sign_in.id, sign_in.user_id, token.extra_pairs,
               token.used_at > clock_timestamp() - make_interval(secs => $2) AS "fresh!"
           FROM refresh_tokens AS token JOIN sign_ins AS sign_in ON sign_in.id = token.sign_in_id
           WHERE token.jti = $1 AND token.used_at IS NOT NULL AND token.expires_at > now() AND sign_in.ended_at IS NULL
           FOR NO KEY UPDATE OF token"#,
        jti,
        grace.as_seconds_f64()
    )
    .fetch_optional(&mut *tx)
    .await?;
    match spent {
        Some(token) if token.fresh && grace > Duration::zero() => {
            if token.extra_pairs >= MAX_EXTRA_PAIRS {
                return Ok(None);
            }
            sqlx::query!("UPDATE refresh_tokens SET extra_pairs = extra_pairs + 1 WHERE jti = $1", jti)
                .execute(tx)
                .await?;
            Ok(Some((token.id, token.user_id)))
        }
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

/// Ends every sign-in of the user.
///
/// # Errors
/// Postgres out of reach.
pub async fn end_sign_ins(db: impl PgExecutor<'_>, user_id: i64) -> Result<(), ApiError> {
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
