//! Update of the comparison forms of stored rows to the current rules of [`crate::domain::text`]. It runs when a server starts, because
//! the server computes these forms and a migration cannot.
//!
//! A row whose new form belongs to another row keeps its old form, and its id is logged. Older rows come first.

use sqlx::{Connection, PgConnection, PgPool, postgres::PgQueryResult};

use super::locks::{Lock, wait_for_session_lock};
use crate::{
    domain::text,
    error::{StartError, chain},
};

/// Version of the rules. Must be raised when [`text::fold`] or [`text::email_key`] change, so that all rows are updated again.
const FORM: i32 = 2;
/// Number of rows that one statement reads.
const BATCH: i64 = 1000;

/// Updates all rows. When several servers start at once, one does it and the others wait. If it stops half-way, the next continues.
///
/// # Errors
/// Postgres out of reach.
pub async fn update(db: &PgPool) -> Result<(), StartError> {
    let failed = |error| StartError::failed(format_args!("comparison forms could not be updated: {}", chain(&error)));
    update_tables(db).await.map_err(failed)
}

async fn update_tables(db: &PgPool) -> Result<(), sqlx::Error> {
    // On a connection of its own. The lock ends with it.
    let mut connection = db.acquire().await?.detach();
    sqlx::raw_sql("SET statement_timeout = '10min'; SET lock_timeout = '10min'").execute(&mut connection).await?;
    wait_for_session_lock(&mut connection, Lock::ComparisonKeys).await?;
    while let Some(last) = last_id(&mut connection, "users").await? {
        let done = update_users(&mut connection, last).await?;
        if !save(&mut connection, "users", done).await? {
            break;
        }
    }
    while let Some(last) = last_id(&mut connection, "snacks").await? {
        let done = update_snacks(&mut connection, last).await?;
        if !save(&mut connection, "snacks", done).await? {
            break;
        }
    }
    connection.close().await
}

/// Id up to which the rows of `table` are updated. None when a later release has newer rules.
async fn last_id(db: &mut PgConnection, table: &str) -> Result<Option<i64>, sqlx::Error> {
    let progress = sqlx::query!("SELECT form, last_id FROM comparison_forms WHERE table_name = $1", table);
    Ok(match progress.fetch_optional(db).await? {
        Some(progress) if progress.form > FORM => None,
        Some(progress) if progress.form == FORM => Some(progress.last_id),
        _ => Some(0),
    })
}

/// Stores that the rows of `table` up to `done` are updated. Returns `false` if there were none.
async fn save(db: &mut PgConnection, table: &str, done: Option<i64>) -> Result<bool, sqlx::Error> {
    let Some(done) = done else {
        return Ok(false);
    };
    sqlx::query!(
        "INSERT INTO comparison_forms (table_name, form, last_id) VALUES ($1, $2, $3)
         ON CONFLICT (table_name) DO UPDATE SET form = excluded.form, last_id = excluded.last_id",
        table,
        FORM,
        done
    )
    .execute(db)
    .await?;
    Ok(true)
}

/// Updates the next users after `last` and returns the id of the last one.
async fn update_users(db: &mut PgConnection, last: i64) -> Result<Option<i64>, sqlx::Error> {
    let users = sqlx::query!(
        "SELECT id, email, email_key, name, name_key FROM users WHERE id > $1 ORDER BY id LIMIT $2",
        last,
        BATCH
    );
    let users = users.fetch_all(&mut *db).await?;
    for user in &users {
        let name_key = text::fold(&user.name);
        if name_key != user.name_key {
            // Unless the user was renamed in the meantime.
            sqlx::query!("UPDATE users SET name_key = $3 WHERE id = $1 AND name = $2", user.id, user.name, name_key)
                .execute(&mut *db)
                .await?;
        }
        let email = text::repaired_email(&user.email).unwrap_or_else(|| user.email.clone());
        let email_key = text::email_key(&email);
        if (&email, &email_key) != (&user.email, &user.email_key) {
            let update = sqlx::query!(
                "UPDATE users SET email = $2, email_key = $3 WHERE id = $1 AND email_key = $4",
                user.id,
                email,
                email_key,
                user.email_key
            );
            if is_taken(update.execute(&mut *db).await, "users_email_key")? {
                let other = sqlx::query_scalar!("SELECT id FROM users WHERE email_key = $1", email_key);
                let other = other.fetch_optional(&mut *db).await?;
                tracing::warn!(user_id = user.id, other_user_id = other, "two users have the same email");
            }
        }
    }
    Ok(users.last().map(|user| user.id))
}

/// Updates the next snacks after `last` and returns the id of the last one.
async fn update_snacks(db: &mut PgConnection, last: i64) -> Result<Option<i64>, sqlx::Error> {
    let snacks =
        sqlx::query!("SELECT id, uid, name, name_key FROM snacks WHERE id > $1 ORDER BY id LIMIT $2", last, BATCH);
    let snacks = snacks.fetch_all(&mut *db).await?;
    for snack in &snacks {
        let name_key = text::fold(&snack.name);
        if name_key == snack.name_key {
            continue;
        }
        if name_key.is_empty() {
            // The generated column `short_parts` needs a name.
            tracing::warn!(snack_id = snack.id, uid = %snack.uid, "a snack has a blank name");
            continue;
        }
        let update = sqlx::query!(
            "UPDATE snacks SET name_key = $2 WHERE id = $1 AND name_key = $3",
            snack.id,
            name_key,
            snack.name_key
        );
        if is_taken(update.execute(&mut *db).await, "snacks_name_key")? {
            let other = sqlx::query_scalar!("SELECT id FROM snacks WHERE name_key = $1", name_key);
            let other = other.fetch_optional(&mut *db).await?;
            tracing::warn!(snack_id = snack.id, uid = %snack.uid, other_snack_id = other, "two snacks have the same name");
        }
    }
    Ok(snacks.last().map(|snack| snack.id))
}

/// Tells whether an update failed because another row has the new form.
fn is_taken(updated: Result<PgQueryResult, sqlx::Error>, constraint: &str) -> Result<bool, sqlx::Error> {
    match updated {
        Ok(_) => Ok(false),
        Err(sqlx::Error::Database(error)) if error.constraint() == Some(constraint) => Ok(true),
        Err(error) => Err(error),
    }
}
