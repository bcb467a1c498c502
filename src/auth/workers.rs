//! Threads for work that keeps a core busy: as many as there are cores, and politer than those that answer requests.

use std::thread::available_parallelism;

use tokio::runtime::{Builder, Runtime};
use tokio_util::task::AbortOnDropHandle;

use crate::error::ApiError;

/// How much the threads yield (`nice(2)`): as much as there is, so that a crowd that signs in waits for itself and not everybody
/// for it. At 10 the p99 of other calls beside 50 sign-ins was more than twice its figure.
const POLITENESS: i32 = 19;

/// The threads.
pub struct Workers(Option<Runtime>);

impl Workers {
    /// One thread for each core, started when there is work.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn new() -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .thread_name("worker")
            .max_blocking_threads(available_parallelism().map_or(1, usize::from))
            .on_thread_start(|| {
                // A system that does not know of niceness works all the same.
                let _ = rustix::process::nice(POLITENESS);
            })
            .build()?;
        Ok(Self(Some(runtime)))
    }

    /// Does `work` when a thread is free. Work whose caller goes away before it has begun is not done at all.
    ///
    /// # Errors
    /// When the work panicked.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
        let Some(runtime) = &self.0 else {
            return Err(ApiError::internal("the workers have gone"));
        };
        AbortOnDropHandle::new(runtime.spawn_blocking(work)).await.map_err(ApiError::internal)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        // The last owner may be an async task, which must not wait for threads.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError, mpsc};

    use super::*;

    fn politeness() -> i32 {
        rustix::process::getpriority_process(None).expect("a priority")
    }

    #[tokio::test]
    async fn work_yields_to_requests() {
        let workers = Workers::new().expect("workers");
        let expected = (politeness() + POLITENESS).min(19);
        assert_eq!(workers.run(politeness).await.expect("an answer"), expected);
    }

    #[tokio::test]
    async fn work_whose_caller_has_gone_is_not_begun_and_a_panic_harms_nobody_else() {
        let workers = Arc::new(Workers::new().expect("workers"));
        let done = Arc::new(Mutex::new(0));
        // Every thread is held up, so that what follows has to wait.
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
            // Polled once, then given up.
            let mut waiting = Box::pin(workers.run(counted()));
            assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        }
        for _ in &holding {
            release.send(()).expect("a thread that is held up");
        }
        for thread in holding {
            thread.await.expect("a task").expect("work").expect("a release");
        }
        assert!(workers.run(|| panic!("of this one alone")).await.is_err());
        workers.run(counted()).await.expect("work");
        assert_eq!(*done.lock().expect("a count"), 1);
    }
}
