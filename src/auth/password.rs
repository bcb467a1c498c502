//! Passwords: argon2id on threads of their own, and which ones are too easy to guess.

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use secrecy::{ExposeSecret, SecretString};

use crate::{error::ApiError, text, workers::Workers};

/// Hashes and verifies passwords.
pub struct Passwords {
    workers: Workers,
    /// What an unknown email is verified against, so that it costs what a known one does.
    nobody: Arc<str>,
}

impl Passwords {
    /// Ready to hash on every core of the machine, as many at once as there are.
    ///
    /// # Errors
    /// When the system has no randomness to offer.
    pub fn new() -> Result<Self, ApiError> {
        let nobody = hash_blocking("nobody has this password")?.into();
        Ok(Self { workers: Workers::new().map_err(ApiError::internal)?, nobody })
    }

    /// The PHC string of `password`.
    ///
    /// # Errors
    /// A failure of the hasher.
    pub async fn hash(&self, password: SecretString) -> Result<String, ApiError> {
        self.workers.run(move || hash_blocking(password.expose_secret())).await?
    }

    /// Whether `password` is the one behind `hash`; without a hash the same work is done for nothing.
    ///
    /// # Errors
    /// A stored hash that cannot be read.
    pub async fn verify(&self, password: SecretString, hash: Option<String>) -> Result<bool, ApiError> {
        let known = hash.is_some();
        let hash = hash.map_or_else(|| Arc::clone(&self.nobody), Into::into);
        let matches = self
            .workers
            .run(move || {
                let hash = PasswordHash::new(&hash).map_err(|error| ApiError::internal(error.to_string()))?;
                Ok::<_, ApiError>(hasher().verify_password(password.expose_secret().as_bytes(), &hash).is_ok())
            })
            .await??;
        Ok(matches && known)
    }
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

/// Whether `password` is what a colleague would try: the email, the part before its `@`, or the name, whatever their case and
/// whatever digits and signs are put between or around their letters.
#[must_use]
pub fn is_personal(password: &str, email: &str, name: &str) -> bool {
    let letters = |text: &str| text.chars().filter(|c| c.is_alphabetic()).collect::<String>();
    let password = text::fold(password);
    let local = email.split('@').next().unwrap_or_default();
    [email, local, name]
        .into_iter()
        .map(text::fold)
        .any(|known| password == known || (!letters(&known).is_empty() && letters(&password) == letters(&known)))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_password_made_of_the_email_or_the_name_is_personal() {
        let (email, name) = ("Kim.Minsu7@example.com", "김 민수");
        for password in [
            "kim.minsu7@example.com",
            "Kim.Minsu7",
            "kimminsu1234",
            "!KIM-minsu-2026!",
            "김민수12345",
            "1234 김 민수",
            "kim.minsu@example.com7",
        ] {
            assert!(super::is_personal(password, email, name), "{password}");
        }
        for password in ["kimminsu likes crackers", "minsu-1234567", "korea-snack-9", "1234567890123"] {
            assert!(!super::is_personal(password, email, name), "{password}");
        }
        assert!(super::is_personal("20261234", "20261234@example.com", "이과자"));
        assert!(!super::is_personal("98765432", "20261234@example.com", "77"), "other digits are no sameness");
    }

    #[test]
    fn a_hash_is_argon2id_with_the_recommended_cost() {
        let hash = super::hash_blocking("correct horse").expect("a hash");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    }
}
