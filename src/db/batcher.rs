//! What arrives together is done together: requests that come while earlier ones are at Postgres share the next statement,
//! and a commit if there is one. Nobody is answered from what was read before they asked.
//!
//! One alone is done at once; under load a batch is as large as what arrived meanwhile. That keeps answers fresh and writes
//! durable, and costs Postgres a fraction of a statement for each.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::FutureExt;
use tokio::sync::oneshot;

use crate::error::ApiError;

/// The most that one statement is asked.
const LARGEST: usize = 256;

/// How often a batch lets others have their turn before it begins. Nobody waits for a clock: one alone begins at once. (Two made
/// batches so much larger that Postgres had a third less to do at 16 connections; more of them changed nothing.)
const YIELDS: usize = 2;

/// A question on its way, and where its answer goes.
type Waiting<Q, A> = (Q, oneshot::Sender<Result<A, ApiError>>);

/// Those who wait, by what they can share: only questions of one key are answered together.
pub struct Batches<K, Q, A> {
    lanes: Lanes<K, Q, A>,
    /// How many batches of one key are under way at once.
    at_once: usize,
}

/// A key is there as long as something of it is.
type Lanes<K, Q, A> = Arc<Mutex<HashMap<K, Lane<Q, A>>>>;

struct Lane<Q, A> {
    waiting: VecDeque<Waiting<Q, A>>,
    under_way: usize,
}

impl<K, Q, A> Batches<K, Q, A>
where
    K: Clone + Eq + Hash + Send + 'static,
    Q: Send + 'static,
    A: Send + 'static,
{
    /// Nobody waits, and at most `at_once` batches of one key are ever under way.
    #[must_use]
    pub fn new(at_once: usize) -> Self {
        Self { lanes: Lanes::default(), at_once }
    }

    /// The answer to `question`, from the batch of `key` that begins next. `answer` gets the questions of a batch and returns
    /// as many answers in the same order, or what failed for all of them.
    ///
    /// # Errors
    /// What `answer` says.
    pub async fn ask<F>(
        &self,
        key: K,
        question: Q,
        answer: impl Fn(Vec<Q>) -> F + Send + Sync + 'static,
    ) -> Result<A, ApiError>
    where
        F: Future<Output = Result<Vec<Result<A, ApiError>>, ApiError>> + Send + 'static,
    {
        let (sender, answered) = oneshot::channel();
        let begins = {
            let mut lanes = lock(&self.lanes);
            let lane = lanes.entry(key.clone()).or_insert_with(|| Lane { waiting: VecDeque::new(), under_way: 0 });
            lane.waiting.push_back((question, sender));
            let begins = lane.under_way < self.at_once;
            lane.under_way += usize::from(begins);
            begins
        };
        if begins {
            // A task of its own: whoever began must not end it for the others by hanging up.
            let worker = Worker { lanes: Arc::clone(&self.lanes), key, is_done: false };
            tokio::spawn(work_off(worker, answer));
        }
        answered.await.map_err(ApiError::internal)?
    }
}

fn lock<K, Q, A>(lanes: &Mutex<HashMap<K, Lane<Q, A>>>) -> MutexGuard<'_, HashMap<K, Lane<Q, A>>> {
    lanes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One of those that work off a key; counted until it is done, also when its task is cancelled.
struct Worker<K: Eq + Hash, Q, A> {
    lanes: Lanes<K, Q, A>,
    key: K,
    is_done: bool,
}

impl<K: Eq + Hash, Q, A> Worker<K, Q, A> {
    /// The next batch; none, and no longer counted, when nobody waits.
    fn next(&mut self) -> Option<Vec<Waiting<Q, A>>> {
        let mut lanes = lock(&self.lanes);
        let lane = lanes.get_mut(&self.key)?;
        let count = lane.waiting.len().min(LARGEST);
        if count > 0 {
            return Some(lane.waiting.drain(..count).collect());
        }
        // Under the same lock: whoever comes next must find that nobody is at work.
        lane.under_way -= 1;
        self.is_done = true;
        if lane.under_way == 0 {
            lanes.remove(&self.key);
        }
        None
    }
}

impl<K: Eq + Hash, Q, A> Drop for Worker<K, Q, A> {
    fn drop(&mut self) {
        if !self.is_done
            && let Some(lane) = lock(&self.lanes).get_mut(&self.key)
        {
            lane.under_way -= 1;
        }
    }
}

async fn work_off<K, Q, A, F>(mut worker: Worker<K, Q, A>, answer: impl Fn(Vec<Q>) -> F)
where
    K: Eq + Hash,
    F: Future<Output = Result<Vec<Result<A, ApiError>>, ApiError>>,
{
    loop {
        // Whoever has just been answered, or is being read from the network, gets the chance to ask again.
        for _ in 0..YIELDS {
            tokio::task::yield_now().await;
        }
        let Some(batch) = worker.next() else { break };
        // Whoever has hung up meanwhile need not be answered; what they asked for is done all the same.
        let (questions, senders): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        // A panic is the end of its batch only: those who wait behind it are served by the same task.
        let answered = AssertUnwindSafe(async { answer(questions).await }).catch_unwind().await;
        match answered.unwrap_or_else(|_| Err(ApiError::internal("a batch panicked"))) {
            Ok(answers) => {
                for (sender, answer) in senders.into_iter().zip(answers) {
                    let _ = sender.send(answer);
                }
            }
            Err(error) => {
                for sender in senders {
                    let _ = sender.send(Err(error.again()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::{join_all, poll_fn};
    use tokio::sync::watch;

    use super::*;
    use crate::error::Code;

    /// Lets everything that can go on do so.
    async fn settle() {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn those_who_come_while_a_batch_is_under_way_share_the_next() {
        let (go, gate) = watch::channel(false);
        let (batch, batches) = (Batches::<(), usize, usize>::new(1), Arc::new(Mutex::new(Vec::new())));
        let ask = |question| {
            let (gate, batches) = (gate.clone(), Arc::clone(&batches));
            batch.ask((), question, move |questions| {
                let (mut gate, batches) = (gate.clone(), Arc::clone(&batches));
                async move {
                    batches.lock().expect("batches").push(questions.clone());
                    gate.wait_for(|open| *open).await.expect("a gate");
                    Ok(questions.into_iter().map(|question| Ok(question * 10)).collect())
                }
            })
        };
        let mut first = Box::pin(ask(1));
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        settle().await;
        // It has begun: whoever asks now must not get what it has read already.
        let mut others = Box::pin(join_all((2..=300).map(ask)));
        assert!(futures_util::poll!(others.as_mut()).is_pending());
        settle().await;
        go.send_replace(true);
        assert_eq!(first.await.expect("an answer"), 10);
        for (answer, question) in others.await.into_iter().zip(2..) {
            assert_eq!(answer.expect("an answer"), question * 10);
        }
        let sizes: Vec<_> = batches.lock().expect("batches").iter().map(Vec::len).collect();
        assert_eq!(sizes, [1, LARGEST, 300 - 1 - LARGEST]);
    }

    #[tokio::test]
    async fn a_failure_is_told_to_all_of_its_batch_and_a_panic_stops_nobody_else() {
        let batch = Batches::<(), &str, ()>::new(1);
        let tried = Arc::new(AtomicUsize::new(0));
        let ask = |question| {
            let tried = Arc::clone(&tried);
            batch.ask((), question, move |questions: Vec<&str>| {
                tried.fetch_add(questions.len(), Ordering::Relaxed);
                async move {
                    assert!(!questions.contains(&"panic"), "on purpose");
                    if questions.contains(&"fail") {
                        Err(Code::Unavailable.into())
                    } else {
                        Ok(questions.iter().map(|_| Ok(())).collect())
                    }
                }
            })
        };
        let failed = join_all([ask("fail"), ask("with it")]).await;
        assert!(failed.iter().all(|answer| answer.as_ref().is_err_and(|error| error.code == Code::Unavailable)));
        assert_eq!(ask("panic").await.expect_err("a panic").code, Code::Internal);
        ask("after it").await.expect("an answer");
        assert_eq!(tried.load(Ordering::Relaxed), 4);
        settle().await;
        assert!(lock(&batch.lanes).is_empty(), "what is not asked for takes no room");
    }

    #[tokio::test]
    async fn those_who_wait_behind_a_panic_are_served_without_a_further_request() {
        let (go, gate) = watch::channel(false);
        let batch = Batches::<(), &str, ()>::new(1);
        let ask = |question| {
            let gate = gate.clone();
            batch.ask((), question, move |questions: Vec<&str>| {
                let mut gate = gate.clone();
                async move {
                    gate.wait_for(|open| *open).await.expect("a gate");
                    assert!(!questions.contains(&"panic"), "on purpose");
                    Ok(questions.iter().map(|_| Ok(())).collect())
                }
            })
        };
        let mut first = Box::pin(ask("panic"));
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        settle().await;
        // They come while the batch that will panic is under way.
        let mut waiting = Box::pin(join_all([ask("one"), ask("two")]));
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        go.send_replace(true);
        assert_eq!(first.await.expect_err("a panic").code, Code::Internal);
        let answers = tokio::time::timeout(std::time::Duration::from_secs(5), waiting).await.expect("answers in time");
        assert!(answers.iter().all(Result::is_ok));
    }

    #[tokio::test]
    async fn who_hangs_up_ends_nothing_for_the_others() {
        let (go, gate) = watch::channel(false);
        let batch = Batches::<(), (), ()>::new(1);
        let ask = || {
            let gate = gate.clone();
            batch.ask((), (), move |questions| {
                let mut gate = gate.clone();
                async move {
                    gate.wait_for(|open| *open).await.expect("a gate");
                    Ok(questions.iter().map(|()| Ok(())).collect())
                }
            })
        };
        let mut first = Box::pin(ask());
        poll_fn(|context| {
            assert!(first.as_mut().poll(context).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        let second = ask();
        drop(first);
        go.send_replace(true);
        second.await.expect("an answer");
    }
}
