//! Invitations in Postgres. An accepted invitation is deleted, and so is one that was withdrawn.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{FromRow, PgConnection, PgExecutor, PgPool, Postgres, QueryBuilder, Row, postgres::PgRow};
use utoipa::ToSchema;

use super::{
    links::{self, Links, Purpose},
    users::{self, MemberType},
};
use crate::{
    audit::{Action, Actor},
    domain::{text, user_summary::UserSummary},
    error::{ApiError, Code},
    http::{
        headers::Language,
        pagination::{List, Ordering, Page, Sorted},
    },
    outbox::{AccountMail, Outbox},
};

/// Time for which an invitation is good.
const TTL: Duration = Duration::from_hours(7 * 24);

/// Invitation that is still open.
#[derive(Debug, Serialize, ToSchema)]
pub struct Invitation {
    pub id: i64,
    /// Email that the invited person signs up with.
    #[schema(example = "kim@example.com")]
    pub email: String,
    /// Role that they get.
    pub member_type: MemberType,
    /// Page on which they sign up. It works once. Sent only when the invitation is created.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        nullable = false,
        example = "https://office.example/app/sign-up?invitation=5JVk0cXb0q4yT7cW1l8mS2n9rA3dE6fG0hI1jK2lM3n"
    )]
    pub url: Option<String>,
    /// Admin who created it.
    #[schema(required)]
    pub invited_by: Option<UserSummary>,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

const INVITATION: &str =
    "SELECT invitation.id, invitation.email, invitation.member_type, invitation.created_at, invitation.expires_at,
    inviter.id AS inviter_id, inviter.name AS inviter_name";
const FROM: &str =
    " FROM open_invitations AS invitation LEFT JOIN users AS inviter ON inviter.id = invitation.invited_by";

impl<'r> FromRow<'r, PgRow> for Invitation {
    fn from_row(row: &'r PgRow) -> Result<Self, sqlx::Error> {
        let inviter = Option::zip(row.try_get("inviter_id")?, row.try_get("inviter_name")?);
        Ok(Self {
            id: row.try_get("id")?,
            email: row.try_get("email")?,
            member_type: row.try_get("member_type")?,
            url: None,
            invited_by: inviter.map(|(id, name)| UserSummary { id, name }),
            created_at: row.try_get("created_at")?,
            expires_at: row.try_get("expires_at")?,
        })
    }
}

pub const LIST: &List = &List {
    name: "invitations",
    orderings: &[Ordering {
        name: "created_at",
        keys: &[("invitation.created_at", "timestamptz"), ("invitation.id", "bigint")],
    }],
    default: "-created_at",
};

/// Open invitations.
pub async fn list(db: &PgPool, sorted: &Sorted) -> Result<Page<Invitation>, ApiError> {
    let mut sql = QueryBuilder::<Postgres>::new(INVITATION);
    sorted.push_key(&mut sql);
    sql.push(FROM).push(" WHERE true");
    sorted.push_after(&mut sql, "AND");
    sorted.push_order(&mut sql);
    Ok(sorted.page(sql.build_query_as().fetch_all(db).await?))
}

/// Invitation to be created.
#[derive(Debug)]
pub struct NewInvitation<'a> {
    pub email: &'a str,
    pub member_type: MemberType,
    /// Language of the mail.
    pub language: Language,
}

/// Creates an invitation, which takes the place of an earlier one for the same email, and writes its mail.
///
/// # Errors
/// `email_taken`; `email_resigned` when its owner has resigned; `validation_failed` for an invalid email.
pub async fn create(
    db: &PgPool,
    outbox: &Outbox,
    urls: &Links,
    actor: &Actor,
    new: &NewInvitation<'_>,
) -> Result<Invitation, ApiError> {
    let email = text::email(new.email).ok_or_else(|| ApiError::invalid("email", "invalid_email"))?;
    let email_key = text::email_key(&email);
    let mut tx = db.begin().await?;
    let expires_at = Utc::now() + TTL;
    // The new row has an id of its own, so that a mail of the former invitation gets no token. Repeated if another admin has created one
    // in between.
    let id = loop {
        remove_of_email(&mut tx, &email_key).await?;
        let id = sqlx::query_scalar!(
            "INSERT INTO invitations (email, email_key, member_type, invited_by, expires_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (email_key) DO NOTHING RETURNING id",
            email,
            email_key,
            new.member_type as MemberType,
            actor.id,
            expires_at
        );
        if let Some(id) = id.fetch_optional(&mut *tx).await? {
            break id;
        }
    };
    // After the wait for a sign-up that accepts the former invitation.
    if let Some(code) = users::owner_error(&mut tx, &email_key).await? {
        return Err(code.into());
    }
    let token = links::create(&mut *tx, Purpose::Invitation(id), expires_at).await?;
    let mail = AccountMail { invitation: Some(id), email: &email, language: new.language, address: &actor.address };
    outbox.write_account_mail(&mut *tx, &mail).await?;
    let subject = format!("{email} {}", new.member_type.as_str());
    actor.log_success(&mut *tx, Action::InvitationCreate, &subject).await?;
    let mut sql = QueryBuilder::<Postgres>::new(INVITATION);
    sql.push(FROM).push(" WHERE invitation.id = ").push_bind(id);
    let created: Invitation = sql.build_query_as().fetch_one(&mut *tx).await?;
    tx.commit().await?;
    outbox.wake();
    Ok(Invitation { url: Some(urls.invitation(&token)), ..created })
}

/// Withdraws an invitation.
///
/// # Errors
/// `not_found`.
pub async fn delete(db: &PgPool, actor: &Actor, id: i64) -> Result<(), ApiError> {
    let mut tx = db.begin().await?;
    let email = sqlx::query_scalar!("DELETE FROM invitations WHERE id = $1 RETURNING email", id)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(Code::NotFound)?;
    actor.log_success(&mut *tx, Action::InvitationDelete, &email).await?;
    tx.commit().await?;
    Ok(())
}

/// Invitation that may be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenInvitation {
    pub id: i64,
    pub member_type: MemberType,
}

/// Locks the invitation of an email, of which the caller knows that it belongs to the person who signs up. None if there is no open
/// invitation. `sign_up::create` accepts it.
pub async fn open_invitation(tx: &mut PgConnection, email_key: &str) -> Result<Option<OpenInvitation>, ApiError> {
    let invitation = sqlx::query_as!(
        OpenInvitation,
        r#"SELECT id AS "id!", member_type AS "member_type!: MemberType" FROM open_invitations WHERE email_key = $1 FOR UPDATE"#,
        email_key
    );
    Ok(invitation.fetch_optional(tx).await?)
}

/// Locks the invitation of a token until the end of the transaction, if there is one. `sign_up::create` accepts it.
///
/// # Errors
/// `invalid_invitation`, also when it is for another email.
pub async fn of_token(db: impl PgExecutor<'_>, token: &str, email: &str) -> Result<OpenInvitation, ApiError> {
    let invitation = sqlx::query_as!(
        OpenInvitation,
        r#"SELECT invitation.id AS "id!", invitation.member_type AS "member_type!: MemberType"
           FROM link_tokens AS token JOIN open_invitations AS invitation ON invitation.id = token.invitation_id
           WHERE token.hash = $1 AND token.expires_at > now() AND invitation.email_key = $2
           FOR UPDATE OF invitation"#,
        links::hash(token),
        text::email_key(email)
    );
    invitation.fetch_optional(db).await?.ok_or_else(|| Code::InvalidInvitation.into())
}

/// Removes the invitation of an email with its tokens and mails, if there is one.
pub async fn remove_of_email(tx: &mut PgConnection, email_key: &str) -> Result<(), ApiError> {
    sqlx::query!("DELETE FROM invitations WHERE email_key = $1", email_key).execute(tx).await?;
    Ok(())
}

/// Removes expired invitations, and returns their number.
pub async fn remove_expired(db: impl PgExecutor<'_>) -> Result<u64, ApiError> {
    Ok(sqlx::query!("DELETE FROM invitations WHERE expires_at < now()").execute(db).await?.rows_affected())
}
