//! Passwords: argon2id, off the async threads, as many at once as there are cores.

use std::{sync::Arc, thread::available_parallelism};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::{error::ApiError, text::fold};

/// Hashes and verifies passwords.
pub struct Passwords {
    cores: Arc<Semaphore>,
    /// What an unknown email is verified against, so that it costs what a known one does.
    nobody: Arc<str>,
}

impl Passwords {
    /// Ready to hash on every core of the machine.
    ///
    /// # Errors
    /// When the system has no randomness to offer.
    pub fn new() -> Result<Self, ApiError> {
        let cores = available_parallelism().map_or(1, usize::from);
        let nobody = hash_blocking("nobody has this password")?.into();
        Ok(Self { cores: Arc::new(Semaphore::new(cores)), nobody })
    }

    /// The PHC string of `password`.
    ///
    /// # Errors
    /// A failure of the hasher.
    pub async fn hash(&self, password: SecretString) -> Result<String, ApiError> {
        self.blocking(move || hash_blocking(password.expose_secret())).await?
    }

    /// Whether `password` is the one behind `hash`; without a hash the same work is done for nothing.
    ///
    /// # Errors
    /// A stored hash that cannot be read.
    pub async fn verify(&self, password: SecretString, hash: Option<String>) -> Result<bool, ApiError> {
        let known = hash.is_some();
        let hash = hash.map_or_else(|| Arc::clone(&self.nobody), Into::into);
        let matches = self
            .blocking(move || {
                let hash = PasswordHash::new(&hash).map_err(|error| ApiError::internal(error.to_string()))?;
                Ok::<_, ApiError>(hasher().verify_password(password.expose_secret().as_bytes(), &hash).is_ok())
            })
            .await??;
        Ok(matches && known)
    }

    /// Runs `work` on a blocking thread. The permit goes along: a caller that goes away must not make room for more work
    /// than there are cores.
    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
        let permit = Arc::clone(&self.cores).acquire_owned().await.map_err(ApiError::internal)?;
        spawn_blocking(move || {
            let result = work();
            drop(permit);
            result
        })
        .await
        .map_err(ApiError::internal)
    }
}

/// Passwords that everybody tries first, folded, one a line.
const COMMON: &str = include_str!("common_passwords.txt");

/// Why somebody with this email and name should not have this password: the code of a [`crate::error::FieldError`]. Length is not
/// looked at here.
#[must_use]
pub fn is_guessable(password: &str, email: &str, name: &str) -> Option<&'static str> {
    let password = fold(password);
    if COMMON.lines().any(|common| common == password) {
        return Some("common_password");
    }
    let (email, name) = (fold(email), fold(name));
    let mailbox = email.split('@').next().unwrap_or_default();
    // With a figure or two behind it, it is still the name.
    let bare = password.trim_end_matches(|c: char| c.is_ascii_digit() || c.is_ascii_punctuation());
    let own = [email.as_str(), mailbox, name.as_str()];
    own.iter().any(|own| !own.is_empty() && (*own == password || *own == bare)).then_some("own_password")
}

/// The PHC string of `password`, computed on the calling thread: some tens of milliseconds and 19 MiB.
///
/// # Errors
/// A failure of the hasher.
pub fn hash_blocking(password: &str) -> Result<String, ApiError> {
    let hash = hasher().hash_password(password.as_bytes()).map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(hash.to_string())
}

/// OWASP's first choice for argon2id: 19 MiB, two passes, one lane.
fn hasher() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_everybody_tries_first_is_no_password() {
        let table = [
            ("password123", Some("common_password")),
            ("QWERTYUIOP", Some("common_password")),
            ("kim.snack", Some("own_password")),
            ("Kim.Snack2024!", Some("own_password")),
            ("kim.snack@example.com", Some("own_password")),
            ("김간식이 좋아요", None),
            ("korea-snack-9", None),
            ("kim.snack loves crackers", None),
        ];
        for (password, expected) in table {
            assert_eq!(super::is_guessable(password, "kim.snack@example.com", "김간식"), expected, "{password}");
        }
        assert_eq!(super::is_guessable("12-34-56-78", "", ""), None);
    }

    #[test]
    fn a_hash_is_argon2id_with_the_recommended_cost() {
        let hash = super::hash_blocking("correct horse").expect("a hash");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    }
}
