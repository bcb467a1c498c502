//! Bounds on uploads: how many of one user, how many bytes of all, and how many are decoded at once.
//!
//! A slow upload holds only what it has sent, and only places of its own user: nobody waits for somebody else's body.

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

/// Uploads of one user at once, from their first byte until they are stored.
const UPLOADS_PER_USER: usize = 2;
/// Uploads of one user, with those that wait for the others before any of their body is read.
const QUEUE_PER_USER: usize = 16;
/// Wait of an upload for others of the same user: longer than one may take to decode.
const USER_WAIT: Duration = Duration::from_secs(30);
/// Pictures decoded at once; of one user one at a time, so that files made to take long hold up only their sender.
const DECODING: usize = 2;
/// Wait of an upload that has been read for those of other users.
const DECODING_WAIT: Duration = Duration::from_secs(15);
/// Time after which a user with too many uploads may try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Bytes of all uploads that are in memory at once: a part of what the bodies of all requests may take, so that uploads leave
/// room for the others. With what is read ahead and what is made of them the server takes about twice as much.
const BUDGET: usize = 48 * 1024 * 1024;

/// The bounds, shared by all uploads.
pub struct Uploads {
    users: Users,
    decoding: Arc<Semaphore>,
    budget: BodyBudget,
}

/// Limits of the users who are uploading something, by their ids.
type Users = Arc<Mutex<HashMap<i64, UserLimits>>>;

#[derive(Clone)]
struct UserLimits {
    /// Number of [`Uploader`]s; with the last one the entry goes.
    uploaders: usize,
    uploads: Arc<Semaphore>,
    decoding: Arc<Semaphore>,
}

/// Permission to upload, given back on drop.
pub struct UploadPermit {
    reservation: Arc<Reservation>,
    _place: OwnedSemaphorePermit,
    user: Uploader,
}

/// Permission to decode, given back on drop.
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
    /// Waits until `user` may upload one more.
    ///
    /// # Errors
    /// `too_many_requests` when the user has too many others, or they go on for longer than this one may wait.
    pub async fn permit(&self, user: i64) -> Result<UploadPermit, ApiError> {
        let user = Uploader::new(&self.users, user)?;
        let place = wait_for_own(&user.limits.uploads).await?;
        let reservation = Arc::new(self.budget.try_reserve(0)?);
        Ok(UploadPermit { reservation, _place: place, user })
    }

    /// Waits until the upload of `permit` may be decoded.
    ///
    /// # Errors
    /// `too_many_requests` when the user's other upload takes longer than this one may wait, `unavailable` when those of
    /// others do.
    pub async fn decoding(&self, permit: &UploadPermit) -> Result<DecodingPermit, ApiError> {
        // The user's own comes first: whoever waits for themselves takes nobody's place.
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
    /// `body`, whose bytes count towards what all uploads may take together.
    pub fn metered(&self, body: Body) -> Body {
        body_budget::metered(body, Arc::clone(&self.reservation))
    }
}

/// A user's entry among the limits; it is there as long as one of these is.
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
