//! Limits on tries to sign in and up, and on changes by a user.

use crate::{
    config::{Config, Rate},
    error::ApiError,
    http::{
        Address,
        rate_limiter::{KeyDigest, Permit, RateLimiter},
    },
};

/// Factor between the failed sign-ins that an account has from all addresses together and those from one.
const ALL_ADDRESSES: u32 = 10;

/// The limits of the settings, by what they count.
pub struct Limits {
    /// Failed sign-ins of one account from one address.
    sign_in_pair: RateLimiter<(KeyDigest, Address)>,
    /// Failed sign-ins of one account, which is known by its email whether it exists or not.
    sign_in_account: RateLimiter<KeyDigest>,
    /// Failed sign-ins from one address.
    sign_in_address: RateLimiter<Address>,
    /// Sign-ups from one address.
    pub sign_up_address: RateLimiter<Address>,
    /// Requests of one user that change something.
    pub writes_user: RateLimiter<i64>,
}

/// A try to sign in that is under way. It is free unless it fails.
#[must_use]
pub struct SignInAttempt<'a> {
    pair: Option<Permit<'a, (KeyDigest, Address)>>,
    account: Option<Permit<'a, KeyDigest>>,
    address: Permit<'a, Address>,
}

impl SignInAttempt<'_> {
    /// Counts the try as a failed one.
    pub fn fail(self) {
        self.pair.into_iter().for_each(Permit::spend);
        self.account.into_iter().for_each(Permit::spend);
        self.address.spend();
    }
}

impl Limits {
    /// The limits in `config`, none of them used yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let of_account = config.limit_sign_in_account;
        let of_all = Rate { count: of_account.count.saturating_mul(ALL_ADDRESSES), ..of_account };
        Self {
            sign_in_pair: RateLimiter::new(of_account),
            sign_in_account: RateLimiter::new(of_all),
            sign_in_address: RateLimiter::new(config.limit_sign_in_address),
            sign_up_address: RateLimiter::new(config.limit_sign_up_address),
            writes_user: RateLimiter::new(config.limit_writes_user),
        }
    }

    /// Begins a try to prove oneself the owner of `account` from `address`; `account` is the
    /// comparison form of its email, none where no account can be meant. The account's
    /// limit counts the address too, so that a stranger's guesses do not lock the owner out; guesses from many addresses meet
    /// the limit of the account in all.
    ///
    /// # Errors
    /// `too_many_requests`.
    pub fn sign_in(&self, account: Option<&str>, address: Address) -> Result<SignInAttempt<'_>, ApiError> {
        let (account, address) = (account.map(KeyDigest::of), address.subscriber());
        Ok(SignInAttempt {
            pair: account.map(|account| self.sign_in_pair.acquire((account, address))).transpose()?,
            account: account.map(|account| self.sign_in_account.acquire(account)).transpose()?,
            address: self.sign_in_address.acquire(address)?,
        })
    }
}
