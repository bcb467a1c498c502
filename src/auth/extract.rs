//! The signed-in user as an extractor: a handler that takes a [`Member`] or an [`Admin`] needs one.

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};

use super::{token::TokenType, users::MemberType};
use crate::{
    app::state::AppState,
    audit::log::Actor,
    error::{ApiError, Code},
    http::{Address, middleware::RequestUser},
};

/// Somebody who has signed in and not resigned.
#[derive(Clone, Debug)]
pub struct Member {
    /// The user's id.
    pub id: i64,
    /// What they may do at this moment, whatever they could when the token was made.
    pub member_type: MemberType,
    /// Where they are.
    pub address: Address,
}

/// A [`Member`] who is an admin.
#[derive(Clone, Debug)]
pub struct Admin(pub Member);

impl Member {
    /// Whether they are an admin.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.member_type == MemberType::Admin
    }

    /// Who is to be named in the audit log.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor { id: Some(self.id), address: self.address.to_string() }
    }

    /// Lets the owner of something and admins pass.
    ///
    /// # Errors
    /// `permission_denied` for anybody else.
    pub fn may_change(&self, owner: Option<i64>) -> Result<(), ApiError> {
        if self.is_admin() || owner == Some(self.id) { Ok(()) } else { Err(Code::PermissionDenied.into()) }
    }
}

impl FromRequestParts<AppState> for Member {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        // A handler and the extractor of its body may both ask. The request counts once.
        if let Some(member) = parts.extensions.get::<Self>() {
            return Ok(member.clone());
        }
        let header = parts.headers.get(header::AUTHORIZATION).ok_or(Code::NotAuthenticated)?;
        let (scheme, token) = header.to_str().ok().and_then(|value| value.split_once(' ')).ok_or(Code::InvalidToken)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Code::NotAuthenticated.into());
        }
        let claims = state.keys.verify(token.trim(), TokenType::Access)?;
        let id = claims.user_id;
        let standing = state.standings.of(&state.db, id).await?.filter(|standing| !standing.is_deleted);
        let standing = standing.ok_or(Code::InvalidToken)?;
        if let Some(user) = parts.extensions.get::<RequestUser>() {
            user.set(id);
        }
        if !parts.method.is_safe() {
            state.limits.writes_user.acquire(id)?.spend();
        }
        let member = Self { id, member_type: standing.member_type, address: Address::of(parts) };
        parts.extensions.insert(member.clone());
        Ok(member)
    }
}

impl FromRequestParts<AppState> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let member = Member::from_request_parts(parts, state).await?;
        if member.is_admin() { Ok(Self(member)) } else { Err(Code::PermissionDenied.into()) }
    }
}
