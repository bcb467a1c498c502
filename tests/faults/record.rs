//! What the clients did and what they were told: the history that a round's rows are held against.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use uuid::Uuid;

/// What became of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It was done.
    Ok(serde_json::Value),
    /// It was not, and never will be: status and code.
    Refused(u16, String),
    /// It never reached a server.
    NotSent,
    /// No answer, or a 503: it may have been done, or be done yet.
    Unknown,
}

/// A reaction of one user to one snack, as only that user's client can change it.
#[derive(Clone, Debug, Default)]
pub struct Reaction {
    /// What the last answer said, or what stood there before: `like`, `hate`, none.
    pub told: Option<String>,
    /// What requests without an answer may still have made of it.
    pub floating: Vec<Option<String>>,
    /// When it last changed, as far as its user knows.
    pub changed: Option<Instant>,
}

impl Reaction {
    /// Whether `row` is what it may be.
    pub fn may_be(&self, row: Option<&String>) -> bool {
        self.told.as_ref() == row || self.floating.iter().any(|floating| floating.as_ref() == row)
    }
}

/// An order that was asked for under one key, maybe several times.
#[derive(Clone, Debug)]
pub struct Asked {
    pub user: i64,
    /// Snack and quantity, in the order in which they were sent.
    pub lines: Vec<(Uuid, i32)>,
    /// What the answers said it is.
    pub told: Vec<Uuid>,
    /// Whether some request had no answer.
    pub unknown: bool,
}

/// A deed that leaves a row of its own: who, what, whereto.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Deed {
    pub actor: i64,
    pub subject: String,
    pub to: String,
}

/// How often a deed was acknowledged, and how often nobody knows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    pub told: usize,
    pub unknown: usize,
}

/// One sign-in's refresh tokens.
#[derive(Clone, Debug)]
pub struct Family {
    pub sign_in: Uuid,
    /// The tokens that were handed out, the first included, oldest first.
    pub tokens: Vec<Uuid>,
    pub unknown: usize,
    /// Whether one token was presented twice on purpose, which ends the sign-in.
    pub reused: bool,
}

/// What one client or all of them did in a round.
#[derive(Debug, Default)]
pub struct Record {
    pub requests: usize,
    pub acknowledged: usize,
    pub refused: usize,
    pub unknown: usize,
    /// What was wrong at sight.
    pub violations: Vec<String>,
    /// How long reactions took that were sent while the fault lasted.
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
    /// Takes in what another client did. Clients share nothing but deeds.
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
    /// Counts one more deed with this outcome.
    pub fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Ok(_) => self.told += 1,
            Outcome::Unknown => self.unknown += 1,
            Outcome::Refused(..) | Outcome::NotSent => {}
        }
    }
}

/// The value that `percent` of `times` are not above.
pub fn percentile(times: &[Duration], percent: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}
