//! Creation of users.

use sqlx::PgConnection;

use super::{
    invitations,
    users::{self, MemberType, User},
};
use crate::{
    audit::{Action, Actor},
    domain::text::{self, fold, tidy},
    error::{ApiError, Code},
};

/// User to be created.
#[derive(Debug)]
pub struct NewUser<'a> {
    pub email: &'a str,
    pub name: &'a str,
    /// None for users who sign in through the identity provider.
    pub password_hash: Option<&'a str>,
    pub member_type: MemberType,
}

/// Signs up a user from the address of `actor`. Removes the invitation of the email, which is accepted or of no use any more.
///
/// # Errors
/// `email_taken`; `email_resigned` when its owner has resigned; `validation_failed` for an invalid email.
pub async fn create(tx: &mut PgConnection, actor: &Actor, user: &NewUser<'_>) -> Result<User, ApiError> {
    let email = text::email(user.email).ok_or_else(|| ApiError::invalid("email", "invalid_email"))?;
    let (email_key, name) = (text::email_key(&email), tidy(user.name));
    // Before the insert, so that all transactions lock the invitation first and the user second.
    invitations::remove_of_email(&mut *tx, &email_key).await?;
    let id = sqlx::query_scalar!(
        "INSERT INTO users (email, email_key, name, name_key, password_hash, member_type) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (email_key) DO NOTHING RETURNING id",
        email,
        email_key,
        name,
        fold(&name),
        user.password_hash,
        user.member_type as MemberType
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(id) = id else {
        return Err(users::owner_error(&mut *tx, &email_key).await?.unwrap_or(Code::EmailTaken).into());
    };
    let new_user = Actor { id: Some(id), address: actor.address.clone() };
    new_user.log_success(&mut *tx, Action::SignUp, &email).await?;
    if user.member_type == MemberType::Admin {
        actor.log_success(&mut *tx, Action::MemberTypeChange, &format!("{id} admin")).await?;
    }
    users::get(tx, id).await
}
