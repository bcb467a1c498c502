//! State of the sign-in through the identity provider.

use std::sync::Arc;

use url::Url;

use super::{cookie::FlowCookie, provider::Provider, sign_in::Denial};
use crate::{
    auth::state::AuthState,
    config::Config,
    error::{ApiError, Code, StartError},
};

pub struct OidcState {
    pub(super) auth: Arc<AuthState>,
    /// None without the settings of one.
    provider: Option<Provider>,
    pub(super) cookie: FlowCookie,
    /// Without a slash at the end.
    public_url: String,
}

impl OidcState {
    /// Connects to nothing.
    ///
    /// # Errors
    /// A setting is wrong, or the HTTP client cannot be set up.
    pub fn new(config: &Config, auth: Arc<AuthState>) -> Result<Self, StartError> {
        let public_url = config.public_url.as_str().trim_end_matches('/').to_owned();
        let redirect_url = format!("{public_url}/auth/oidc/callback");
        let provider = config.oidc.as_ref().map(|oidc| Provider::new(oidc, redirect_url)).transpose()?;
        Ok(Self { auth, provider, cookie: FlowCookie::new(&config.public_url), public_url })
    }

    /// # Errors
    /// `not_found` without an identity provider.
    pub(super) fn provider(&self) -> Result<&Provider, ApiError> {
        self.provider.as_ref().ok_or_else(|| Code::NotFound.into())
    }

    /// Page of the web app that exchanges the code.
    pub(super) fn signed_in_url(&self, code: &str, next: Option<&str>) -> Result<Url, ApiError> {
        let parameters = [("code", Some(code)), ("next", next)];
        let parameters = parameters.iter().filter_map(|(name, value)| Some((name, (*value)?)));
        Url::parse_with_params(&format!("{}/app/", self.public_url), parameters).map_err(ApiError::internal)
    }

    /// Sign-in page of the web app with a message.
    pub(super) fn denied_url(&self, denial: Denial) -> Result<Url, ApiError> {
        let page = format!("{}/app/sign-in", self.public_url);
        Url::parse_with_params(&page, [("error", denial.as_str())]).map_err(ApiError::internal)
    }
}
