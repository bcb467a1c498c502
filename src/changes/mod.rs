//! Changes that open pages show: what has changed, for the streams of this server and of others.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::period::Month;

/// Changes since they were last taken. Each is published after its commit.
#[derive(Default)]
pub struct Changes(Mutex<Pending>);

/// Changes of a moment. Several changes of the same thing are one.
#[derive(Debug, Default)]
pub struct Pending {
    pub orders: HashMap<Uuid, OrderVersion>,
    pub snacks: HashSet<Uuid>,
    /// Users whose notifications have changed.
    pub notified: HashSet<i64>,
    pub months: HashSet<Month>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderVersion {
    pub status: Cow<'static, str>,
    pub version: i32,
}

impl Changes {
    /// An order was created or changed.
    pub fn order(&self, uid: Uuid, status: &'static str, version: i32) {
        self.pending().orders.insert(uid, OrderVersion { status: Cow::Borrowed(status), version });
    }

    /// The counts of snacks changed, or whether they can be ordered.
    pub fn snacks(&self, uids: impl IntoIterator<Item = Uuid>) {
        self.pending().snacks.extend(uids);
    }

    /// The numbers of unread notifications of `users` changed.
    pub fn notifications(&self, users: impl IntoIterator<Item = i64>) {
        self.pending().notified.extend(users);
    }

    /// The budgets of `month` changed.
    pub fn budget(&self, month: Month) {
        self.pending().months.insert(month);
    }

    /// Takes what was published since the last call.
    pub fn take(&self) -> Pending {
        std::mem::take(&mut self.pending())
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
