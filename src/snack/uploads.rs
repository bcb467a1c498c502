//! Limits for uploads: number per user, bytes of all users, number of pictures that are decoded at once.
//!
//! A slow upload takes only the memory of what it has sent, and permits of its own user. No user waits for the body of another.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::body::Body;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{
    error::{ApiError, Code},
    http::body_budget::{self, BodyBudget, Reservation},
};

/// Uploads per user at once, from the first byte until the picture is stored.
const UPLOADS_PER_USER: usize = 2;
/// Uploads per user, including those that wait for the others before their body is read.
const QUEUE_PER_USER: usize = 16;
/// Wait of an upload for others of the same user. Longer than decoding takes.
const USER_WAIT: Duration = Duration::from_secs(30);
/// Pictures that are decoded at once. One per user, so that slow files delay only their sender.
const DECODING: usize = 2;
/// Wait of a complete upload for those of other users.
const DECODING_WAIT: Duration = Duration::from_secs(15);
/// `Retry-After` for a user with too many uploads.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Maximum size of all uploads in memory, in bytes. Less than that of all bodies, so that uploads leave some for other requests. With
/// read buffers and results the server takes about twice as much.
const BUDGET: usize = 48 * 1024 * 1024;

/// Limits shared by all uploads.
pub struct Uploads {
    users: Users,
    decoding: Arc<Semaphore>,
    budget: BodyBudget,
}

/// Limits of users with uploads, by user id.
type Users = Arc<Mutex<HashMap<i64, UserLimits>>>;

#[derive(Clone)]
struct UserLimits {
    /// Number of [`Uploader`]s. The last one removes the entry.
    uploaders: usize,
    uploads: Arc<Semaphore>,
    decoding: Arc<Semaphore>,
}

/// Permit for an upload. Released on drop.
pub struct UploadPermit {
    reservation: Arc<Reservation>,
    _place: OwnedSemaphorePermit,
    user: Uploader,
}

/// Permit to decode a picture. Released on drop.
pub struct DecodingPermit {
    _all: OwnedSemaphorePermit,
    _user: OwnedSemaphorePermit,
}

impl Default for Uploads {
    fn default() -> Self {
        Self { users: Arc::default(), decoding: Arc::new(Semaphore::new(DECODING)), budget: BodyBudget::new(BUDGET) }
    }
}

impl Uploads {
    /// Waits until `user` may start an upload.
    ///
    /// # Errors
    /// `too_many_requests` when the user has too many uploads, or the wait is too long.
    pub async fn permit(&self, user: i64) -> Result<UploadPermit, ApiError> {
        let user = Uploader::new(&self.users, user)?;
        let place = wait_for_own(&user.limits.uploads).await?;
        let reservation = Arc::new(self.budget.try_reserve(0)?);
        Ok(UploadPermit { reservation, _place: place, user })
    }

    /// Waits until the upload of `permit` may be decoded.
    ///
    /// # Errors
    /// `too_many_requests` when the wait for the user's other upload is too long, `unavailable` when that for other users is.
    pub async fn decoding(&self, permit: &UploadPermit) -> Result<DecodingPermit, ApiError> {
        // The user's own permit first: who waits for it must not hold a shared one.
        let user = wait_for_own(&permit.user.limits.decoding).await?;
        let all = timeout(DECODING_WAIT, Arc::clone(&self.decoding).acquire_owned());
        let all = all.await.map_err(|_| Code::Unavailable)?.map_err(ApiError::internal)?;
        Ok(DecodingPermit { _all: all, _user: user })
    }
}

async fn wait_for_own(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, ApiError> {
    let place = timeout(USER_WAIT, Arc::clone(places).acquire_owned()).await;
    place.map_err(|_| ApiError::too_many(RETRY_AFTER))?.map_err(ApiError::internal)
}

impl UploadPermit {
    /// Counts `body` towards the budget of all uploads.
    pub fn metered(&self, body: Body) -> Body {
        body_budget::metered(body, Arc::clone(&self.reservation))
    }
}

/// Upload in progress. The entry of its user exists as long as one of these.
struct Uploader {
    users: Users,
    id: i64,
    limits: UserLimits,
}

fn lock(users: &Users) -> MutexGuard<'_, HashMap<i64, UserLimits>> {
    users.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Uploader {
    fn new(users: &Users, id: i64) -> Result<Self, ApiError> {
        let mut entries = lock(users);
        let entry = entries.entry(id).or_insert_with(|| UserLimits {
            uploaders: 0,
            uploads: Arc::new(Semaphore::new(UPLOADS_PER_USER)),
            decoding: Arc::new(Semaphore::new(1)),
        });
        if entry.uploaders == QUEUE_PER_USER {
            return Err(ApiError::too_many(RETRY_AFTER));
        }
        entry.uploaders += 1;
        Ok(Self { users: Arc::clone(users), id, limits: entry.clone() })
    }
}

impl Drop for Uploader {
    fn drop(&mut self) {
        if let Entry::Occupied(mut entry) = lock(&self.users).entry(self.id) {
            entry.get_mut().uploaders -= 1;
            if entry.get().uploaders == 0 {
                entry.remove();
            }
        }
    }
}
