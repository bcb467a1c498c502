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
        *self == Self::default()
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

    /// Waits until something has been published.
    pub async fn wait_published(&self) {
        self.published.wait().await;
    }

    /// Takes what was published since the last call.
    pub fn take_published(&self) -> Pending {
        self.published.take()
    }

    /// Passes changes to the streams of this server.
    pub fn receive(&self, changes: Pending) {
        if !changes.is_empty() {
            self.received.put(|pending| pending.merge(changes));
        }
    }

    /// Waits until there are changes for the streams of this server.
    pub async fn wait_received(&self) {
        self.received.wait().await;
    }

    /// Takes the changes for the streams of this server.
    pub fn take_received(&self) -> Pending {
        self.received.take()
    }
}
