//! State of the channels.

use std::sync::Arc;

use chrono_tz::Tz;
use sqlx::PgPool;
use url::Url;
use validator::ValidationError;

use super::{client::Client, guard::Guard, resolver::Resolver, rules};
use crate::{config::Config, error::ApiError, outbox::Outbox};

pub struct ChannelState {
    pub db: PgPool,
    pub outbox: Arc<Outbox>,
    pub guard: Guard,
    pub client: Client,
    /// For links in messages.
    pub public_url: Url,
    pub timezone: Tz,
}

impl ChannelState {
    /// # Errors
    /// The HTTP client cannot be set up.
    pub fn new(config: &Config, db: PgPool, outbox: Arc<Outbox>) -> Result<Self, ApiError> {
        let guard =
            Guard::new(config.outbound_allow_http, config.outbound_allow_private, Arc::new(Resolver::of_system()));
        let client = Client::new(guard.clone())?;
        let (public_url, timezone) = (config.public_url.clone(), config.timezone);
        Ok(Self { db, outbox, guard, client, public_url, timezone })
    }

    /// URL in the form in which it is stored.
    pub(super) async fn checked_url(&self, text: &str) -> Result<String, ValidationError> {
        let url = rules::url(text)?;
        match self.guard.check(&url).await {
            Ok(()) => Ok(url.into()),
            Err(refusal) => Err(ValidationError::new(refusal.code())),
        }
    }
}
