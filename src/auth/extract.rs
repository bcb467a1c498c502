//! Extractors of the signed-in user. A handler that takes [`CurrentUser`] or [`AdminUser`] requires an access token.

use std::sync::Arc;

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{header, request::Parts},
};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{state::AuthState, token::TokenType, users::MemberType};
use crate::{
    audit::Actor,
    error::{ApiError, Code},
    http::{client_ip::ClientIp, request_info::RequestInfo},
};

/// Signed-in user who has not resigned.
#[derive(Clone, Debug)]
pub struct CurrentUser {
    pub id: i64,
    /// Role at this moment, which may differ from that when the token was issued.
    pub member_type: MemberType,
    pub ip: ClientIp,
    /// Session of the access token. None for tokens of former versions.
    pub session_id: Option<Uuid>,
    /// Time at which the access token expires.
    pub expires_at: DateTime<Utc>,
}

/// Signed-in user who is an admin.
#[derive(Clone, Debug)]
pub struct AdminUser(pub CurrentUser);

impl CurrentUser {
    pub fn is_admin(&self) -> bool {
        self.member_type == MemberType::Admin
    }

    /// Actor of the user's operations in the audit log.
    pub fn actor(&self) -> Actor {
        Actor { id: Some(self.id), address: self.ip.to_string() }
    }

    /// Checks that the user is `owner` or an admin.
    ///
    /// # Errors
    /// `permission_denied`.
    pub fn may_change(&self, owner: Option<i64>) -> Result<(), ApiError> {
        if self.is_admin() || owner == Some(self.id) { Ok(()) } else { Err(Code::PermissionDenied.into()) }
    }
}

impl<S: Sync> FromRequestParts<S> for CurrentUser
where
    Arc<AuthState>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        // The handler and the extractor of its body may both need the user. The request counts once.
        if let Some(user) = parts.extensions.get::<Self>() {
            return Ok(user.clone());
        }
        let auth = Arc::<AuthState>::from_ref(state);
        let header = parts.headers.get(header::AUTHORIZATION).ok_or(Code::NotAuthenticated)?;
        let (scheme, token) = header.to_str().ok().and_then(|value| value.split_once(' ')).ok_or(Code::InvalidToken)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Code::NotAuthenticated.into());
        }
        let claims = auth.keys.verify(token.trim(), TokenType::Access)?;
        let id = claims.user_id;
        let status = auth.user_cache.get(&auth.db, id).await?;
        let status = status.filter(|status| !status.is_deleted && status.token_generation == claims.generation);
        let status = status.ok_or(Code::InvalidToken)?;
        if let Some(info) = parts.extensions.get::<RequestInfo>() {
            info.set_user(id);
        }
        if !parts.method.is_safe() {
            auth.limits.writes_user.acquire(id)?.spend();
        }
        let expires_at = DateTime::from_timestamp(claims.exp, 0).ok_or(Code::InvalidToken)?;
        let user = Self {
            id,
            member_type: status.member_type,
            ip: RequestInfo::client_ip_of(parts),
            session_id: claims.session_id,
            expires_at,
        };
        parts.extensions.insert(user.clone());
        Ok(user)
    }
}

impl<S: Sync> FromRequestParts<S> for AdminUser
where
    Arc<AuthState>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let user = CurrentUser::from_request_parts(parts, state).await?;
        if user.is_admin() { Ok(Self(user)) } else { Err(Code::PermissionDenied.into()) }
    }
}
