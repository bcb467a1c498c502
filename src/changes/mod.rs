//! Changes that open pages show. Each is published after its commit; the relay takes them to the streams of this server and of others.
//!
//! A change only names what has changed. What is sent is read when it is sent, so that late and repeated messages do no harm.

pub mod relay;

use std::{
    collections::HashSet,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::domain::period::Month;

/// Maximum number of things of one kind in [`Pending`]. More of them are a resync.
const MAX_ITEMS: usize = 1000;

/// Changes that wait for the relay, and those that wait for the streams of this server.
#[derive(Default)]
pub struct Changes {
    published: Inbox,
    received: Inbox,
}

#[derive(Default)]
struct Inbox {
    pending: Mutex<Pending>,
    /// Notified when there is something in an empty inbox.
    filled: Notify,
}

/// Changes of a moment. Several changes of the same thing are one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pending {
    /// More has changed than is listed, or changes may have been missed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub resync: bool,
    #[serde(skip_serializing_if = "HashSet::is_empty")]
    pub orders: HashSet<Uuid>,
    /// Snacks whose counts changed, or whether they can be ordered.
    #[serde(skip_serializing_if = "HashSet::is_empty")]
    pub snacks: HashSet<Uuid>,
    /// Users whose notifications have changed.
    #[serde(skip_serializing_if = "HashSet::is_empty")]
    pub notified: HashSet<i64>,
    /// Months whose budgets have changed.
    #[serde(skip_serializing_if = "HashSet::is_empty")]
    pub months: HashSet<Month>,
}

impl Pending {
    pub fn resync() -> Self {
        Self { resync: true, ..Self::default() }
    }

    pub fn is_empty(&self) -> bool {
        let Self { resync, orders, snacks, notified, months } = self;
        !resync && orders.is_empty() && snacks.is_empty() && notified.is_empty() && months.is_empty()
    }

    /// Adds to one of the sets, or turns all into a resync if that is too many.
    fn add<T: Eq + Hash>(&mut self, set: fn(&mut Self) -> &mut HashSet<T>, items: impl IntoIterator<Item = T>) {
        if self.resync {
            return;
        }
        set(self).extend(items);
        if set(self).len() > MAX_ITEMS {
            *self = Self::resync();
        }
    }

    fn merge(&mut self, other: Self) {
        if other.resync {
            *self = other;
            return;
        }
        self.add(|it| &mut it.orders, other.orders);
        self.add(|it| &mut it.snacks, other.snacks);
        self.add(|it| &mut it.notified, other.notified);
        self.add(|it| &mut it.months, other.months);
    }
}

impl Inbox {
    fn put(&self, add: impl FnOnce(&mut Pending)) {
        let was_empty = {
            let mut pending = self.pending();
            let was_empty = pending.is_empty();
            add(&mut pending);
            was_empty
        };
        if was_empty {
            self.filled.notify_one();
        }
    }

    fn merge(&self, changes: Pending) {
        if !changes.is_empty() {
            self.put(|pending| pending.merge(changes));
        }
    }

    async fn wait(&self) {
        while self.pending().is_empty() {
            self.filled.notified().await;
        }
    }

    fn take(&self) -> Pending {
        std::mem::take(&mut self.pending())
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Changes {
    /// An order was created or changed.
    pub fn order(&self, uid: Uuid) {
        self.published.put(|pending| pending.add(|it| &mut it.orders, [uid]));
    }

    /// The counts of snacks changed, or whether they can be ordered.
    pub fn snacks(&self, uids: impl IntoIterator<Item = Uuid>) {
        self.published.put(|pending| pending.add(|it| &mut it.snacks, uids));
    }

    /// The numbers of unread notifications of `users` changed.
    pub fn notifications(&self, users: impl IntoIterator<Item = i64>) {
        self.published.put(|pending| pending.add(|it| &mut it.notified, users));
    }

    /// The budgets of `month` changed.
    pub fn budget(&self, month: Month) {
        self.published.put(|pending| pending.add(|it| &mut it.months, [month]));
    }

    /// Waits until there are changes for the streams of this server.
    pub async fn wait_received(&self) {
        self.received.wait().await;
    }

    /// Takes the changes for the streams of this server.
    pub fn take_received(&self) -> Pending {
        self.received.take()
    }

    /// Puts back changes that could not be sent to the streams.
    pub fn put_back(&self, changes: Pending) {
        self.received.merge(changes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uids(count: usize) -> impl Iterator<Item = Uuid> {
        (0..count).map(|_| Uuid::new_v4())
    }

    #[test]
    fn pending_changes_are_bounded_and_a_resync_stays_one() {
        let mut pending = Pending::default();
        pending.add(|it| &mut it.snacks, uids(MAX_ITEMS));
        assert_eq!((pending.resync, pending.snacks.len()), (false, MAX_ITEMS));
        let repeated: Vec<_> = pending.snacks.iter().copied().collect();
        pending.add(|it| &mut it.snacks, repeated);
        assert!(!pending.resync, "the same snacks again");
        pending.add(|it| &mut it.snacks, uids(1));
        assert_eq!(pending, Pending::resync());
        pending.add(|it| &mut it.notified, [7]);
        pending.merge(Pending { orders: uids(1).collect(), ..Pending::default() });
        assert_eq!(pending, Pending::resync());
    }

    #[test]
    fn merged_changes_are_those_of_both() {
        let (orders, snacks): (Vec<_>, Vec<_>) = (uids(2).collect(), uids(2).collect());
        let pending = |at: usize| Pending {
            orders: [orders[at]].into(),
            snacks: [snacks[at]].into(),
            notified: [7, 8 + i64::from(at == 1)].into(),
            ..Pending::default()
        };
        let mut merged = pending(0);
        merged.merge(pending(1));
        let expected = Pending {
            orders: orders.into_iter().collect(),
            snacks: snacks.into_iter().collect(),
            notified: [7, 8, 9].into(),
            ..Pending::default()
        };
        assert_eq!(merged, expected);
        merged.merge(Pending::resync());
        assert_eq!(merged, Pending::resync());
    }

    #[tokio::test]
    async fn a_waiter_gets_what_came_before_and_after_it_began_to_wait() {
        let inbox = std::sync::Arc::new(Inbox::default());
        for round in 0..100 {
            let waiting = tokio::spawn({
                let inbox = std::sync::Arc::clone(&inbox);
                async move {
                    inbox.wait().await;
                    inbox.take()
                }
            });
            if round % 2 == 0 {
                tokio::task::yield_now().await;
            }
            inbox.put(|pending| pending.add(|it| &mut it.notified, [round]));
            assert_eq!(waiting.await.expect("a task").notified, [round].into());
        }
    }
}
