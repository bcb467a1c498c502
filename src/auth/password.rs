//! Passwords: argon2id, off the async threads, as many at once as there are cores.

use std::{sync::Arc, thread::available_parallelism};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::error::ApiError;

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
    fn a_hash_is_argon2id_with_the_recommended_cost() {
        let hash = super::hash_blocking("correct horse").expect("a hash");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    }
}
