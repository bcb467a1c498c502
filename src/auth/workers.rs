//! Threads for work that keeps a core busy: one for each core, with a low priority.
//!
//! Measured gain: see [`NICENESS`].

use std::thread::available_parallelism;

use tokio::runtime::{Builder, Runtime};
use tokio_util::task::AbortOnDropHandle;

use crate::error::ApiError;

/// Niceness of the threads (`nice(2)`), the maximum, so that many sign-ins at once slow down only each other. At 10 the p99 of other
/// requests beside 50 sign-ins was more than twice as high.
const NICENESS: i32 = 19;

pub struct Workers(Option<Runtime>);

impl Workers {
    /// Starts the threads when there is work.
    ///
    /// # Errors
    /// The system has no threads to offer.
    pub fn new() -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .thread_name("worker")
            .max_blocking_threads(available_parallelism().map_or(1, usize::from))
            .on_thread_start(|| {
                // A system without niceness works too.
                let _ = rustix::process::nice(NICENESS);
            })
            .build()?;
        Ok(Self(Some(runtime)))
    }

    /// Runs `work` when a thread is free. Work whose caller has gone before it starts is not done.
    ///
    /// # Errors
    /// The work panicked.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
        let Some(runtime) = &self.0 else {
            return Err(ApiError::internal("the worker threads have ended"));
        };
        AbortOnDropHandle::new(runtime.spawn_blocking(work)).await.map_err(ApiError::internal)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        // The last owner may be an async task, which must not block.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError, mpsc};

    use super::*;

    fn niceness() -> i32 {
        rustix::process::getpriority_process(None).expect("a priority")
    }

    #[tokio::test]
    async fn work_has_a_low_priority() {
        let workers = Workers::new().expect("workers");
        let expected = (niceness() + NICENESS).min(19);
        assert_eq!(workers.run(niceness).await.expect("an answer"), expected);
    }

    #[tokio::test]
    async fn work_without_a_caller_is_not_started_and_a_panic_stops_nothing_else() {
        let workers = Arc::new(Workers::new().expect("workers"));
        let done = Arc::new(Mutex::new(0));
        // All threads are busy, so that the following work has to wait.
        let (release, held) = mpsc::channel::<()>();
        let held = Arc::new(Mutex::new(held));
        let holding: Vec<_> = (0..available_parallelism().map_or(1, usize::from))
            .map(|_| {
                let (workers, held) = (Arc::clone(&workers), Arc::clone(&held));
                tokio::spawn(async move {
                    workers.run(move || held.lock().unwrap_or_else(PoisonError::into_inner).recv()).await
                })
            })
            .collect();
        let counted = || {
            let done = Arc::clone(&done);
            move || *done.lock().unwrap_or_else(PoisonError::into_inner) += 1
        };
        for _ in 0..3 {
            // Polled once, then dropped.
            let mut waiting = Box::pin(workers.run(counted()));
            assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        }
        for _ in &holding {
            release.send(()).expect("a busy thread");
        }
        for thread in holding {
            thread.await.expect("a task").expect("work").expect("a release");
        }
        assert!(workers.run(|| panic!("of this one alone")).await.is_err());
        workers.run(counted()).await.expect("work");
        assert_eq!(*done.lock().expect("a count"), 1);
    }
}
