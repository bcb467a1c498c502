//! Rate limits for sign-in, sign-up, forgotten passwords and changes.

use std::time::Duration;

use crate::{
    config::{Config, Rate},
    error::ApiError,
    http::{
        client_ip::ClientIp,
        rate_limiter::{KeyDigest, Permit, RateLimiter},
    },
};

/// Failed sign-ins that an account may have from all addresses together, as a multiple of those from one address.
const ALL_ADDRESSES: u32 = 10;
/// Sign-ins through the identity provider that one address may start, as a multiple of the failed sign-ins that it may have. Most
/// succeed, and an office shares an address.
const OIDC_STARTS: u32 = 10;
/// Mails for a new password of an account.
const FORGOTTEN_ACCOUNT: Rate = Rate { count: 3, period: Duration::from_hours(1) };
/// Requests for a new password from an address.
const FORGOTTEN_ADDRESS: Rate = Rate { count: 20, period: Duration::from_hours(1) };

pub struct Limits {
    /// Failed sign-ins of one account from one address.
    sign_in_pair: RateLimiter<(KeyDigest, ClientIp)>,
    /// Failed sign-ins of one account. The key is the email, whether the account exists or not.
    sign_in_account: RateLimiter<KeyDigest>,
    /// Failed sign-ins from one address.
    sign_in_address: RateLimiter<ClientIp>,
    /// Sign-ups from one address.
    pub sign_up_address: RateLimiter<ClientIp>,
    /// Sign-ins through the identity provider that one address starts.
    pub oidc_start_address: RateLimiter<ClientIp>,
    /// Failed callbacks of the identity provider from one address.
    pub oidc_callback_address: RateLimiter<ClientIp>,
    /// Mails for a new password of one account. The key is the email, whether the account exists or not.
    pub forgotten_account: RateLimiter<KeyDigest>,
    /// Requests for a new password from one address.
    pub forgotten_address: RateLimiter<ClientIp>,
    /// Requests of one user that may change something.
    pub writes_user: RateLimiter<i64>,
}

/// Sign-in attempt. It does not count unless it fails.
#[must_use]
pub struct SignInAttempt<'a> {
    pair: Option<Permit<'a, (KeyDigest, ClientIp)>>,
    account: Option<Permit<'a, KeyDigest>>,
    address: Permit<'a, ClientIp>,
}

impl SignInAttempt<'_> {
    pub fn fail(self) {
        self.pair.into_iter().for_each(Permit::spend);
        self.account.into_iter().for_each(Permit::spend);
        self.address.spend();
    }
}

impl Limits {
    pub fn new(config: &Config) -> Self {
        let of_account = config.limit_sign_in_account;
        let of_address = config.limit_sign_in_address;
        let oidc_starts = Rate { count: of_address.count.saturating_mul(OIDC_STARTS), ..of_address };
        let of_all = Rate { count: of_account.count.saturating_mul(ALL_ADDRESSES), ..of_account };
        Self {
            sign_in_pair: RateLimiter::new(of_account),
            sign_in_account: RateLimiter::new(of_all),
            sign_in_address: RateLimiter::new(of_address),
            sign_up_address: RateLimiter::new(config.limit_sign_up_address),
            oidc_start_address: RateLimiter::new(oidc_starts),
            oidc_callback_address: RateLimiter::new(of_address),
            forgotten_account: RateLimiter::new(FORGOTTEN_ACCOUNT),
            forgotten_address: RateLimiter::new(FORGOTTEN_ADDRESS),
            writes_user: RateLimiter::new(config.limit_writes_user),
        }
    }

    /// Starts an attempt to sign in to `account` from `ip`. `account` is the comparison form of its email, or none if the text
    /// cannot be an email. The limit of an account counts by address, so that guesses from elsewhere do not lock the owner out.
    /// Guesses from many addresses meet the account's limit for all addresses.
    ///
    /// # Errors
    /// `too_many_requests`.
    pub fn sign_in(&self, account: Option<&str>, ip: ClientIp) -> Result<SignInAttempt<'_>, ApiError> {
        let (account, address) = (account.map(KeyDigest::of), ip.rate_limit_key());
        Ok(SignInAttempt {
            pair: account.map(|account| self.sign_in_pair.acquire((account, address))).transpose()?,
            account: account.map(|account| self.sign_in_account.acquire(account)).transpose()?,
            address: self.sign_in_address.acquire(address)?,
        })
    }
}
