//! Passwords: argon2id on blocking threads, and the check for personal ones.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::available_parallelism,
};

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash, Salt},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::{domain::text, error::ApiError};

/// OWASP's first choice for argon2id: 19 MiB, two passes, one lane.
const PARAMS: Params = Params::DEFAULT;
/// Maximum memory cost in KiB of a stored hash with other parameters.
const MAX_MEMORY_COST: u32 = 64 * 1024;
/// Maximum time cost of a stored hash with other parameters.
const MAX_TIME_COST: u32 = 16;

/// Password as a user has typed it.
#[derive(Clone)]
pub struct Password {
    /// Form in which passwords are hashed and compared.
    form: SecretString,
    /// Text as typed, if it differs. Old hashes are of that.
    typed: Option<SecretString>,
}

impl Password {
    /// None when the text is too long for any password.
    pub fn new(typed: String) -> Option<Self> {
        let form = text::password_form(&typed)?;
        let typed = (form != typed).then(|| SecretString::from(typed));
        Some(Self { form: SecretString::from(form), typed })
    }
}

/// Result of comparing a password to a stored hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    Wrong,
    Right,
    /// Right, but the hash is of the text as typed and should be replaced.
    Outdated,
}

/// Hashes and verifies passwords.
pub struct Passwords {
    /// One permit for each core.
    permits: Arc<Semaphore>,
    memory: Arc<Memory>,
    /// Hash that the password for an unknown email is verified against, so that it takes as long as for a known one.
    dummy_hash: Arc<str>,
}

impl Passwords {
    /// # Errors
    /// The system has no randomness to offer.
    pub fn new() -> Result<Self, ApiError> {
        let dummy_hash = hash_blocking("nobody has this password")?.into();
        let permits = Arc::new(Semaphore::new(available_parallelism().map_or(1, usize::from)));
        Ok(Self { permits, memory: Arc::default(), dummy_hash })
    }

    /// PHC string of `password`.
    ///
    /// # Errors
    /// Hashing failed.
    pub async fn hash(&self, password: Password) -> Result<String, ApiError> {
        let memory = Arc::clone(&self.memory);
        self.run(move || memory.hash(password.form.expose_secret())).await?
    }

    /// Compares `password` to `hash`. Without a hash the same work is done, and the result is `Wrong`.
    ///
    /// The work depends on the text only, not on the hash: if the text as typed differs from the form in which passwords are
    /// compared, both are verified.
    ///
    /// # Errors
    /// The stored hash is malformed.
    pub async fn verify(&self, password: Password, hash: Option<String>) -> Result<Match, ApiError> {
        let known = hash.is_some();
        let hash = hash.map_or_else(|| Arc::clone(&self.dummy_hash), Into::into);
        let memory = Arc::clone(&self.memory);
        let work = move || {
            let hash = PasswordHash::new(&hash).map_err(ApiError::internal)?;
            let fits = memory.verify(password.form.expose_secret(), &hash)?;
            let fits_typed = match &password.typed {
                Some(typed) => memory.verify(typed.expose_secret(), &hash)?,
                None => false,
            };
            Ok::<_, ApiError>(match (fits, fits_typed) {
                (true, _) => Match::Right,
                (false, true) => Match::Outdated,
                (false, false) => Match::Wrong,
            })
        };
        let outcome = self.run(work).await??;
        Ok(if known { outcome } else { Match::Wrong })
    }

    /// Runs `work` on a blocking thread, at most one for each core. Work whose caller has gone before it starts is not done.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(ApiError::internal)?;
        let running = spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        running.await.map_err(ApiError::internal)
    }
}

/// Reused memory of argon2. The allocator would keep several freed blocks of this size for each thread. There is at most one buffer
/// for each hash in progress.
#[derive(Default)]
struct Memory(Mutex<Vec<Vec<Block>>>);

impl Memory {
    /// PHC string of `password`, which is in the form in which passwords are compared.
    fn hash(&self, password: &str) -> Result<String, ApiError> {
        let salt = Salt::generate();
        let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
        self.compute(Algorithm::Argon2id, Version::V0x13, PARAMS, password, &salt, &mut output)?;
        let hash = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&PARAMS).map_err(ApiError::internal)?,
            salt: Some(salt),
            hash: Some(Output::new(&output).map_err(ApiError::internal)?),
        };
        Ok(hash.to_string())
    }

    /// Tells whether `hash` is of exactly `password`. Two outputs are compared in constant time.
    fn verify(&self, password: &str, hash: &PasswordHash) -> Result<bool, ApiError> {
        let (Some(salt), Some(expected)) = (&hash.salt, &hash.hash) else {
            return Err(ApiError::internal("a hash without a salt or an output"));
        };
        let algorithm = Algorithm::try_from(hash.algorithm.as_str()).map_err(ApiError::internal)?;
        let version = hash.version.map(Version::try_from).transpose().map_err(ApiError::internal)?.unwrap_or_default();
        let params = Params::try_from(hash).map_err(ApiError::internal)?;
        if params.m_cost() > MAX_MEMORY_COST || params.t_cost() > MAX_TIME_COST {
            return Err(ApiError::internal("a hash that asks for too much memory or time"));
        }
        let mut output = [0; Output::MAX_LENGTH];
        let output = &mut output[..expected.len()];
        self.compute(algorithm, version, params, password, salt, output)?;
        Ok(Output::new(output).map_err(ApiError::internal)? == *expected)
    }

    fn compute(
        &self,
        algorithm: Algorithm,
        version: Version,
        params: Params,
        password: &str,
        salt: &[u8],
        output: &mut [u8],
    ) -> Result<(), ApiError> {
        let count = params.block_count();
        let is_usual = count <= PARAMS.block_count();
        let kept = if is_usual { self.buffers().pop() } else { None };
        let mut blocks = kept.unwrap_or_else(|| vec![Block::new(); count.max(PARAMS.block_count())]);
        let argon2 = Argon2::new(algorithm, version, params);
        let outcome = argon2.hash_password_into_with_memory(password.as_bytes(), salt, output, &mut blocks);
        // The content would allow to guess the password at a lower cost.
        blocks.fill(Block::new());
        if is_usual {
            self.buffers().push(blocks);
        }
        outcome.map_err(ApiError::internal)
    }

    fn buffers(&self) -> MutexGuard<'_, Vec<Vec<Block>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// PHC string of `password`, computed on the calling thread in some tens of milliseconds and with 19 MiB.
///
/// # Errors
/// Hashing failed, or the password is too long.
pub fn hash_blocking(password: &str) -> Result<String, ApiError> {
    let form = text::password_form(password).ok_or_else(|| ApiError::internal("the password is too long"))?;
    Memory::default().hash(&form)
}

/// Tells whether `password` is made of the email, the part before its `@`, or the name. Case is ignored, and so are digits and
/// signs between or around the letters.
pub fn is_personal(password: &str, email: &str, name: &str) -> bool {
    let letters = |text: &str| text.chars().filter(|c| c.is_alphabetic()).collect::<String>();
    let form = |text: &str| text::fold(&text::password_form(text).unwrap_or_default());
    let password = form(password);
    let local = email.split('@').next().unwrap_or_default();
    [email, local, name]
        .into_iter()
        .map(form)
        .any(|known| password == known || (!letters(&known).is_empty() && letters(&password) == letters(&known)))
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::{PasswordHasher, PasswordVerifier};

    use super::*;

    #[tokio::test]
    async fn work_without_a_caller_is_not_started_and_a_panic_stops_nothing_else() {
        let passwords = Passwords::new().expect("passwords");
        let count = Arc::new(Mutex::new(0));
        let counting = || {
            let count = Arc::clone(&count);
            move || *count.lock().expect("a count") += 1
        };
        let cores = u32::try_from(passwords.permits.available_permits()).expect("a number");
        let all = passwords.permits.acquire_many(cores).await.expect("all permits");
        for _ in 0..3 {
            // Polled once, then dropped.
            let mut waiting = Box::pin(passwords.run(counting()));
            assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        }
        drop(all);
        assert!(passwords.run(|| panic!("of this one alone")).await.is_err());
        passwords.run(counting()).await.expect("work");
        assert_eq!(*count.lock().expect("a count"), 1);
    }

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
            "ＫｉｍＭｉｎｓｕ１２３４",
        ] {
            assert!(is_personal(password, email, name), "{password}");
        }
        for password in ["kimminsu likes crackers", "minsu-1234567", "korea-snack-9", "1234567890123"] {
            assert!(!is_personal(password, email, name), "{password}");
        }
        assert!(is_personal("20261234", "20261234@example.com", "이과자"));
        assert!(!is_personal("98765432", "20261234@example.com", "77"), "other digits are no sameness");
    }

    #[test]
    fn a_hash_is_argon2id_with_the_recommended_cost() {
        let hash = hash_blocking("correct horse").expect("a hash");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    }

    #[test]
    fn hashes_of_the_library_and_of_other_costs_are_verified_in_memory_that_is_used_again() {
        let memory = Memory::default();
        let verify = |password: &str, hash: &str| {
            memory.verify(password, &PasswordHash::new(hash).expect("a hash")).map_err(|error| error.to_string())
        };
        let costs = [(PARAMS.m_cost(), 2, 1), (64, 1, 1), (2 * PARAMS.m_cost(), 1, 4)];
        for (algorithm, (memory_cost, time_cost, lanes)) in
            [Algorithm::Argon2id, Algorithm::Argon2i, Algorithm::Argon2d].into_iter().zip(costs)
        {
            let params = Params::new(memory_cost, time_cost, lanes, None).expect("parameters");
            let library = Argon2::new(algorithm, Version::V0x13, params);
            let hash = library.hash_password(b"correct horse").expect("a hash").to_string();
            assert_eq!(verify("correct horse", &hash), Ok(true), "{hash}");
            assert_eq!(verify("another horse", &hash), Ok(false), "{hash}");
        }
        let own = memory.hash("correct horse").expect("a hash");
        let library = Argon2::default();
        assert_eq!(library.verify_password(b"correct horse", own.as_str()), Ok(()));
        let buffers = memory.buffers();
        assert_eq!(buffers.len(), 1);
        assert!(
            buffers[0].iter().all(|block| block.as_ref().iter().all(|word| *word == 0)),
            "what was computed is wiped"
        );
    }

    #[test]
    fn a_hash_that_asks_for_too_much_is_refused() {
        let rest = "c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g";
        for costs in ["m=4194304,t=1,p=1", "m=64,t=4000000000,p=1"] {
            let hash = PasswordHash::new(&format!("$argon2id$v=19${costs}${rest}")).expect("a hash");
            assert!(Memory::default().verify("correct horse", &hash).is_err());
        }
    }
}
