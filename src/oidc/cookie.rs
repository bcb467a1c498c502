//! The cookie of a sign-in under way. It has what the callback is checked with, so that nothing is stored for a request that anybody can
//! make, and any server can take the callback.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use openidconnect::{CsrfToken, Nonce, PkceCodeVerifier};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    auth::token::{TokenKeys, TokenType},
    config::path_prefix,
    error::ApiError,
};

const NAME: &str = "oidc_sign_in";
/// Time that a user has at the identity provider.
const LIFETIME: Duration = Duration::from_mins(10);

/// Sign-in under way.
#[derive(Serialize, Deserialize)]
pub struct Flow {
    /// Repeated by the callback.
    pub state: CsrfToken,
    /// Repeated by the ID token.
    pub nonce: Nonce,
    pub pkce_verifier: PkceCodeVerifier,
    /// Path of the page that the sign-in leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Attributes of the cookie.
pub struct FlowCookie {
    attributes: String,
}

impl FlowCookie {
    pub fn new(public_url: &Url) -> Self {
        let prefix = path_prefix(public_url);
        let secure = if public_url.scheme() == "https" { "; Secure" } else { "" };
        // Strict would withhold the cookie from the callback, which comes from the identity provider's page.
        Self { attributes: format!("Path={prefix}/auth/oidc; HttpOnly; SameSite=Lax{secure}") }
    }

    /// `Set-Cookie` with the flow.
    ///
    /// # Errors
    /// Signing failed.
    pub fn set(&self, keys: &TokenKeys, flow: &Flow) -> Result<HeaderValue, ApiError> {
        let token = keys.seal(TokenType::OidcSignIn, flow, LIFETIME)?;
        let cookie = format!("{NAME}={token}; Max-Age={}; {}", LIFETIME.as_secs(), self.attributes);
        HeaderValue::try_from(cookie).map_err(ApiError::internal)
    }

    /// `Set-Cookie` that removes the flow.
    ///
    /// # Errors
    /// The public URL has characters that a header cannot have, which its parser encodes.
    pub fn clear(&self) -> Result<HeaderValue, ApiError> {
        HeaderValue::try_from(format!("{NAME}=; Max-Age=0; {}", self.attributes)).map_err(ApiError::internal)
    }
}

/// Flow of the request's cookie. None without a valid one.
pub fn read(keys: &TokenKeys, headers: &HeaderMap) -> Option<Flow> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, token) = pairs.find(|(name, _)| *name == NAME)?;
    keys.unseal(token, TokenType::OidcSignIn).ok()
}
