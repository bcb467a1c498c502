//! Open streams of this server by user.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::error::ApiError;

/// Maximum number of streams of a user.
pub const MAX_STREAMS: usize = 10;
/// Time after which a user with too many streams may try again.
const RETRY_AFTER: Duration = Duration::from_secs(15);

/// A user has an entry while they have streams.
pub struct OpenStreams {
    by_user: Mutex<HashMap<i64, UserStreams>>,
    /// Boot time of the last check of all users.
    checked_at: Mutex<Duration>,
    /// Cancelled when the server is stopping.
    stop: CancellationToken,
}

struct UserStreams {
    count: usize,
    /// Cancelled when the streams of the user are to end.
    end: CancellationToken,
}

/// Counted stream. Subtracted on drop.
pub struct OpenStream {
    streams: Arc<OpenStreams>,
    pub user: i64,
    /// Cancelled when the stream is to end.
    pub end: CancellationToken,
}

impl OpenStreams {
    pub fn new(stop: CancellationToken) -> Arc<Self> {
        Arc::new(Self { by_user: Mutex::default(), checked_at: Mutex::default(), stop })
    }

    /// Counts a stream of `user`.
    ///
    /// # Errors
    /// `too_many_requests`.
    pub fn open(self: &Arc<Self>, user: i64) -> Result<OpenStream, ApiError> {
        let mut by_user = self.by_user();
        let of_user = by_user.entry(user).or_insert_with(|| UserStreams { count: 0, end: self.stop.child_token() });
        if of_user.count >= MAX_STREAMS {
            return Err(ApiError::too_many(RETRY_AFTER));
        }
        of_user.count += 1;
        metrics::gauge!("live_streams").increment(1.0);
        Ok(OpenStream { streams: Arc::clone(self), user, end: of_user.end.clone() })
    }

    /// Ends the streams of `user`.
    pub fn end(&self, user: i64) {
        // The entry goes with the last stream. Streams that are opened until then end too.
        if let Some(of_user) = self.by_user().get(&user) {
            of_user.end.cancel();
        }
    }

    /// Boot time of the last check that ended the streams of all users who had resigned or were deleted.
    pub fn checked_at(&self) -> Duration {
        *self.checked_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set_checked_at(&self, boot_time: Duration) {
        *self.checked_at.lock().unwrap_or_else(PoisonError::into_inner) = boot_time;
    }

    pub fn is_empty(&self) -> bool {
        self.by_user().is_empty()
    }

    /// Users who have streams.
    pub fn users(&self) -> Vec<i64> {
        self.by_user().keys().copied().collect()
    }

    /// Those of `users` who have streams.
    pub fn users_among(&self, users: impl IntoIterator<Item = i64>) -> Vec<i64> {
        let by_user = self.by_user();
        users.into_iter().filter(|user| by_user.contains_key(user)).collect()
    }

    fn by_user(&self) -> MutexGuard<'_, HashMap<i64, UserStreams>> {
        self.by_user.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        metrics::gauge!("live_streams").decrement(1.0);
        let mut by_user = self.streams.by_user();
        match by_user.get_mut(&self.user) {
            Some(of_user) if of_user.count > 1 => of_user.count -= 1,
            _ => {
                by_user.remove(&self.user);
            }
        }
    }
}
