//! Invitations in Postgres.

use sqlx::PgConnection;

use super::users::MemberType;
use crate::error::ApiError;

/// Invitation that may be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenInvitation {
    pub id: i64,
    pub member_type: MemberType,
}

/// Locks the invitation of an email, of which the caller knows that it belongs to the person who signs up. None if there is no invitation
/// or it has expired. [`super::users::create`] accepts it.
pub async fn open_invitation(tx: &mut PgConnection, email_key: &str) -> Result<Option<OpenInvitation>, ApiError> {
    let invitation = sqlx::query_as!(
        OpenInvitation,
        r#"SELECT id, member_type AS "member_type: MemberType" FROM invitations
           WHERE email_key = $1 AND expires_at > now() FOR UPDATE"#,
        email_key
    );
    Ok(invitation.fetch_optional(tx).await?)
}

/// Removes the invitation of an email with its tokens and mails, if there is one.
pub async fn remove_of_email(tx: &mut PgConnection, email_key: &str) -> Result<(), ApiError> {
    sqlx::query!("DELETE FROM invitations WHERE email_key = $1", email_key).execute(tx).await?;
    Ok(())
}
