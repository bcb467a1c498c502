//! The history of a round: requests and their outcomes, to be compared with the rows.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use uuid::Uuid;

/// The outcome of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It succeeded.
    Ok(serde_json::Value),
    /// It was rejected for good, with status and code.
    Refused(u16, String),
    /// It reached no server.
    NotSent,
    /// No response, or a 503: it may have succeeded, or still succeed.
    Unknown,
}

/// A reaction of one user to one snack. Only that user's client changes it.
#[derive(Clone, Debug, Default)]
pub struct Reaction {
    /// The last acknowledged state, or the one before the round: `like`, `hate`, none.
    pub acknowledged: Option<String>,
    /// States that requests without a response may have left.
    pub possible: Vec<Option<String>>,
    /// The last acknowledged change.
    pub changed: Option<Instant>,
}

impl Reaction {
    /// True when `row` is one of the possible states.
    pub fn allows(&self, row: Option<&String>) -> bool {
        self.acknowledged.as_ref() == row || self.possible.iter().any(|possible| possible.as_ref() == row)
    }
}

/// An order that was requested under one key, possibly several times.
#[derive(Clone, Debug)]
pub struct RequestedOrder {
    pub user: i64,
    /// Snack and quantity, in the order in which they were sent.
    pub lines: Vec<(Uuid, i32)>,
    /// Uids in the responses.
    pub acknowledged: Vec<Uuid>,
    /// True when a request had no response.
    pub unknown: bool,
}

/// An operation that leaves a row of its own: actor, subject and new state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Operation {
    pub actor: i64,
    pub subject: String,
    pub to: String,
}

/// Number of acknowledged and of unknown outcomes of an operation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub acknowledged: usize,
    pub unknown: usize,
}

/// The refresh tokens of one session.
#[derive(Clone, Debug)]
pub struct Session {
    pub id: Uuid,
    /// The tokens that were issued, oldest first.
    pub tokens: Vec<Uuid>,
    pub unknown: usize,
    /// True when one token was used twice on purpose, which ends the session.
    pub reused: bool,
}

/// The history of one client, or of all of them.
#[derive(Debug, Default)]
pub struct Record {
    pub requests: usize,
    pub acknowledged: usize,
    pub refused: usize,
    pub unknown: usize,
    /// Violations that a response shows.
    pub violations: Vec<String>,
    /// Durations of the reactions that were sent during the fault.
    pub reaction_times: Vec<Duration>,
    /// By snack and user.
    pub reactions: HashMap<(i64, i64), Reaction>,
    /// By key.
    pub orders: HashMap<String, RequestedOrder>,
    pub transitions: HashMap<Operation, Tally>,
    pub member_types: HashMap<Operation, Tally>,
    pub sessions: Vec<Session>,
}

impl Record {
    /// Adds the history of another client. Clients share only operations.
    pub fn merge(&mut self, other: Self) {
        self.requests += other.requests;
        self.acknowledged += other.acknowledged;
        self.refused += other.refused;
        self.unknown += other.unknown;
        self.violations.extend(other.violations);
        self.reaction_times.extend(other.reaction_times);
        self.reactions.extend(other.reactions);
        self.orders.extend(other.orders);
        self.sessions.extend(other.sessions);
        for (mine, others) in [(&mut self.transitions, other.transitions), (&mut self.member_types, other.member_types)]
        {
            for (operation, times) in others {
                let sum = mine.entry(operation).or_default();
                sum.acknowledged += times.acknowledged;
                sum.unknown += times.unknown;
            }
        }
    }
}

impl Tally {
    /// Counts one more operation with this outcome.
    pub fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Ok(_) => self.acknowledged += 1,
            Outcome::Unknown => self.unknown += 1,
            Outcome::Refused(..) | Outcome::NotSent => {}
        }
    }
}

/// The smallest of `times` that `percent` of them do not exceed.
pub fn percentile(times: &[Duration], percent: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}
