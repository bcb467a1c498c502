//! How often somebody may try to sign in or up.

use crate::{
    config::Config,
    http::{Address, limit::Limit},
};

/// The limits of the settings, by what they count.
pub struct Limits {
    /// Failed sign-ins of one account, which is known by its folded email whether it exists or not.
    pub sign_in_account: Limit<String>,
    /// Failed sign-ins from one address.
    pub sign_in_address: Limit<Address>,
    /// Sign-ups from one address.
    pub sign_up_address: Limit<Address>,
}

impl Limits {
    /// The limits in `config`, none of them used yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            sign_in_account: Limit::new(config.limit_sign_in_account),
            sign_in_address: Limit::new(config.limit_sign_in_address),
            sign_up_address: Limit::new(config.limit_sign_up_address),
        }
    }
}
