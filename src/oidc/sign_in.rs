//! The member that an identity belongs to. An unknown one is signed up by the rules of sign-up.

use super::provider::Identity;
use crate::{
    audit::Actor,
    auth::{
        invitations, rules,
        sign_up::{self, NewUser},
        state::AuthState,
        users::MemberType,
    },
    config::SignUpMode,
    domain::text,
    error::{ApiError, Code},
};

/// Maximum length of a name, in characters.
const MAX_NAME: usize = 50;

/// Reason why nobody was signed in. The web app has a message for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    EmailResigned,
    SignUpClosed,
    DomainNotAllowed,
    EmailNotVerified,
    OidcFailed,
    OidcUnavailable,
    /// The user cancelled at the identity provider.
    OidcDenied,
}

impl Denial {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EmailResigned => "email_resigned",
            Self::SignUpClosed => "sign_up_closed",
            Self::DomainNotAllowed => "domain_not_allowed",
            Self::EmailNotVerified => "email_not_verified",
            Self::OidcFailed => "oidc_failed",
            Self::OidcUnavailable => "oidc_unavailable",
            Self::OidcDenied => "oidc_denied",
        }
    }

    /// Denial for the error of a callback (RFC 6749, 4.1.2.1).
    pub fn of_error(error: &str) -> Self {
        match error {
            "access_denied" => Self::OidcDenied,
            "server_error" | "temporarily_unavailable" => Self::OidcUnavailable,
            _ => Self::OidcFailed,
        }
    }
}

/// User of the identity, who is signed up if there is none. Sets `actor` to the user with the email, if there is one.
pub async fn user_of(
    auth: &AuthState,
    actor: &mut Actor,
    identity: &Identity,
) -> Result<Result<i64, Denial>, ApiError> {
    let Some(email) = identity.email.as_deref().filter(|_| identity.is_email_verified) else {
        return Ok(Err(Denial::EmailNotVerified));
    };
    if rules::email(email).is_err() {
        return Ok(Err(Denial::OidcFailed));
    }
    // Repeated once if another callback has signed up the user meanwhile.
    for _ in 0..2 {
        if let Some(user) = known_user(auth, email).await? {
            actor.id = Some(user.id);
            return Ok(if user.is_deleted { Err(Denial::EmailResigned) } else { Ok(user.id) });
        }
        match sign_up(auth, actor, email, &user_name(&identity.names, email)).await {
            Err(error) if error.code == Code::EmailTaken || error.code == Code::EmailResigned => {}
            other => return other,
        }
    }
    Ok(Err(Denial::OidcFailed))
}

struct KnownUser {
    id: i64,
    is_deleted: bool,
}

async fn known_user(auth: &AuthState, email: &str) -> Result<Option<KnownUser>, ApiError> {
    let user =
        sqlx::query_as!(KnownUser, "SELECT id, is_deleted FROM users WHERE email_key = $1", text::email_key(email));
    Ok(user.fetch_optional(&auth.db).await?)
}

/// Signs up a user with a verified email: with the role of its invitation, or as a member if sign-up is open to its domain.
async fn sign_up(auth: &AuthState, actor: &Actor, email: &str, name: &str) -> Result<Result<i64, Denial>, ApiError> {
    let mut tx = auth.db.begin().await?;
    let member_type = match invitations::open_invitation(&mut tx, &text::email_key(email)).await? {
        Some(invitation) => invitation.member_type,
        None if auth.sign_up == SignUpMode::Invited => return Ok(Err(Denial::SignUpClosed)),
        None if !text::email(email).is_some_and(|email| auth.allows_domain(&email)) => {
            return Ok(Err(Denial::DomainNotAllowed));
        }
        None => MemberType::Member,
    };
    let user = sign_up::create(&mut tx, actor, &NewUser { email, name, password_hash: None, member_type }).await?;
    tx.commit().await?;
    Ok(Ok(user.id))
}

/// First of `names` that the rules of names allow, cut to their length, or the part of the email before the `@`.
fn user_name(names: &[String], email: &str) -> String {
    let local_part = email.split('@').next().unwrap_or_default();
    let cut = |name: &str| {
        let cut: String = text::tidy(name).chars().take(MAX_NAME).collect();
        text::tidy(&cut)
    };
    let mut candidates = names.iter().map(|name| cut(name));
    candidates.find(|name| rules::user_name(name).is_ok()).unwrap_or_else(|| cut(local_part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_first_that_the_rules_allow() {
        let name = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            user_name(&names, "kim@office.example")
        };
        assert_eq!(name(&["김간식", "kim2"]), "김간식");
        assert_eq!(name(&["  김\u{ad} ", "kim2"]), "김");
        assert_eq!(name(&["\u{200b}", "kim2"]), "kim2");
        assert_eq!(name(&["K\u{202e}im", "a\nb"]), "kim");
        assert_eq!(name(&[]), "kim");
        assert_eq!(name(&[&"가".repeat(51)]), "가".repeat(50));
        assert_eq!(name(&[&format!("{} 나", "가".repeat(49))]), "가".repeat(49));
        let long = format!("{}@office.example", "k".repeat(64));
        assert_eq!(user_name(&[], &long), "k".repeat(50));
    }
}
