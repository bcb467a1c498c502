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
    pub told: Option<String>,
    /// States that requests without a response may have left.
    pub floating: Vec<Option<String>>,
    /// The last acknowledged change.
    pub changed: Option<Instant>,
}

impl Reaction {
    /// Whether `row` is one of the possible states.
    pub fn may_be(&self, row: Option<&String>) -> bool {
        self.told.as_ref() == row || self.floating.iter().any(|floating| floating.as_ref() == row)
    }
}

/// An order that was requested under one key, possibly several times.
#[derive(Clone, Debug)]
pub struct Asked {
    pub user: i64,
    /// Snack and quantity, in the order in which they were sent.
    pub lines: Vec<(Uuid, i32)>,
    /// Uids in the responses.
    pub told: Vec<Uuid>,
    /// Whether a request had no response.
    pub unknown: bool,
}

/// An operation that leaves a row of its own: actor, subject and new state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Deed {
    pub actor: i64,
    pub subject: String,
    pub to: String,
}

/// Number of acknowledged and of unknown outcomes of an operation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    pub told: usize,
    pub unknown: usize,
}

/// The refresh tokens of one session.
#[derive(Clone, Debug)]
pub struct Family {
    pub sign_in: Uuid,
    /// The tokens that were issued, oldest first.
    pub tokens: Vec<Uuid>,
    pub unknown: usize,
    /// Whether one token was used twice on purpose, which ends the session.
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
    pub orders: HashMap<String, Asked>,
    pub transitions: HashMap<Deed, Times>,
    pub member_types: HashMap<Deed, Times>,
    pub families: Vec<Family>,
}

impl Record {
    /// Adds the history of another client. Clients share only operations.
    pub fn absorb(&mut self, other: Self) {
        self.requests += other.requests;
        self.acknowledged += other.acknowledged;
        self.refused += other.refused;
        self.unknown += other.unknown;
        self.violations.extend(other.violations);
        self.reaction_times.extend(other.reaction_times);
        self.reactions.extend(other.reactions);
        self.orders.extend(other.orders);
        self.families.extend(other.families);
        for (mine, others) in [(&mut self.transitions, other.transitions), (&mut self.member_types, other.member_types)]
        {
            for (deed, times) in others {
                let sum = mine.entry(deed).or_default();
                sum.told += times.told;
                sum.unknown += times.unknown;
            }
        }
    }
}

impl Times {
    /// Counts one more operation with this outcome.
    pub fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Ok(_) => self.told += 1,
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
