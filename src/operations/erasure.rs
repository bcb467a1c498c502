//! Erasure of the personal data of a former member, for good. Their orders and reactions stay, so that all sums stay.

use serde_json::Value;
use sqlx::{PgConnection, PgPool, types::Json};

use crate::{
    audit::{Action, Actor},
    domain::text::{email_key, fold},
    error::{ApiError, Code},
};

/// Name of all users without personal data.
pub const ERASED_NAME: &str = "탈퇴한 회원";
/// Replaces emails in subjects of the audit log, and addresses.
const ERASED: &str = "(erased)";

/// Erases the personal data of the former member with `email`: the row of the user, the audit log, and what was to be sent. Free text of
/// orders and snacks is not searched. Returns the id of the user.
///
/// # Errors
/// `not_found`; `user_active` for a member who has not left.
pub async fn erase(db: &PgPool, actor: &Actor, email: &str) -> Result<i64, ApiError> {
    let key = email_key(email);
    let mut tx = db.begin().await?;
    let user = sqlx::query!("SELECT id, is_deleted FROM users WHERE email_key = $1 FOR NO KEY UPDATE", key)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(Code::NotFound)?;
    if !user.is_deleted {
        return Err(Code::UserActive.into());
    }
    erase_user(&mut tx, user.id).await?;
    erase_mails(&mut tx, &key).await?;
    erase_audit_log(&mut tx, user.id, &key).await?;
    erase_payloads(&mut tx, user.id).await?;
    actor.log_success(&mut *tx, Action::UserErasure, &user.id.to_string()).await?;
    tx.commit().await?;
    Ok(user.id)
}

/// Replaces the data in the row of the user, and deletes the rows that are only theirs.
async fn erase_user(tx: &mut PgConnection, id: i64) -> Result<(), ApiError> {
    sqlx::query!(
        "UPDATE users SET email = 'erased-' || id || '@erased.invalid', email_key = 'erased-' || id || '@erased.invalid', name = $2, name_key = $3,
             password_hash = NULL, is_mailed = false, mail_language = DEFAULT, erased_at = coalesce(erased_at, now())
         WHERE id = $1",
        id,
        ERASED_NAME,
        fold(ERASED_NAME)
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!("DELETE FROM sessions WHERE user_id = $1", id).execute(&mut *tx).await?;
    sqlx::query!("DELETE FROM link_tokens WHERE user_id = $1", id).execute(&mut *tx).await?;
    sqlx::query!("DELETE FROM sign_in_codes WHERE user_id = $1", id).execute(&mut *tx).await?;
    sqlx::query!("DELETE FROM notifications WHERE user_id = $1", id).execute(&mut *tx).await?;
    // They have responses with the name.
    sqlx::query!("DELETE FROM idempotency_keys WHERE user_id = $1", id).execute(&mut *tx).await?;
    Ok(())
}

/// Deletes invitations of the email, and mails to it. Mails have it as it was typed.
async fn erase_mails(tx: &mut PgConnection, key: &str) -> Result<(), ApiError> {
    sqlx::query!("DELETE FROM invitations WHERE email_key = $1", key).execute(&mut *tx).await?;
    let mails = sqlx::query!("SELECT id, email FROM account_mails").fetch_all(&mut *tx).await?;
    let ids: Vec<i64> = mails.into_iter().filter(|mail| email_key(&mail.email) == key).map(|mail| mail.id).collect();
    sqlx::query!("DELETE FROM account_mails WHERE id = ANY($1)", &ids).execute(&mut *tx).await?;
    Ok(())
}

/// Replaces the email in subjects, and the address in entries of the user and in those of nobody with the email.
async fn erase_audit_log(tx: &mut PgConnection, id: i64, key: &str) -> Result<(), ApiError> {
    sqlx::query!("UPDATE audit_log SET address = $2 WHERE actor_id = $1", id, ERASED).execute(&mut *tx).await?;
    let entries = sqlx::query!("SELECT id, subject FROM audit_log WHERE subject LIKE '%@%'");
    for entry in entries.fetch_all(&mut *tx).await? {
        // An email, which may be followed by a role.
        let (email, role) = entry.subject.split_once(' ').unwrap_or((&entry.subject, ""));
        if email_key(email) == key {
            sqlx::query!(
                "UPDATE audit_log SET subject = concat_ws(' ', $2::text, nullif($3::text, '')), address = CASE WHEN actor_id IS NULL THEN $2 ELSE address END WHERE id = $1",
                entry.id,
                ERASED,
                role
            )
            .execute(&mut *tx)
            .await?;
        }
    }
    Ok(())
}

/// Replaces the name and the email in what was or is to be sent to channels.
async fn erase_payloads(tx: &mut PgConnection, id: i64) -> Result<(), ApiError> {
    let deliveries = sqlx::query!(
        r#"SELECT id, payload AS "payload!: Json<Value>" FROM deliveries
           WHERE payload IS NOT NULL AND jsonb_path_exists(payload::jsonb, '$.** ? (@.id == $id && exists(@.name))', jsonb_build_object('id', $1::bigint))"#,
        id
    );
    for mut delivery in deliveries.fetch_all(&mut *tx).await? {
        erase_person(&mut delivery.payload.0, id);
        sqlx::query!("UPDATE deliveries SET payload = $2 WHERE id = $1", delivery.id, delivery.payload as _)
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

/// Replaces the name and the email in all objects with the id of the user. Snacks and orders have no `id`, but a `uid`.
fn erase_person(value: &mut Value, id: i64) {
    match value {
        Value::Object(fields) => {
            if fields.get("id").and_then(Value::as_i64) == Some(id) {
                for (field, placeholder) in [("name", ERASED_NAME), ("email", ERASED)] {
                    if let Some(value) = fields.get_mut(field) {
                        *value = placeholder.into();
                    }
                }
            }
            fields.values_mut().for_each(|value| erase_person(value, id));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| erase_person(value, id)),
        _ => {}
    }
}
