//! Likes and hates: rows in Postgres are the truth, Redis counts them, an interval task flushes the counts into the
//! statistics columns of snacks.
//!
//! The promise: whatever is killed, cut off or wiped, once traffic stops and every part is reachable again, the Redis
//! counters, the statistics columns and the count of rows are equal within two reconcile intervals. What keeps it:
//!
//! - every change of a row leaves a dirty row in its own transaction (a trigger), so that no change can be forgotten;
//! - the flush takes the dirty rows first and counts afterwards, never the other way round;
//! - only the flush writes absolute values, each with a new epoch; a reaction's INCR and DECR take effect only on the epoch
//!   that was read before the row was written, so that a late one cannot be counted twice;
//! - the reconcile compares Redis with the columns and sends whatever differs through the flush.

pub mod counters;
pub mod flush;
pub mod routes;
pub mod store;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::{
    app::state::AppState,
    error::{
        ApiError,
        Code::{DuplicateReaction, ReactionNotFound, ValidationFailed},
    },
    http::openapi::member,
};
use counters::Stored;

/// Every route of this noun with the refusals that are its own.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(member(routes!(routes::react), &[ValidationFailed, DuplicateReaction]))
        .routes(member(routes!(routes::cancel_reaction), &[ReactionNotFound]))
}

/// What somebody thinks of a snack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "reaction_type", rename_all = "lowercase")]
pub enum ReactionType {
    /// More of it.
    Like,
    /// Never again.
    Hate,
}

impl ReactionType {
    /// The one that a switch leaves.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Like => Self::Hate,
            Self::Hate => Self::Like,
        }
    }
}

/// How many like and hate a snack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Likes.
    pub likes: i32,
    /// Hates.
    pub hates: i32,
}

impl Counts {
    /// Likes by hates; the likes where nobody hates it; 1 where nobody has rated it. The column `snacks.like_ratio` says
    /// the same in SQL.
    #[must_use]
    pub fn ratio(self) -> f64 {
        match (self.likes, self.hates) {
            (0, 0) => 1.0,
            (likes, 0) => f64::from(likes),
            (likes, hates) => f64::from(likes) / f64::from(hates),
        }
    }
}

/// The counts of this moment: Redis's, when its epoch is at least `epoch` (the statistics columns'), else the rows'.
///
/// # Errors
/// Postgres out of reach. Redis out of reach is none.
pub async fn live_counts(
    state: &AppState,
    snack: Uuid,
    stored: Option<Stored>,
    epoch: i64,
) -> Result<Counts, ApiError> {
    match stored {
        Some(Stored { counts: Some(counts), epoch: stored }) if stored >= epoch => Ok(counts),
        _ => store::count(&state.db, snack).await,
    }
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn an_unrated_snack_stands_between_the_liked_and_the_hated() {
        let table = [((7, 3), 7.0 / 3.0), ((60, 40), 1.5), ((5, 0), 5.0), ((0, 0), 1.0), ((0, 4), 0.0), ((3, 3), 1.0)];
        for ((likes, hates), expected) in table {
            let ratio = Counts { likes, hates }.ratio();
            assert!((ratio - expected).abs() < f64::EPSILON, "{likes} to {hates} is {ratio}");
            assert_eq!(ratio < 1.0, hates > likes, "{likes} to {hates}");
        }
    }
}
